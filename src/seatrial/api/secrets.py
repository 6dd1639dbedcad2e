"""Where secrets come from when a step needs one. They live here and in the redactor, nowhere else."""

from __future__ import annotations

import os
import secrets
import string
from collections.abc import Mapping

from ..core.errors import UsageError
from ..core.plan import SecretSource

_ALPHABET = string.ascii_letters + string.digits


class Secrets:
    """Secret values by name, looked up when asked for and remembered for the trial."""

    def __init__(self, sources: Mapping[str, SecretSource], environment: Mapping[str, str] | None = None) -> None:
        self._sources = sources
        self._environment = os.environ if environment is None else environment
        self._values: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        """The value. Raises UsageError, saying where it was looked for, when there is none."""
        if name not in self._values:
            self._values[name] = self._find(self._sources.get(name) or SecretSource(name=name, environment=name))
        return self._values[name]

    def given(self) -> dict[str, str]:
        """Those that were not made for this trial, as they are now: looked up again. One that has gone is empty."""
        fresh, found = Secrets(self._sources, self._environment), {}
        for name in (n for n, source in self._sources.items() if not source.generate):
            try:
                found[name] = fresh(name)
            except UsageError:
                found[name] = ""
        return found

    def generated(self) -> dict[str, str]:
        """Those that were made for this trial, by name."""
        return {name: self(name) for name, source in self._sources.items() if source.generate}

    def restore(self, values: Mapping[str, str]) -> None:
        """Take over secrets that were made when the stack was brought up."""
        self._values |= values

    def _find(self, source: SecretSource) -> str:
        if source.generate:
            return "".join(secrets.choice(_ALPHABET) for _ in range(source.generate))
        if source.file is not None:
            try:
                return source.file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise UsageError.simple(f"secret {source.name}: {source.file}: {error.strerror}") from None
        variable = source.environment or source.name
        if variable not in self._environment:
            raise UsageError.simple(f"secret {source.name} is not set", f"set the environment variable {variable}")
        return self._environment[variable]
