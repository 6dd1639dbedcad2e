"""Kind `postgres`: one server, or several under Patroni.

A node under Patroni is one unit: the agent and its server start, crash and end together. Settings and figures as measured: with
`primary_start_timeout: 0` a crashed server fails over at once, a crashed unit after its lease (ttl).
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import Problem, UsageError
from ..core.plan import CheckPlan
from ..core.stack import Blueprint, Description, FileBlueprint, Ground, InstanceBlueprint, Presence, ServicePlan
from .binaries import need, need_module
from .etcd import cluster
from .making import LOOPBACK, addresses, check, endpoint, environment, present, seconds, upstreams, whole

SUPERUSER, REPLICATION, REWIND = "postgres", "replicator", "rewinder"
LEAST_TTL_S = 20
_LISTENING = {"listen_addresses": LOOPBACK, "unix_socket_directories": ""}  # a socket's path may be too long for it
_OURS = frozenset(
    {*_LISTENING, "port", "data_directory", "config_file", "hba_file", "ident_file", "cluster_name"}
    | {"primary_conninfo", "primary_slot_name", "synchronous_standby_names", "hot_standby", "wal_log_hints"}
)
_IN_RECOVERY = "select pg_is_in_recovery()"


def expand(plan: ServicePlan, arguments: Mapping[str, object], ground: Ground) -> Sequence[Blueprint]:
    """One blueprint, and one of an etcd where several nodes are not given any.

    Raises UsageError for too short a ttl, names that are taken, and parameters that are not for the user to set.
    """
    need("postgres")
    nodes = whole(arguments, "nodes", 1)
    settings = _Settings(plan, arguments, ground)
    ports = [ground.port(f"{n} postgres") for n in range(1, nodes + 1)]
    companions: list[Blueprint] = []
    if nodes == 1:
        instances = [_alone(plan, settings, ground, ports[0])]
    else:
        need_module("patroni")
        if arguments.get("etcd") is None:
            companions = [cluster(f"{plan.name}-etcd", 1, ground)]
            known = companions[0].exports["addresses"].split(",")
        else:
            known = upstreams(plan, str(arguments["etcd"]), ground)
        etcd = [f"{LOOPBACK}:{address.rpartition(':')[2]}" for address in known]
        instances = [
            _under_patroni(plan, settings, ground, n, port, ground.port(f"{n} api"), etcd)
            for n, port in enumerate(ports, 1)
        ]
    host = ground.host(plan.name)
    names, numbers = ",".join([host] * nodes), ",".join(map(str, ports))
    user, password, database = settings.user, settings.password, settings.database
    return [
        Blueprint(
            service=plan.name,
            kind="postgres",
            instances=instances,
            exports={
                "dsn": _dsn(names, numbers, user, password, database),
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
            ready=_answers(),
            roles=_roles(),
            steady=_steady(nodes, synchronous=settings.synchronous),
            after=tuple(companion.service for companion in companions),
        ),
        *companions,
    ]


def describe(presence: Presence) -> Description:
    """One that something else started, alone or under Patroni (instances with an endpoint `api`).

    Parameters: user and password of who may look everywhere, dbname; `synchronous: true` where a standby is to be so;
    `application-user` and `application-password` where the application has others.
    """
    given = presence.parameters
    nodes = present(presence, "postgres")
    user, database = given.get("user", SUPERUSER), given.get("dbname") or given.get("user", SUPERUSER)
    own = {
        "user": given.get("application-user", user),
        "password": given.get("application-password", given.get("password", "")),
    }
    names, numbers = ",".join(e.host for e in nodes), ",".join(str(e.port) for e in nodes)
    patroni = len(presence.instances) > 1 and all("api" in i for i in presence.instances)
    exports = {
        "dsn": _dsn(names, numbers, own["user"], own["password"], database),
        "host": nodes[0].host if nodes else "",
        "port": str(nodes[0].port) if nodes else "",
        "hosts": names,
        "ports": numbers,
        **own,
        "database": database,
        "addresses": ",".join(f"{e.host}:{e.port}" for e in nodes),
    }
    return Description(
        exports=exports,
        parameters={"user": user, "password": given.get("password", ""), "dbname": database},
        secrets=tuple(dict.fromkeys(p for p in (given.get("password"), own["password"]) if p)),
        ready=_answers(),
        roles=_roles(),
        steady=_steady(len(presence.instances), synchronous=patroni and given.get("synchronous") == "true"),
    )


def _dsn(hosts: str, ports: str, user: str, password: str, database: str) -> str:
    account = f"user={_quoted(user)} password={_quoted(password)} dbname={_quoted(database)}"
    attributes = " target_session_attrs=read-write" if "," in hosts else ""
    return f"host={hosts} port={ports} {account}{attributes} connect_timeout=2"


def _answers() -> CheckPlan:
    return check("sql", _IN_RECOVERY, "len(rows) == 1")


def _roles() -> dict[str, CheckPlan]:
    return {
        "primary": check("sql", _IN_RECOVERY, "rows[0][0] == false"),
        "replica": check("sql", _IN_RECOVERY, "rows[0][0] == true"),
    }


def _steady(nodes: int, *, synchronous: bool) -> list[CheckPlan]:
    """All standbys stream, and where one has to be synchronous, Patroni says so."""
    if nodes == 1:
        return []
    streaming = "select count(*) from pg_stat_replication where state = 'streaming'"
    steady = [check("sql", streaming, f"rows[0][0] == {nodes - 1}")]
    if synchronous:
        # What Patroni knows decides who may be elected, and it knows a loop later than the server.
        standby = 'any(json.members[*].role in ["sync_standby", "quorum_standby"])'
        steady.append(check("http", "GET /cluster", standby, endpoint="api"))
    return steady


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
        self.ttl = seconds(arguments, "ttl", LEAST_TTL_S)
        if self.ttl < LEAST_TTL_S:
            raise _wrong(plan, f"Patroni knows no ttl below {LEAST_TTL_S}s")
        if self.user in (SUPERUSER, REPLICATION, REWIND):
            raise _wrong(plan, f"user {self.user} is the server's own", "user: app")
        if self.database in ("postgres", "template0", "template1"):
            raise _wrong(plan, f"database {self.database} is the server's own", "database: app")
        given = arguments.get("parameters")
        self.parameters: dict[str, Any] = {
            "max_connections": whole(arguments, "max-connections", 100),
            "shared_buffers": "64MB",
            # In the data directory, which goes with the stack: elsewhere it would outlive a server that is killed, and be nobody's.
            "dynamic_shared_memory_type": "mmap",
            **(dict(given) if isinstance(given, Mapping) else {}),
        }
        for name in _OURS.intersection(self.parameters):
            raise _wrong(plan, f"parameter {name} is not yours to set: seatrial and Patroni depend on it")

    def setup_sql(self) -> str:
        """The application's user and database; a separate statement each, the database cannot be made in a transaction."""
        user, database = _identifier(self.user), _identifier(self.database)
        return (
            f"CREATE ROLE {user} LOGIN PASSWORD '{_doubled(self.password)}';\n"
            f"CREATE DATABASE {database} OWNER {user} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8';\n"
        )


def _wrong(plan: ServicePlan, message: str, hint: str = "") -> UsageError:
    return UsageError(Problem(message=f"service {plan.name}: {message}", position=plan.position, hint=hint))


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
    parameters = {**settings.parameters, **_LISTENING}
    flags = [x for name, value in parameters.items() for x in ("-c", f"{name}={value}")]
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
    plan: ServicePlan, settings: _Settings, ground: Ground, number: int, port: int, api: int, etcd: Sequence[str]
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
    settings: _Settings, node: str, directory: Path, number: int, port: int, api: int, etcd: Sequence[str], sql: Path
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
                "wal_keep_size": "128MB", **settings.parameters,
            },
        },
    }  # fmt: skip
    accounts = {
        "superuser": {"username": SUPERUSER, "password": settings.superuser_password},
        "replication": {"username": REPLICATION, "password": settings.replication_password},
        "rewind": {"username": REWIND, "password": settings.replication_password},
    }
    return {
        "scope": settings.name,
        "name": node,
        "restapi": {"listen": f"{LOOPBACK}:{api}", "connect_address": f"{LOOPBACK}:{api}"},
        "etcd3": {"hosts": list(etcd)},
        "bootstrap": {
            "dcs": dynamic,
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums", "no-sync"],
            "post_bootstrap": shlex.join([str(need("psql")), "-q", "-v", "ON_ERROR_STOP=1", "-f", str(sql), "-d"]),
        },
        "postgresql": {
            "listen": f"{LOOPBACK}:{port}",
            "connect_address": f"{LOOPBACK}:{port}",
            "bin_dir": str(need("postgres").parent),
            "data_dir": str(directory / f"data-{number}"),
            "pgpass": str(directory / f"pgpass-{number}"),
            "authentication": accounts,
            "basebackup": [{"checkpoint": "fast"}, "no-sync"],  # a spread checkpoint takes minutes
            "parameters": {"unix_socket_directories": ""},
            "pg_hba": _HBA,
        },
        "watchdog": {"mode": "off"},
        "log": {"level": "INFO"},
    }
