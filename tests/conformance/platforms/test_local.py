"""What the local platform promises beyond the protocol: orders of start, failures that explain themselves, isolation."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.core.errors import NotExercised, PlatformError, UsageError
from seatrial.core.platforms import Progress
from seatrial.core.processes import Restart
from seatrial.core.quantities import parse_quantity
from seatrial.core.stack import (
    Blueprint,
    Endpoint,
    FileBlueprint,
    InstanceBlueprint,
    InstanceState,
    ServicePlan,
)
from seatrial.core.templates import Template
from seatrial.core.vocabulary import ServiceKind
from seatrial.keeper import KeeperClient
from seatrial.platforms.local import LocalPlatform
from seatrial.platforms.ports import runtime_directory


def quiet(_: Progress) -> None:
    pass


async def failure(platform: LocalPlatform) -> str:
    with pytest.raises(PlatformError) as error:
        await platform.up(quiet)
    return str(error.value)


async def logs(platform: LocalPlatform) -> dict[str, str]:
    views = await platform.survey()
    return {i.name: platform.log_file(i).read_text() for view in views.values() for i in view.instances}


async def test_a_dependant_starts_when_what_it_needs_is_ready_and_finds_it_by_name(bench, kit):
    platform = await bench.local(kit.shop("front", after=["web"]), kit.shop("web", replicas=2))
    await platform.up(quiet)
    views = await platform.survey()
    assert views["front"].instances[0].restarts == 0
    port = views["web"].instances[0].endpoints["http"].port
    host = views["web"].exports["host"]
    assert (await logs(platform))["front#1"].startswith(f"found http://{host}:{port} 200")
    if host == "web":  # this machine lets processes have names of their own
        found = await platform.execute(views["front"].instances[0], ["getent", "hosts", "web"], 5_000_000_000)
        assert found.stdout.split() == ["127.0.0.1", "web"]


async def test_exports_say_how_to_reach_a_service(bench, kit):
    platform = await bench.local(kit.shop("web", replicas=2))
    await platform.up(quiet)
    view = (await platform.survey())["web"]
    first, second = (i.endpoints["http"].port for i in view.instances)
    host = view.exports["host"]
    assert view.exports == {
        "host": host,
        "port": str(first),
        "url": f"http://{host}:{first}",
        "addresses": f"{host}:{first},{host}:{second}",
    }


async def test_independent_services_start_at_the_same_time(bench, kit):
    # Each gets ready only once it has seen the other's file.
    code = (
        "import pathlib, sys, time, http.server\n"
        "mine, other = (pathlib.Path(sys.argv[1]) / name for name in sys.argv[2:4])\n"
        "mine.touch()\n"
        "while not other.exists(): time.sleep(0.01)\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[4])), http.server.BaseHTTPRequestHandler).serve_forever()\n"
    )
    within = parse_quantity("10s")

    def one(name: str, other: str) -> ServicePlan:
        command = ["python", "-c", code, str(bench.directory), name, other, Template.parse("{{ instance.port.http }}")]
        return ServicePlan(
            name=name, kind="process", arguments={"command": tuple(command), "ports": "auto", "start-within": within}
        )

    platform = await bench.local(one("left", "right"), one("right", "left"))
    await platform.up(quiet)


async def test_a_crash_loop_is_reported_with_its_back_off_exit_status_and_log(bench, kit):
    platform = await bench.local(
        kit.process(
            "web",
            "python -c 'print(\"no database\"); raise SystemExit(3)'",
            ready=kit.check(within_s=1.5),
            ports="auto",
        )
    )
    progress: list[Progress] = []
    with pytest.raises(PlatformError) as error:
        await platform.up(progress.append)
    text = str(error.value)
    assert text.startswith("web is not ready after 1.5s")
    assert "its last process ended with exit status 3" in text
    assert "| no database" in text
    assert str(platform.log_file((await platform.survey())["web"].instances[0])) in text
    backing_off = [p for p in progress if p.state == "backing-off"]
    assert backing_off[0].subject == "web#1"
    assert "exit status 3; backing off" in backing_off[0].detail
    instance = (await platform.survey())["web"].instances[0]
    assert instance.restarts >= 2


async def test_what_ends_for_good_fails_at_once(bench, kit):
    platform = await bench.local(
        kit.process(
            "web", "python -c 'raise SystemExit(\"bad settings\")'", restart="never", ready=kit.check(within_s=60)
        )
    )
    text = await asyncio.wait_for(failure(platform), 10)
    assert text.startswith("web did not become ready: web#1 ended with exit status 1; not restarted")
    assert "| bad settings" in text


async def test_a_dependant_of_a_failed_service_is_not_started(bench, kit):
    broken = kit.process("web", "python -c 'raise SystemExit(1)'", restart="never", ports="auto")
    platform = await bench.local(broken, kit.shop("front", after=["web"]))
    await failure(platform)
    front = (await platform.survey())["front"].instances[0]
    assert (front.state, front.detail, front.identity) == (InstanceState.DOWN, "not started", None)


async def test_a_program_that_does_not_exist_is_named(bench, kit):
    text = await failure(await bench.local(kit.process("web", "gunicron shop.wsgi")))
    assert text.startswith("web#1 could not be started")
    assert "gunicron" in text


async def test_a_directory_that_does_not_exist_is_named(bench, kit):
    text = await failure(await bench.local(kit.shop(directory="nowhere")))
    assert "web#1 cannot be started: its directory" in text
    assert "nowhere does not exist" in text


async def test_preparation_runs_once_in_order_before_any_copy(bench, kit):
    seen = bench.directory / "seen"
    note = [
        "python",
        "-c",
        "import os, sys; open(sys.argv[1], 'a').write(sys.argv[2] + os.environ['WHO'] + ' ')",
        str(seen),
    ]
    platform = await bench.local(
        kit.shop(replicas=2, prepare=((*note, "migrate:"), (*note, "load:")), **{"prepare-each": ((*note, "each:"),)})
    )
    await platform.up(quiet)
    assert seen.read_text() == "migrate:web#1 load:web#1 each:web#1 each:web#2 "
    await platform.kill((await platform.survey())["web"].instances[0], 0)

    async def ready_again() -> bool:
        instance = (await platform.survey())["web"].instances[0]
        return instance.ready and instance.restarts == 1

    await kit.until(ready_again, "ready after its kill")
    assert seen.read_text().count(":") == 4


async def test_a_failed_preparation_says_what_the_command_said(bench, kit):
    platform = await bench.local(kit.shop(prepare=(("python", "-c", "import sys; sys.exit('no such table')"),)))
    text = await failure(platform)
    assert text.startswith("web could not be prepared: python -c")
    assert "ended with exit status 1" in text
    assert "| no such table" in text


async def test_a_fixed_port_in_use_names_its_holder(bench, kit):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        text = await failure(await bench.local(kit.shop(ports={"http": port})))
    assert text.startswith(f"service web (1 http) wants port {port}, which is in use by")
    assert f"(pid {os.getpid()})" in text


async def test_a_fixed_port_of_another_stack_is_refused_also_while_nothing_listens(bench, kit):
    first = await bench.local(kit.shop())
    await first.up(quiet)
    instance = (await first.survey())["web"].instances[0]
    port = instance.endpoints["http"].port
    await first.kill(instance, None)
    text = await failure(await bench.local(kit.shop(ports={"http": port})))
    assert f"wants port {port}, which another stack holds" in text


async def test_copies_cannot_share_a_fixed_port(bench, kit):
    platform = await bench.local(kit.shop(replicas=2, ports={"http": 8080}))
    with pytest.raises(UsageError, match="2 replicas cannot all listen on port 8080"):
        await platform.up(quiet)


async def test_two_stacks_at_once_do_not_collide(bench, kit):
    one, other = await bench.local(kit.shop(replicas=2)), await bench.local(kit.shop(replicas=2))
    await asyncio.gather(one.up(quiet), other.up(quiet))
    ports = [i.endpoints["http"].port for p in (one, other) for i in (await p.survey())["web"].instances]
    assert len(set(ports)) == 4
    assert not await bench.down(one)
    assert all(i.ready for i in (await other.survey())["web"].instances)


async def test_ports_are_given_back(bench, kit):
    platform = await bench.local(kit.shop())
    await platform.up(quiet)
    port = (await platform.survey())["web"].instances[0].endpoints["http"].port
    await bench.down(platform)
    again = await bench.local(kit.shop(ports={"http": port}))
    await again.up(quiet)


async def test_down_after_a_failed_start_leaves_nothing(bench, kit):
    platform = await bench.local(kit.shop(), kit.process("worker", "python -c 'raise SystemExit(1)'", restart="never"))
    await failure(platform)
    residue = await bench.down(platform)
    assert not residue, residue
    assert not (bench.directory / "trial-0" / "stack").exists()


async def test_a_process_gets_the_environment_that_was_declared_and_little_else(bench, kit, monkeypatch):
    monkeypatch.setenv("UNRELATED", "leaks")
    environment = {"TOKEN": "Bearer ${secret:TOKEN}", "WHERE": "{{ stack.directory }}", "N": "{{ instance.ordinal }}"}
    platform = await bench.local(kit.process("worker", "sleep 100", environment=environment))
    await platform.up(quiet)
    instance = (await platform.survey())["worker"].instances[0]
    result = await platform.execute(instance, ["env"], 5_000_000_000)
    found = dict(line.split("=", 1) for line in result.stdout.splitlines())
    assert found.keys() == {"PATH", "HOME", "TMPDIR", "LANG", "PYTHONDONTWRITEBYTECODE", "TOKEN", "WHERE", "N"}
    assert found["TOKEN"] == "Bearer planted-token"
    assert found["WHERE"] == str(Path(__file__).parent)
    assert found["N"] == "1"
    assert Path(found["TMPDIR"]).is_dir()
    assert Path(found["HOME"]).is_relative_to(bench.directory)
    assert set(bench.told) == {"planted-token"}
    python = await platform.execute(instance, ["python", "-c", "import sys; print(sys.executable)"], 10_000_000_000)
    assert Path(python.stdout.strip()).parent == Path(sys.executable).parent


async def test_an_unprivileged_process_is_never_root_and_can_write_where_it_may(bench, kit):
    platform = await bench.local(kit.shop(unprivileged=True))
    await platform.up(quiet)
    instance = (await platform.survey())["web"].instances[0]
    result = await platform.execute(instance, ["sh", "-c", "touch $HOME/a $TMPDIR/b && id -u"], 5_000_000_000)
    assert result.exit_status == 0, result.stderr
    assert result.stdout.strip() != "0"


async def test_a_worker_without_ports_is_ready_when_it_goes_on_running(bench, kit):
    platform = await bench.local(kit.process("worker", "sleep 100"))
    await platform.up(quiet)
    instance = (await platform.survey())["worker"].instances[0]
    assert instance.ready
    assert (await platform.look(instance)).accepts is None
    assert instance.endpoints == {}


async def test_a_crash_is_seen_and_healed_without_being_ordered(bench, kit):
    platform = await bench.local(kit.shop())
    await platform.up(quiet)
    before = (await platform.survey())["web"].instances[0]
    os.kill(int(before.identity.split()[1]), signal.SIGKILL)

    async def ready_again() -> bool:
        now = (await platform.survey())["web"].instances[0]
        return now.ready and now.identity != before.identity and now.restarts == 1

    await kit.until(ready_again, "ready again after a crash")


async def test_a_log_of_its_own_is_the_one_to_read(bench, kit):
    log = bench.directory / "own.log"
    code = 'import sys, time; open(sys.argv[1], "w").write("written by itself"); time.sleep(100)'
    platform = await bench.local(kit.process("worker", f"python -c '{code}' {log}", log=str(log)))
    await platform.up(quiet)
    assert await logs(platform) == {"worker#1": "written by itself"}


async def test_measuring_what_is_down_is_an_error(bench, kit):
    platform = await bench.local(kit.shop())
    await platform.up(quiet)
    await platform.kill((await platform.survey())["web"].instances[0], None)
    with pytest.raises(PlatformError, match="web#1 is down"):
        await platform.usage((await platform.survey())["web"].instances[0])


async def test_a_stack_that_was_kept_is_attached_to_with_the_same_ports(bench, kit):
    services = (kit.shop(replicas=2), kit.shop("front", after=["web"]))
    first = await bench.local(*services)
    await first.up(quiet)
    keeper = bench.keeper(first)
    await keeper.keep()
    guest = await KeeperClient.attach(keeper.directory)
    second = LocalPlatform(
        first._stack,
        directory=keeper.directory,
        supervisor=guest,
        prober=first._prober,
        kinds=first._kinds,
        secrets=lambda name: "",
        on_secret=bench.told.append,
        owner=keeper.keeper,
    )
    await second.attach(quiet)
    before, after = await first.survey(), await second.survey()
    assert [i.endpoints for i in after["web"].instances] == [i.endpoints for i in before["web"].instances]
    assert [i.identity for i in after["web"].instances] == [i.identity for i in before["web"].instances]
    assert all(i.ready for view in after.values() for i in view.instances)
    assert not await second.down()
    await guest.close()
    port = before["web"].instances[0].endpoints["http"].port
    assert not (runtime_directory() / "ports" / str(port)).exists()
    bench.ended.add(id(first))


async def test_attaching_to_nothing_says_so(bench, kit):
    platform = await bench.local(kit.shop())
    with pytest.raises(PlatformError, match="no running stack in"):
        await platform.attach(quiet)


def test_services_that_wait_for_each_other_are_refused(kit):
    from seatrial.core.stack import StackPlan
    from seatrial.platforms.expansion import in_order

    services = {"a": kit.shop("a", after=["b"]), "b": kit.shop("b", after=["a"])}
    with pytest.raises(UsageError, match="a -> b -> a"):
        in_order(StackPlan(name="x", platform="local", services=services, directory=Path("/")))


# -- kinds of service from elsewhere


async def test_after_a_companion_that_does_not_come_along_is_refused(bench, kit):
    platform = await bench.local(kit.shop(), kit.process("worker", "sleep 100", after=["web-guard"]))
    with pytest.raises(UsageError, match="worker is to start after web-guard, which is no service"):
        await platform.up(quiet)


@pytest.fixture
def cluster(monkeypatch, kit):
    """A kind that brings a companion, files, a secret, an order among its instances, a role and a steady state."""
    module = types.ModuleType("cluster_kind")
    here = Path(__file__).parent

    def expand(plan, arguments, ground):
        password = ground.secret("admin")
        assert password == ground.secret("admin")
        shop_file = here / "shop.py"

        def instance(service, ordinal, **options):
            port = ground.port(f"{service}-{ordinal}")
            assert port == ground.port(f"{service}-{ordinal}")
            return InstanceBlueprint(
                name=f"{service}#{ordinal}",
                argv=["python", str(shop_file), str(port)],
                directory=ground.directory / f"{service}-{ordinal}",
                environment={"WHO": arguments["greeting"]},
                endpoints={"http": Endpoint(name="http", scheme="http", host="127.0.0.1", port=port)},
                restart=Restart.ALWAYS,
                **options,
            )

        config = FileBlueprint(
            path=ground.directory / f"{plan.name}-1" / "conf" / "settings", content=f"password={password}"
        )
        check = kit.check()
        return [
            Blueprint(
                service=plan.name,
                kind="cluster",
                instances=[
                    instance(plan.name, 1, files=[config], prepare=[["cp", "conf/settings", "settings"]]),
                    instance(plan.name, 2, after_ready=(f"{plan.name}#1",)),
                ],
                exports={"dsn": f"x://{password}@{ground.host(plan.name)}"},
                secrets=[password],
                ready=check,
                roles={"primary": check},
                steady=[check, kit.check("/missing", status=404)],
                after=(f"{plan.name}-guard",),
            ),
            Blueprint(
                service=f"{plan.name}-guard",
                kind="cluster",
                instances=[instance(f"{plan.name}-guard", 1)],
                exports={},
                ready=check,
            ),
        ]

    module.expand = expand
    monkeypatch.setitem(sys.modules, "cluster_kind", module)
    return ServiceKind(name="cluster", doc="", arguments={}, expand="cluster_kind:expand", companions=("-guard",))


def db(**arguments):
    return ServicePlan(name="db", kind="cluster", arguments={"greeting": "hello", **arguments})


async def test_a_kind_brings_companions_files_secrets_and_an_order(bench, kit, cluster):
    user = kit.process("user", "sleep 100", environment={"DSN": "{{ db.dsn }}"}, after=["db"])
    platform = await bench.local(user, db(), kinds=[cluster])
    progress: list[Progress] = []
    await platform.up(progress.append)
    views = await platform.survey()
    assert set(views) == {"user", "db", "db-guard"}
    begun = [p.subject for p in progress if p.state == "starting"]
    assert begun == ["db-guard#1", "db#1", "db#2", "user#1"]
    assert set(views["db"].roles) == {"primary"}
    assert [named.id for named in views["db"].steady] == ["db/steady-1", "db/steady-2"]
    assert views["db"].steady[1].title == "http GET /missing expect status == 404"
    directory = bench.directory / "trial-0" / "stack" / "db" / "db-1"
    assert (directory / "settings").read_text() == f"password={bench.told[0]}"
    assert (directory / "conf" / "settings").stat().st_mode & 0o777 == 0o600
    result = await platform.execute(views["user"].instances[0], ["printenv", "DSN"], 5_000_000_000)
    assert result.stdout.strip() == views["db"].exports["dsn"]


async def test_a_steady_state_that_is_not_reached_is_told_apart_from_readiness(bench, kit, cluster):
    check = replace(kit.check("/missing", within_s=0.4))
    module = sys.modules["cluster_kind"]
    original = module.expand

    def expand(plan, arguments, ground):
        blueprint, guard = original(plan, arguments, ground)
        return [replace(blueprint, steady=[check]), guard]

    module.expand = expand
    text = await failure(await bench.local(db(), kinds=[cluster]))
    assert text.startswith("db is ready, but not in its steady state after 400ms")
    assert "waited for: http GET /missing expect status == 200" in text
    assert "db#1: last seen:" in text


async def test_what_a_stack_file_says_of_readiness_and_roles_counts(bench, kit, cluster):
    plan = replace(db(), ready=kit.check("/pid"), roles={"leader": kit.check()})
    platform = await bench.local(plan, kinds=[cluster])
    await platform.up(quiet)
    view = (await platform.survey())["db"]
    assert view.ready is plan.ready
    assert set(view.roles) == {"primary", "leader"}


async def test_a_kind_whose_software_is_missing_says_what_to_install(bench):
    kind = ServiceKind(name="cluster", doc="", arguments={}, expand="no_such_module:expand", extra="embedded")
    platform = await bench.local(db(), kinds=[kind])
    with pytest.raises(
        NotExercised, match=r"needs no_such_module, which is not installed: pip install 'seatrial\[embedded\]'"
    ):
        await platform.up(quiet)


async def test_a_value_that_no_service_exports_is_refused_with_the_service_named(bench, kit):
    platform = await bench.local(kit.process("worker", "sleep {{ db.dsn }}"))
    with pytest.raises(UsageError, match='service worker: "db" has no value here'):
        await platform.up(quiet)


async def test_after_a_service_that_does_not_exist_is_refused(bench, kit):
    platform = await bench.local(kit.shop(), kit.process("worker", "sleep 100", after=["wbe"]))
    with pytest.raises(UsageError, match="worker is to start after wbe"):
        await platform.up(quiet)
