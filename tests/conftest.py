"""What plain pytest leaves out is said, with its number and its reason."""

from __future__ import annotations

from collections.abc import Sequence

import hypothesis
import pytest

# How long an example takes is the machine's affair: figures of speed are held in benchmarks.
hypothesis.settings.register_profile("seatrial", deadline=None)
hypothesis.settings.load_profile("seatrial")

_LEFT_OUT = pytest.StashKey[int]()
_KEY = "docker_left_out"


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    config = items[0].config
    if "not docker" not in config.option.markexpr:
        return  # somebody has chosen
    if found := sum(item.get_closest_marker("docker") is not None for item in items):
        config.stash[_LEFT_OUT] = config.stash.get(_LEFT_OUT, 0) + found


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    output: dict[str, object] | None = getattr(session.config, "workeroutput", None)  # a worker of xdist
    if output is not None:
        output[_KEY] = session.config.stash.get(_LEFT_OUT, 0)


class _Xdist:
    def pytest_testnodedown(self, node: object) -> None:
        output = getattr(node, "workeroutput", None) or {}
        config = node.config  # type: ignore[attr-defined]
        config.stash[_LEFT_OUT] = max(
            config.stash.get(_LEFT_OUT, 0), int(output.get(_KEY, 0))
        )  # each collects all of them


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(_Xdist())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if found := config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(
            f"{found} tests that need a Docker engine were left out: make test-docker installs one and runs them",
            yellow=True,
        )
