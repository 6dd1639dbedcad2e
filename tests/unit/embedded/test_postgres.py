from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from seatrial.core.errors import NotExercised, UsageError
from seatrial.core.stack import Blueprint


def patroni(blueprint: Blueprint, node: int = 1) -> dict[str, Any]:
    files = {file.path.name: file for file in blueprint.instances[node - 1].files}
    return json.loads(files[f"{node}.yml"].content)


def judged(blueprint: Blueprint, role: str, in_recovery: bool) -> bool | None:
    expect = blueprint.roles[role].expect
    assert expect is not None
    return expect.evaluate({"rows": [[in_recovery]]}).truth


def test_one_node_is_a_server_made_by_initdb(expand, site):
    made = expand("postgres", database="shop", max_connections=80)
    (blueprint,) = made.values()
    (instance,) = blueprint.instances
    assert instance.name == "postgres#1"
    assert instance.unprivileged
    assert instance.argv[0].endswith("/postgres")
    assert instance.prepare[0][1:3] == ["-m", "seatrial.embedded.initdb"]
    assert {"max_connections=80", "unix_socket_directories=", "listen_addresses=127.0.0.1"} <= set(instance.argv)
    assert instance.endpoints["postgres"].port == 20001
    assert all(file.mode == 0o600 for file in instance.files)
    assert not any(blueprint.exports["password"] in word for word in instance.argv)
    assert blueprint.steady == []
    assert blueprint.after == ()


def test_a_dsn_names_every_node_and_wants_the_one_that_takes_writes(expand):
    expand("etcd")
    exports = expand("postgres", nodes=3, etcd="etcd")["postgres"].exports
    parsed = conninfo_to_dict(exports["dsn"])
    assert parsed["host"] == "postgres,postgres,postgres"
    assert parsed["port"] == exports["ports"]
    assert parsed["target_session_attrs"] == "read-write"
    assert parsed["connect_timeout"] == "2"


@pytest.mark.parametrize("password", ["it's", "back\\slash", "two words", ""])
def test_a_dsn_holds_any_password(expand, password):
    exports = expand("postgres", password=password)["postgres"].exports
    parsed = conninfo_to_dict(exports["dsn"])
    assert parsed["password"] == (password or exports["password"])
    assert exports["password"]


def test_a_name_of_a_user_is_no_sql(expand):
    instance = expand("postgres", user='a"; drop', password="it's")["postgres"].instances[0]
    assert "CREATE ROLE \"a\"\"; drop\" LOGIN PASSWORD 'it''s'" in json.loads(instance.files[0].content)["sql"]


def test_roles_are_what_a_server_says_of_itself(expand):
    blueprint = expand("postgres")["postgres"]
    assert judged(blueprint, "primary", in_recovery=False) is True
    assert judged(blueprint, "primary", in_recovery=True) is False
    assert judged(blueprint, "replica", in_recovery=True) is True


def test_several_nodes_run_under_patroni(expand):
    expand("etcd")
    blueprint = expand("postgres", nodes=2, etcd="etcd", parameters={"work_mem": "5MB"}, max_connections=50)["postgres"]
    assert [i.argv[1:3] for i in blueprint.instances] == [["-m", "patroni"]] * 2
    assert all(i.unprivileged for i in blueprint.instances)
    one, two = patroni(blueprint, 1), patroni(blueprint, 2)
    assert one["scope"] == two["scope"]
    assert one["name"] != two["name"]
    assert one["etcd3"]["hosts"] == ["127.0.0.1:20001"]
    dynamic = one["bootstrap"]["dcs"]
    wanted = {"ttl": 20, "loop_wait": 1, "retry_timeout": 3, "primary_start_timeout": 0, "synchronous_mode": True}
    assert wanted.items() <= dynamic.items()
    assert dynamic["postgresql"]["use_pg_rewind"]
    assert dynamic["postgresql"]["use_slots"]
    # The same on all nodes, so that a failover changes nothing: max_connections among them is refused elsewhere.
    parameters = dynamic["postgresql"]["parameters"]
    assert {
        "work_mem": "5MB",
        "max_connections": 50,
        "dynamic_shared_memory_type": "mmap",
    }.items() <= parameters.items()
    assert parameters["wal_log_hints"] == "on"
    assert one["postgresql"]["parameters"] == {"unix_socket_directories": ""}


def test_patroni_s_script_survives_a_directory_with_spaces(expand, site):
    blueprint = expand("postgres", nodes=2)["postgres"]
    words = shlex.split(patroni(blueprint)["bootstrap"]["post_bootstrap"])
    assert " " in str(site.directory)
    assert Path(words[words.index("-f") + 1]) in {file.path for file in blueprint.instances[0].files}


def test_nodes_without_an_etcd_bring_one_along(expand):
    made = expand("postgres", nodes=2)
    assert list(made) == ["postgres", "postgres-etcd"]
    assert made["postgres"].after == ("postgres-etcd",)
    client = made["postgres-etcd"].instances[0].endpoints["client"].port
    assert patroni(made["postgres"])["etcd3"]["hosts"] == [f"127.0.0.1:{client}"]


def test_steady_is_a_primary_from_which_all_others_stream(expand):
    blueprint = expand("postgres", nodes=3)["postgres"]
    streaming = blueprint.steady[0].expect
    assert [streaming.evaluate({"rows": [[n]]}).truth for n in (0, 1, 2)] == [False, False, True]


def test_synchronous_is_steady_once_patroni_has_a_synchronous_standby(expand):
    assert len(expand("slack", "postgres", nodes=2, synchronous=False)["slack"].steady) == 1
    blueprint = expand("postgres", nodes=2)["postgres"]
    standby = blueprint.steady[1].expect

    def members(*roles):
        return standby.evaluate({"json": {"members": [{"role": role} for role in roles]}}).truth

    assert members("leader", "sync_standby") is True
    assert members("leader", "replica") is False


def test_asynchronous_is_asked_for(expand):
    dynamic = patroni(expand("postgres", nodes=2, synchronous=False)["postgres"])["bootstrap"]["dcs"]
    assert dynamic["synchronous_mode"] is False


def test_passwords_are_told_to_the_redactor(expand):
    blueprint = expand("postgres", nodes=2, password="s3cret")["postgres"]
    accounts = patroni(blueprint)["postgresql"]["authentication"]
    # The others are the ground's own: it has told them when they were made.
    assert {"s3cret", accounts["superuser"]["password"]} <= set(blueprint.secrets)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"user": "postgres"}, "user postgres is the server's own"),
        ({"user": "replicator"}, "user replicator is the server's own"),
        ({"database": "template1"}, "database template1 is the server's own"),
        ({"parameters": {"unix_socket_directories": "/tmp"}}, "parameter unix_socket_directories is not yours to set"),
        ({"parameters": {"synchronous_standby_names": "*"}}, "parameter synchronous_standby_names is not yours to set"),
    ],
)
def test_what_cannot_be_is_refused(expand, arguments, message):
    with pytest.raises(UsageError, match=f"service postgres: {message}"):
        expand("postgres", **arguments)


def test_a_lease_shorter_than_patroni_s_least_is_refused(expand, duration):
    with pytest.raises(UsageError, match="no ttl below 20s"):
        expand("postgres", nodes=2, ttl=duration("5s"))
    blueprint = expand("postgres", nodes=2, ttl=duration("30s"))["postgres"]
    assert patroni(blueprint)["bootstrap"]["dcs"]["ttl"] == 30


def test_an_etcd_without_an_address_is_refused(expand, site):
    site.exports["mute"] = {}
    with pytest.raises(UsageError, match="mute has no address to connect to"):
        expand("postgres", nodes=2, etcd="mute")


def test_without_a_server_it_is_not_exercised(expand, no_programs):
    with pytest.raises(NotExercised, match=r"postgres is not here: pip install 'seatrial\[embedded\]'"):
        expand("postgres")


def test_without_patroni_several_nodes_are_not_exercised(expand, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", hiding("patroni"))
    assert expand("postgres")
    with pytest.raises(NotExercised, match=r"patroni is not installed: pip install 'seatrial\[embedded\]'"):
        expand("several", "postgres", nodes=2)


def hiding(*packages: str) -> Any:
    from importlib.util import find_spec

    return lambda name, package=None: None if name in packages else find_spec(name, package)
