"""Strikes secrets out of whatever is written: exact values in their disguises, credential headers, passwords in URLs."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

STRUCK: Final = "[secret]"
SHORTEST: Final = 4  # characters; shorter values would strike out half of every text
_LEAST_ENCODED: Final = 8  # characters of a base64 core that cannot be anything else by chance
_LEAST_LINE: Final = 16  # characters of a line of a longer secret (a key file) that is struck out by itself

_CREDENTIAL_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token"}
)
_WORDS = r"(?:token|secret|password|passwd|passphrase|pwd|api[-_]?key)"
_KEY = re.compile(rf"{_WORDS}(?!s)", re.IGNORECASE)
_KEY_END = re.compile(rf"{_WORDS}\Z", re.IGNORECASE)
_PATH = re.compile(r"[^\s=]+\Z")

# Anything below is looked for only where one of these occurs.
_HINTS = (
    "://",
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "api-key",
    "api_key",
    "apikey",
    "authorization",
    "cookie",
    "bearer",
    "basic",
)
_HINT = re.compile("|".join(_HINTS), re.IGNORECASE)
_WORDS_IN_LINES = tuple(h for h in _HINTS if h != "://")
_LONG = 300  # characters from which on a plain search per word is faster than one pattern for all
_URL = re.compile(r"(://[^\s/:@\"'<>]*:)(?!\$\{secret:)[^\s/?#\"'<>]+@")
_PAIR = re.compile(
    rf"({_WORDS}(?:\s*=(?!=)\s*|\s+is\s+(?=\")|\\?[\"']\s*[:=]\s*))(?!\$\{{secret:|\{{\{{)"
    r"(?:\\\"(?:(?!\\\").)*|\"(?:[^\"\\]|\\.)*|'(?:[^'\\]|\\.)*|[^\s&;,\"'{}\[\]\\]+)",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?<![\w-])((?:proxy-)?authorization|(?:set-)?cookie|x-api-key|x-auth-token)(\\?[\"']?\s*:\s*)(?!\$\{secret:)"
    r"(?:\\?\"(?:[^\"\\]|\\[^\"])*|[^\s\"'][^\r\n\"']*)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer|basic)(\s+)[A-Za-z0-9._~+/-]{8,}=*", re.IGNORECASE)


def looks_secret(name: str) -> bool:
    """Whether a name is that of a credential: `Authorization`, `x-auth-token`, `DB_PASSWORD`, `json.access_token`."""
    return name.casefold() in _CREDENTIAL_HEADERS or _KEY.search(name) is not None


class Redactor:
    """Knows the secrets of a trial and strikes them out of texts and nested structures.

    Values of fewer than `SHORTEST` characters are not looked for. Secrets may be added while it is in use.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._escaped: tuple[str, ...] = ()  # the forms, as they stand in a line of JSON
        for secret in secrets:
            self._learn(secret)
        self._compile()

    def add(self, value: str) -> None:
        """Strike out this value, too, from now on."""
        if value not in self._values:
            self._learn(value)
            self._compile()

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._pattern is not None and (len(text) < _LONG or any(f in text for f in self._forms)):
            text = self._pattern.sub(STRUCK, text)
        if not _suspicious(text):
            return text
        if "://" in text:
            text = _URL.sub(rf"\1{STRUCK}@", text)
        text = _HEADER.sub(rf"\1\2{STRUCK}", text)
        text = _BEARER.sub(rf"\1\2{STRUCK}", text)
        return _PAIR.sub(_pair, text)

    def clean(self, line: str) -> bool:
        """Whether a value surely holds nothing to strike out, told from its line of JSON (ensure_ascii=False).

        Most lines of a journal are, and one look at the whole line is many times cheaper than `redact`.
        """
        if any(form in line for form in self._escaped) or ("@" in line and "://" in line):
            return False
        folded = line.casefold()
        return not any(word in folded for word in _WORDS_IN_LINES)

    def redact(self, value: Any) -> Any:
        """A value without secrets: texts, and mappings, lists and tuples of them; others come back as they are."""
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Mapping):
            return {self.redact(k): self._entry(k, v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return tuple(self._sequence(value)) if isinstance(value, tuple) else self._sequence(value)
        if isinstance(value, int | float):
            return STRUCK if str(value) in self._values else value
        if isinstance(value, bytes):
            return self.text(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        return value

    def _sequence(self, value: list[Any] | tuple[Any, ...]) -> list[Any]:
        # A header, or a measured value, beside its name.
        if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], str) and _PATH.match(value[0]):
            return [self.text(value[0]), self._entry(value[0], value[1])]
        return [self.redact(v) for v in value]

    def _entry(self, key: object, value: Any) -> Any:
        if not isinstance(key, str) or not looks_secret(key) or value is None or isinstance(value, bool):
            return self.redact(value)
        if isinstance(value, str | bytes):
            if not value or _is_reference(value):
                return value
            return STRUCK if isinstance(value, str) else STRUCK.encode()
        if isinstance(value, list | tuple):
            return [self._entry(key, v) for v in value]
        if isinstance(value, int | float):
            return STRUCK if _KEY_END.search(key) else self.redact(value)
        return self.redact(value)

    def _learn(self, value: str) -> None:
        if len(value) < SHORTEST:
            return
        self._values.add(value)
        self._forms.update(f for f in _forms(value) if len(f) >= SHORTEST)
        stripped = value.strip()
        if stripped != value:
            self._learn(stripped)
        if "\n" in stripped:
            for line in stripped.splitlines():
                if len(line.strip()) >= _LEAST_LINE and not line.startswith("-----"):
                    self._learn(line.strip())

    def _compile(self) -> None:
        if self._forms:
            # Longest first: a secret that begins with another one is struck out whole.
            self._pattern = re.compile("|".join(map(re.escape, sorted(self._forms, key=lambda f: (-len(f), f)))))
            self._escaped = tuple({json.dumps(form, ensure_ascii=False)[1:-1] for form in self._forms})


def _suspicious(text: str) -> bool:
    if len(text) < _LONG:
        return _HINT.search(text) is not None
    folded = text.casefold()
    return any(h in folded for h in _HINTS)


def _is_reference(value: str | bytes) -> bool:
    return isinstance(value, str) and value.startswith(("${secret:", "{{", STRUCK))


def _pair(match: re.Match[str]) -> str:
    value = match[0][len(match[1]) :]
    quote = next((q for q in ('\\"', '"', "'") if value.startswith(q)), "")
    return f"{match[1]}{quote}{STRUCK}"


def _forms(value: str) -> Iterator[str]:
    """The value, and what it looks like in a URL, in JSON, in HTML and in base64."""
    yield value
    for quoted in (
        urllib.parse.quote(value, safe="", errors="surrogatepass"),
        urllib.parse.quote(value, errors="surrogatepass"),
        urllib.parse.quote_plus(value, errors="surrogatepass"),
    ):
        yield quoted
        yield re.sub(r"%[0-9A-F]{2}", lambda m: m[0].lower(), quoted)
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield json.dumps(json.dumps(value))[3:-3]
    yield json.dumps(json.dumps(value, ensure_ascii=False), ensure_ascii=False)[3:-3]
    yield html.escape(value)
    yield repr(value)[1:-1]
    raw = value.encode("utf-8", "surrogatepass")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode().rstrip("=")
        for before in range(3):
            core = _base64_core(encode(b"\0" * before + raw).decode(), before, len(raw))
            if len(core) >= _LEAST_ENCODED:
                yield core


def _base64_core(encoded: str, before: int, size: int) -> str:
    """The characters that the value alone decides, when `before` bytes (mod 3) stand before it and any number after it."""
    first = (before * 8 + 5) // 6
    last = (before + size) * 8 // 6
    return encoded[first:last]
