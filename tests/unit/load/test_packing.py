"""What travels to another machine arrives there under paths of that machine, with the same contents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seatrial.load.packing import pack, unpack


def configuration(directory: Path, **more: Any) -> dict[str, Any]:
    return {
        "directory": str(directory), "script": "", "files": [], "verify": True, "cert": "", "key": "", "operations": [], "flows": None,
        **more,
    }  # fmt: skip


def moved(config: dict[str, Any], there: Path) -> dict[str, Any]:
    packed, files = pack(config)
    for name, content in files.items():
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_bytes(content)
    return unpack(packed, files, there)


def test_data_of_users_travels(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (here / "items.csv").write_text("id\n7\n")
    flows = {"kinds": [], "data": {"items": {"file": str(here / "items.csv"), "each_user": False}}}
    found = moved(configuration(here, flows=flows), there)
    file = Path(found["flows"]["data"]["items"]["file"])
    assert file.is_relative_to(there)
    assert (file.suffix, file.read_text()) == (".csv", "id\n7\n")
    assert flows["data"]["items"]["file"] == str(here / "items.csv")


def test_a_script_keeps_its_place_beside_what_it_reads(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "data").mkdir(parents=True)
    (here / "users.py").write_text("x = 1")
    (here / "data/names.txt").write_text("ann")
    found = moved(configuration(here, script="users.py:user", files=["data/names.txt"]), there)
    script, _, function = found["script"].partition(":")
    placed = Path(found["directory"]) / script
    assert (function, placed.read_text()) == ("user", "x = 1")
    assert (placed.parent / "data/names.txt").read_text() == "ann"


def test_certificates_and_descriptors_travel_and_what_names_no_file_stays(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    for name in ("ca.pem", "me.pem", "shop.pb"):
        (here / name).write_text(name)
    operations = [{"what": "a.B/C", "arguments": {"descriptors": str(here / "shop.pb"), "message": {"id": 7}}}]
    config = configuration(here, verify=str(here / "ca.pem"), cert=str(here / "me.pem"), operations=operations)
    found = moved(config, there)
    assert [Path(found[n]).read_text() for n in ("verify", "cert")] == ["ca.pem", "me.pem"]
    assert found["key"] == ""
    described = found["operations"][0]["arguments"]
    assert (Path(described["descriptors"]).read_text(), described["message"]) == ("shop.pb", {"id": 7})


def test_a_load_of_requests_has_no_luggage() -> None:
    assert pack(configuration(Path())) == (configuration(Path()), {})


def test_descriptors_travel_and_what_only_looks_like_one_of_their_names_stays(tmp_path: Path) -> None:
    (tmp_path / "shop.binpb").write_bytes(b"described")
    message = {"message": {"text": "descriptors-0"}}
    first = {
        "what": "Shop/Buy",
        "arguments": {**message, "descriptors": str(tmp_path / "shop.binpb")},
        "tag": "",
        "weight": 1,
    }
    second = {"what": "Shop/Look", "arguments": {"message": "descriptors-0"}, "tag": "", "weight": 1}
    there, files = pack(configuration(tmp_path, operations=[first, second]))
    assert files == {"descriptors-0": b"described"}
    placed = unpack(there, files, Path("/there"))["operations"]
    assert placed[0]["arguments"] == {**message, "descriptors": "/there/descriptors-0"}
    assert placed[1] == second


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pack(configuration(tmp_path, script="none.py:x"))
