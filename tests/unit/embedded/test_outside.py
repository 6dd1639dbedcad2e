from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from seatrial.core.platforms import ServiceView
from seatrial.core.stack import Blueprint, Instance, InstanceState
from seatrial.engine.outside import outside


def view(blueprint: Blueprint) -> ServiceView:
    instances = [
        Instance(
            name=made.name,
            service=blueprint.service,
            ordinal=ordinal,
            state=InstanceState.RUNNING,
            ready=True,
            endpoints=made.endpoints,
            identity=None,
            restarts=0,
            since_ns=0,
        )
        for ordinal, made in enumerate(blueprint.instances, 1)
    ]
    return ServiceView(
        name=blueprint.service,
        kind=blueprint.kind,
        instances=instances,
        wanted=len(instances),
        parameters=blueprint.parameters,
        exports=blueprint.exports,
        roles={},
    )


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("postgres", {"nodes": 2}),
        ("postgres", {"nodes": 1, "password": "it's"}),
        ("redis", {"replicas": 1, "sentinels": 3, "password": "a:1@b"}),
        ("etcd", {"nodes": 3}),
        ("caddy", {"to": "web"}),
    ],
)
def test_no_name_of_the_stack_is_left_in_what_a_test_connects_to(expand, site, kind, arguments):
    site.exports["web"] = {"addresses": "web:9001"}
    made = expand("thing", kind, **arguments)["thing"]
    seen = outside(view(made))
    assert seen.keys() == made.exports.keys()
    assert any("thing" in value for value in made.exports.values())
    assert [name for name, value in seen.items() if "thing" in value] == []
    assert seen.get("password") == made.exports.get("password")


def test_credentials_stay_in_an_address(expand):
    seen = outside(view(expand("kv", "redis", password="pw")["kv"]))
    assert seen["url"] == "redis://:pw@127.0.0.1:20001/0"


def test_a_dsn_names_every_node(expand):
    seen = conninfo_to_dict(outside(view(expand("db", "postgres", nodes=2)["db"]))["dsn"])
    assert (seen["host"], seen["port"]) == ("127.0.0.1,127.0.0.1", "20001,20002")
