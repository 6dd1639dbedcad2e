"""Which scenarios `run --failed`, `--critical` and `--changed` choose, and which they leave out: that is always said."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..attestation.fingerprinting import changed_since
from ..core.errors import UsageError
from ..core.links import KIND as LINK_KIND
from ..core.plan import LoadStep, Plan, ScenarioPlan
from ..core.selections import Wish
from ..core.stack import LINK, Target
from ..core.templates import Template
from ..core.verdicts import Severity, Verdict
from ..engine.schedule import select
from ..history import queries
from .remembering import whole_history

_MANY = 12


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is chosen, with what it needs. `text`: what was left out, for the verdict (empty: nothing was); `said`: for the terminal."""

    only: tuple[str, ...]
    text: str
    said: tuple[str, ...]


def choose(plan: Plan, only: Sequence[str], labels: Sequence[str], wish: Wish, root: Path | None) -> Choice:
    """Those among `only` and `labels` that each of the wishes chooses. Raises UsageError for a reference that git does not know."""
    left = list(select(plan, only, labels))
    said: list[str] = []
    words: list[str] = []
    if wish.critical:
        words.append("--critical")
        left = [s for s in left if is_critical(s)]
    if wish.failed:
        words.append("--failed")
        left = _failed(plan, left, root, said)
    if wish.changed is not None:
        words.append(f"--changed={wish.changed}" if wish.changed else "--changed")
        left = _changed(plan, left, wish.changed, root, said)
    chosen = select(plan, [s.id for s in left]) if left else ()
    out = [s.id for s in plan.scenarios if s not in chosen]
    text = ""
    if out:
        names = ", ".join(out[:_MANY]) + (f" and {len(out) - _MANY} more" if len(out) > _MANY else "")
        among = "".join(f" {x}" for x in (*(f"--only {o}" for o in only), *(f"--labels {x}" for x in labels)))
        text = f"{len(chosen)} of {len(plan.scenarios)} scenarios ({' '.join(words)}{among}); left out: {names}"
    return Choice(only=tuple(s.id for s in chosen), text=text, said=tuple(said))


def is_critical(scenario: ScenarioPlan) -> bool:
    """Whether any finding of it can decide the trial."""
    if scenario.severity is Severity.BLOCKING and (scenario.python is not None or scenario.holds or scenario.judged):
        return True
    of_steps = (s.severity for s in (*scenario.steps, *scenario.finally_))
    return Severity.BLOCKING in (*of_steps, *(e.severity for e in scenario.expect))


def _failed(plan: Plan, left: list[ScenarioPlan], root: Path | None, said: list[str]) -> list[ScenarioPlan]:
    spec = str(plan.file.absolute())
    with whole_history(root) as database:
        verdicts = queries.last_verdicts(database, spec)
        last = queries.last_findings(database, spec)
    if not verdicts:
        said.append("--failed: no trial of this spec is known: everything runs")
        return left
    whole = [f for f, scenario, _ in last if scenario not in {s.id for s in plan.scenarios}]
    if whole:
        said.append(
            f"--failed: {', '.join(whole[:5])} did not pass, which only a whole trial can tell: everything runs"
        )
        return left
    open_ = {f[1] for f in last}
    for scenario in left:
        verdict, trial = verdicts.get(scenario.id, ("", ""))
        if scenario.id in open_ or verdict != Verdict.PASS.value:
            open_.add(scenario.id)
            said.append(f"--failed: {scenario.id}: {f'{verdict} in {trial}' if verdict else 'it never ran'}")
    return [s for s in left if s.id in open_]


def _changed(
    plan: Plan, left: list[ScenarioPlan], reference: str, root: Path | None, said: list[str]
) -> list[ScenarioPlan]:
    found = (
        (git_changes(plan.file.resolve().parent, reference), reference) if reference else _since_go(plan, root, said)
    )
    if found is None:
        return left
    changed, since = found
    base = plan.file.resolve().parent
    names = ", ".join(os.path.relpath(p, base) for p in changed[:5])
    names += f" and {len(changed) - 5} more" if len(changed) > 5 else ""
    said.append(f"--changed: {len(changed)} files since {since}{f': {names}' if changed else ''}")
    files = {f.resolve() for f in plan.files}
    of_spec = next((p for p in changed if p in files), None)
    if of_spec is not None:
        said.append(f"--changed: {os.path.relpath(of_spec, base)} is a part of the spec: everything runs")
        return left
    return [s for s in left if affects(plan, s, changed)]


def _since_go(plan: Plan, root: Path | None, said: list[str]) -> tuple[list[Path], str] | None:
    """What changed since the last GO, and which that was; None where that cannot be told."""
    with whole_history(root) as database:
        good = queries.last_go(database, str(plan.file.absolute()))
    if good is None:
        said.append("--changed: this spec has had no GO yet: everything runs")
        return None
    changed = changed_since(plan, Path(good.directory))
    if changed is None:
        said.append(f"--changed: the records of the last GO, {good.trial}, are gone: everything runs")
        return None
    return changed, good.trial


def affects(plan: Plan, scenario: ScenarioPlan, changed: Sequence[Path]) -> bool:
    """Whether any of the files is one that the scenario depends on; always, where nobody said on which it does."""
    base = plan.file.resolve().parent
    if scenario.paths:
        return _match(scenario.paths, base, changed)
    services = _with_dependencies(plan, services_of(plan, scenario))
    made = [plan.stack.services[s] for s in services if plan.stack.services[s].kind in ("process", "remote")]
    if not made or any(not s.paths for s in made):
        return True
    return any(_match(s.paths, plan.stack.directory, changed) for s in made)


def services_of(plan: Plan, scenario: ScenarioPlan) -> set[str]:
    """Every service that a scenario, and what runs with it, speaks to or of."""
    parts: list[object] = [scenario.steps, scenario.finally_, scenario.holds, scenario.expect]
    loads = [s.load for s in (*scenario.steps, *scenario.finally_) if isinstance(s, LoadStep)]
    for name in (*scenario.throughout, *plan.throughout, *loads):
        parts += [plan.workloads.get(name), plan.loads.get(name)]
    found = set(scenario.python.services) if scenario.python is not None else set()
    for target in (t for part in parts for t in _targets(part)):
        found.update(target.split(LINK))
    return found & plan.stack.services.keys()


def _targets(thing: object) -> Iterator[str]:
    if isinstance(thing, Target):
        yield thing.service
    elif isinstance(thing, Template):
        yield from thing.names
    elif dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        for field in dataclasses.fields(thing):
            yield from _targets(getattr(thing, field.name))
    elif isinstance(thing, Mapping):
        for value in thing.values():
            yield from _targets(value)
    elif isinstance(thing, tuple | list):
        for value in thing:
            yield from _targets(value)


def _with_dependencies(plan: Plan, names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        service = plan.stack.services.get(name)
        if service is None or name in found:
            continue
        if service.kind == LINK_KIND:
            left += name.split(LINK)
        else:
            found.add(name)
        left += service.after
    return found


def _match(patterns: Sequence[str], base: Path, changed: Sequence[Path]) -> bool:
    expressions = [pattern_of(p) for p in patterns]
    return any(e.fullmatch(Path(os.path.relpath(path, base)).as_posix()) for path in changed for e in expressions)


def pattern_of(pattern: str) -> re.Pattern[str]:
    """`*` within a name, `**` over directories; a directory means all that is in it."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.rstrip("/"))
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(words.get(p, re.escape(p)) for p in parts) + "(?:/.*)?")


def git_changes(directory: Path, reference: str) -> list[Path]:
    """Files that differ from a reference in the working tree, and those that git does not know yet. Raises UsageError."""
    top = Path(_git(directory, "rev-parse", "--show-toplevel")[0])
    if reference.startswith("-"):
        raise UsageError.simple(f"--changed={reference} is no git reference", "--changed=main")
    names = _git(top, "diff", "--name-only", "--no-renames", "-z", reference, "--")
    names += _git(top, "ls-files", "--others", "--exclude-standard", "-z")
    return [(top / n).resolve() for n in dict.fromkeys(names) if ".seatrial" not in n.split("/")]


def _git(directory: Path, *words: str) -> list[str]:
    try:
        done = subprocess.run(["git", "-C", str(directory), *words], capture_output=True, text=True, check=False)
    except OSError as error:
        raise UsageError.simple(
            f"--changed=REF needs git: {error.strerror}", "--changed alone goes by the last GO"
        ) from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise UsageError.simple(
            f"git: {said[0] if said else done.returncode}", "--changed=main, or --changed for the last GO"
        )
    return [n for n in done.stdout.rstrip("\n").split("\0") if n]
