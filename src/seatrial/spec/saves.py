"""What is saved where: values have an order, and `needs` makes it."""

from __future__ import annotations

from ..core.expressions import Type
from .nodes import Mapping as MappingNode
from .nodes import Node, Scalar
from .nodes import Sequence as SequenceNode


def saves_of(steps: Node | None) -> dict[str, int]:
    """Every name that these steps save, and the line in which they first do."""
    found: dict[str, int] = {}
    for step in steps.items if isinstance(steps, SequenceNode) else ():
        save = step.get("save") if isinstance(step, MappingNode) else None
        for key, _ in save if isinstance(save, MappingNode) else ():
            found.setdefault(key.text, key.line)
    return found


class Saves:
    """Where the names of a spec are saved, with the sentences that say so where one is used too early."""

    def __init__(self, root: MappingNode) -> None:
        self.setup = saves_of(root.get("setup"))
        node = root.get("scenarios")
        self.scenarios: dict[str, dict[str, int]] = {}
        for key, child in node if isinstance(node, MappingNode) else ():
            self.scenarios[key.text] = saves_of(child.get("steps") if isinstance(child, MappingNode) else None)

    def for_setup(self) -> dict[str, str]:
        """For a step of the setup."""
        found = self._of_others("", "{name} is saved by scenario {scenario} (line {line}), which runs after the setup")
        return found | {n: f"{n} is saved in line {line}, after this" for n, line in self.setup.items()}

    def for_standing(self) -> dict[str, str]:
        """For a workload or a steady state, which begin before any scenario."""
        return self._of_others("", "scenario {scenario} saves {name} (line {line}), too late: save it in setup")

    def for_scenario(self, own: str) -> dict[str, str]:
        """For a step of this scenario."""
        found = self._of_others(own, "scenario {scenario} saves {name} (line {line}): needs: [{scenario}]")
        return found | {n: f"{n} is saved in line {line}, after this" for n, line in self.scenarios[own].items()}

    def _of_others(self, own: str, sentence: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for scenario, names in self.scenarios.items():
            for name, line in names.items() if scenario != own else ():
                found.setdefault(name, sentence.format(name=name, scenario=scenario, line=line))
        return found


def needs_of(node: Node) -> list[str]:
    """The scenarios that a scenario says it needs."""
    needs = node.get("needs") if isinstance(node, MappingNode) else None
    items = needs.items if isinstance(needs, SequenceNode) else [needs] if needs is not None else []
    return [i.text for i in items if isinstance(i, Scalar)]


def in_order_of_needs(entries: list[tuple[Scalar, Node]]) -> list[tuple[Scalar, Node]]:
    """Needed ones first, so that what they save is known; those in a circle last."""
    names = {key.text for key, _ in entries}
    left, done, found = list(entries), set[str](), list[tuple[Scalar, Node]]()
    while free := [(k, n) for k, n in left if all(x in done or x not in names for x in needs_of(n))]:
        found += free
        done |= {k.text for k, _ in free}
        left = [e for e in left if e[0].text not in done]
    return found + left


def circle(needs: dict[str, set[str]]) -> list[str]:
    """Names that wait for each other, in order and ending where they began; empty when there are none."""
    left = {name: needed & set(needs) for name, needed in needs.items()}
    while free := [name for name, needed in left.items() if not needed & set(left)]:
        for name in free:
            del left[name]
    path: list[str] = []
    name = next(iter(left), "")
    while name and name not in path:
        path.append(name)
        name = next(n for n in left if n in left[name])
    return [*path[path.index(name) :], name] if path else []


def new_values(after: dict[str, Type], before: dict[str, Type]) -> dict[str, Type]:
    """What a scenario added."""
    return {name: kind for name, kind in after.items() if name not in before}
