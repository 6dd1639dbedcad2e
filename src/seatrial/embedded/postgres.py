"""Kind `postgres`: one server, or several under Patroni.

A node under Patroni is one unit: the agent and its server start, crash and end together. Settings and figures as measured: with
`primary_start_timeout: 0` a crashed server fails over at once, a crashed unit after its lease (ttl).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import Problem, UsageError
from ..core.stack import Blueprint, FileBlueprint, Ground, InstanceBlueprint, ServicePlan
from .binaries import need
from .making import LOOPBACK, addresses, check, endpoint, environment, seconds, whole

SUPERUSER, REPLICATION, REWIND = "postgres", "replicator", "rewinder"
_IN_RECOVERY = "select pg_is_in_recovery()"


def expand(plan: ServicePlan, arguments: Mapping[str, object], ground: Ground) -> Sequence[Blueprint]:
    """One blueprint. Raises UsageError for several nodes without etcd."""
    need("postgres")
    nodes = whole(arguments, "nodes", 1)
    etcd = arguments.get("etcd")
    if nodes > 1 and not isinstance(etcd, str):
        raise UsageError(
            Problem(
                message=f"service {plan.name}: {nodes} nodes need an etcd to elect a primary",
                position=plan.position,
                hint="etcd: etcd, and a service {kind: etcd}",
            )
        )
    settings = _Settings(plan, arguments, ground)
    ports = [ground.port(f"{n} postgres") for n in range(1, nodes + 1)]
    if nodes == 1:
        instances = [_alone(plan, settings, ground, ports[0])]
    else:
        hosts = ground.exports(str(etcd))["addresses"].replace(ground.host(str(etcd)), LOOPBACK)
        instances = [
            _under_patroni(plan, settings, ground, n, port, ground.port(f"{n} api"), hosts)
            for n, port in enumerate(ports, 1)
        ]
    host = ground.host(plan.name)
    names, numbers = ",".join([host] * nodes), ",".join(map(str, ports))
    user, password, database = settings.user, settings.password, settings.database
    attributes = " target_session_attrs=read-write" if nodes > 1 else ""
    steady = []
    if nodes > 1:
        streaming = "select count(*) from pg_stat_replication where state = 'streaming'"
        steady.append(check("sql", streaming, f"rows[0][0] == {nodes - 1}"))
        if settings.synchronous:
            # What Patroni knows decides who may be elected, and it knows a loop later than the server.
            steady.append(
                check(
                    "http",
                    "GET /cluster",
                    'any(json.members[*].role in ["sync_standby", "quorum_standby"])',
                    endpoint="api",
                )
            )
    return [
        Blueprint(
            service=plan.name,
            kind="postgres",
            instances=instances,
            exports={
                "dsn": f"host={names} port={numbers} user={_quoted(user)} password={_quoted(password)} dbname={_quoted(database)}{attributes} connect_timeout=2",
                "host": host,
                "port": str(ports[0]),
                "hosts": names,
                "ports": numbers,
                "user": user,
                "password": password,
                "database": database,
                "addresses": addresses(host, instances),
            },
            parameters={"user": SUPERUSER, "password": settings.superuser_password, "dbname": database},
            secrets=[password, settings.superuser_password],
            ready=check("sql", _IN_RECOVERY, "len(rows) == 1"),
            roles={
                "primary": check("sql", _IN_RECOVERY, "rows[0][0] == false"),
                "replica": check("sql", _IN_RECOVERY, "rows[0][0] == true"),
            },
            steady=steady,
        )
    ]


class _Settings:
    """What all nodes have in common."""

    def __init__(self, plan: ServicePlan, arguments: Mapping[str, object], ground: Ground) -> None:
        self.name = plan.name
        self.database = str(arguments.get("database") or "app")
        self.user = str(arguments.get("user") or "app")
        self.password = str(arguments.get("password") or ground.secret("user"))
        self.superuser_password = ground.secret("superuser")
        self.replication_password = ground.secret("replication")
        self.synchronous = arguments.get("synchronous") is not False
        self.ttl = max(20, seconds(arguments, "ttl", 20))
        given = arguments.get("parameters")
        self.parameters: dict[str, Any] = {
            "max_connections": whole(arguments, "max-connections", 100),
            "shared_buffers": "64MB",
            "unix_socket_directories": "",
            "listen_addresses": LOOPBACK,
            **(dict(given) if isinstance(given, Mapping) else {}),
        }

    def setup_sql(self) -> str:
        """The application's user and database; a separate statement each, the database cannot be made in a transaction."""
        return (
            f"CREATE ROLE {_identifier(self.user)} LOGIN PASSWORD '{_doubled(self.password)}';\n"
            f"CREATE DATABASE {_identifier(self.database)} OWNER {_identifier(self.user)} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8';\n"
        )


def _doubled(text: str) -> str:
    return text.replace("'", "''")


def _identifier(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _quoted(text: str) -> str:
    """A value of a DSN; bare where it can be."""
    if text and not any(c in " '\\" for c in text):
        return text
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _alone(plan: ServicePlan, settings: _Settings, ground: Ground, port: int) -> InstanceBlueprint:
    data = ground.directory / "1"
    order = {
        "initdb": str(need("initdb")),
        "postgres": str(need("postgres")),
        "data": str(data),
        "superuser": SUPERUSER,
        "password": settings.superuser_password,
        "sql": settings.setup_sql(),
        "hba": _HBA,
    }
    file = ground.directory / "initdb.json"
    flags = [x for name, value in settings.parameters.items() for x in ("-c", f"{name}={value}")]
    return InstanceBlueprint(
        name=f"{plan.name}#1",
        argv=[str(need("postgres")), "-D", str(data), "-p", str(port), *flags],
        directory=ground.directory,
        environment=environment(),
        endpoints={"postgres": endpoint("postgres", "postgres", port)},
        files=[FileBlueprint(path=file, content=json.dumps(order))],
        prepare=[[sys.executable, "-m", "seatrial.embedded.initdb", str(file)]],
        unprivileged=True,
        stop_signal=2,  # fast shutdown: SIGTERM waits for its clients
    )


_HBA = [
    "local all all trust",
    "host all all 127.0.0.1/32 scram-sha-256",
    "host replication all 127.0.0.1/32 scram-sha-256",
]


def _under_patroni(
    plan: ServicePlan, settings: _Settings, ground: Ground, number: int, port: int, api: int, etcd: str
) -> InstanceBlueprint:
    directory = ground.directory
    node = f"{plan.name}-{number}"
    sql = directory / "setup.sql"
    configuration = _patroni(settings, node, directory, number, port, api, etcd, sql)
    file = directory / f"{number}.yml"
    return InstanceBlueprint(
        name=f"{plan.name}#{number}",
        argv=[sys.executable, "-m", "patroni", str(file)],
        directory=directory,
        environment=environment(),
        endpoints={"postgres": endpoint("postgres", "postgres", port), "api": endpoint("api", "http", api)},
        files=[
            FileBlueprint(path=file, content=json.dumps(configuration, indent=1)),
            FileBlueprint(path=sql, content=settings.setup_sql()),
        ],
        unprivileged=True,
        stop_timeout_ns=20_000_000_000,
    )


def _patroni(
    settings: _Settings, node: str, directory: Path, number: int, port: int, api: int, etcd: str, sql: Path
) -> dict[str, Any]:
    """Patroni's configuration; JSON is YAML."""
    dynamic = {
        "ttl": settings.ttl,
        "loop_wait": 1,
        "retry_timeout": 3,
        "maximum_lag_on_failover": 1048576,
        "primary_start_timeout": 0,
        "synchronous_mode": settings.synchronous,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
            "parameters": {
                "wal_level": "replica", "hot_standby": "on", "wal_log_hints": "on", "max_wal_senders": 10, "max_replication_slots": 10,
                "wal_keep_size": "128MB", "max_connections": settings.parameters["max_connections"],
            },
        },
    }  # fmt: skip
    local = {k: v for k, v in settings.parameters.items() if k not in ("max_connections", "listen_addresses")}
    accounts = {
        "superuser": {"username": SUPERUSER, "password": settings.superuser_password},
        "replication": {"username": REPLICATION, "password": settings.replication_password},
        "rewind": {"username": REWIND, "password": settings.replication_password},
    }
    return {
        "scope": settings.name,
        "name": node,
        "restapi": {"listen": f"{LOOPBACK}:{api}", "connect_address": f"{LOOPBACK}:{api}"},
        "etcd3": {"hosts": etcd.split(",")},
        "bootstrap": {
            "dcs": dynamic,
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums", "no-sync"],
            "post_bootstrap": f"{need('psql')} -q -v ON_ERROR_STOP=1 -f {sql} -d",
        },
        "postgresql": {
            "listen": f"{LOOPBACK}:{port}",
            "connect_address": f"{LOOPBACK}:{port}",
            "bin_dir": str(need("postgres").parent),
            "data_dir": str(directory / f"data-{number}"),
            "pgpass": str(directory / f"pgpass-{number}"),
            "authentication": accounts,
            "basebackup": [{"checkpoint": "fast"}, "no-sync"],  # a spread checkpoint takes minutes
            "parameters": local,
            "pg_hba": _HBA,
        },
        "watchdog": {"mode": "off"},
        "log": {"level": "INFO"},
    }
