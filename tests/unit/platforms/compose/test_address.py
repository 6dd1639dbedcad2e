from __future__ import annotations

import json
from pathlib import Path

import pytest

from seatrial.core.errors import PlatformError, UsageError
from seatrial.platforms.compose.address import USUAL, EngineAddress, refuse_unless_allowed, resolve, same_machine


def test_the_usual_socket(tmp_path):
    assert resolve({"HOME": str(tmp_path)}) == EngineAddress(url=USUAL)
    assert EngineAddress(url=USUAL).socket == Path("/var/run/docker.sock")
    assert EngineAddress(url=USUAL).host == "127.0.0.1"


def test_what_the_environment_says_comes_first(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "other"}))
    given = {"DOCKER_HOST": "ssh://deploy@shop.test:2222", "DOCKER_CONFIG": str(tmp_path)}
    address = resolve(given)
    assert (address.socket, address.host) == (None, "shop.test")
    assert address.dial()[:3] == ["docker", "--host", "ssh://deploy@shop.test:2222"]
    assert resolve({"DOCKER_HOST": "10.0.0.1:2376"}).host == "10.0.0.1"


def test_the_default_context_is_the_usual_socket(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "default"}))
    assert resolve({"DOCKER_CONFIG": str(tmp_path)}).url == USUAL


def test_a_context_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(PlatformError, match="the docker context 'nowhere' cannot be read"):
        resolve({"DOCKER_CONTEXT": "nowhere", "HOME": str(tmp_path), "PATH": str(tmp_path)})


def test_an_address_is_one_word_in_a_remedy():
    for address in (EngineAddress(url=USUAL), EngineAddress(url="tcp://shop.test:2376", context="shop")):
        assert EngineAddress.from_word(address.word) == address
    assert EngineAddress(url="tcp://shop.test:2376", context="shop").dial()[1:3] == ["--context", "shop"]


def test_another_machine_has_to_be_allowed_by_name():
    refuse_unless_allowed("127.0.0.1", ())
    refuse_unless_allowed("shop.test", ("shop.test",))
    with pytest.raises(UsageError, match="allow it"):
        refuse_unless_allowed("shop.test", ("other.test",))


def test_an_engine_under_another_kernel_is_elsewhere():
    assert not same_machine({"KernelVersion": "1.2.3", "Name": "x"})
