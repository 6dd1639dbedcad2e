"""Every way in: IPv6, a unix socket, TLS with and without verification, a client's certificate, several addresses; nginx."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from load_support import GET, MS, OK, answering, certificate, configuration, request, run, serving
from ports import free_port

from seatrial.arrivals import samples

DUE = 50
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")


@pytest.fixture
def certificates(tmp_path: Path) -> tuple[Path, Path]:
    return certificate(tmp_path, "server")


def context(cert: Path, key: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(cert, key)
    return made


async def test_ipv6(tmp_path: Path) -> None:
    hosts: set[str] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            hosts.update(line for line in head.decode().split("\r\n") if line.startswith("Host:"))
            writer.write(OK)

    async with serving(handle, host="::1") as url:
        found = await run(configuration(url, tmp_path / "x.load"))
    assert (found.ok, found.failed) == (DUE, 0)
    assert hosts == {f"Host: {url.removeprefix('http://')}"}


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = await asyncio.start_unix_server(_closing(answering(OK)), path)
    try:
        found = await run(configuration(f"unix:{path}", tmp_path / "x.load"))
    finally:
        server.close()
    assert (found.ok, found.failed) == (DUE, 0)


async def test_a_unix_socket_that_is_not_there_refuses(tmp_path: Path) -> None:
    found = await run(configuration(f"unix:{tmp_path}/none", tmp_path / "x.load"))
    assert found.errors == {"refused": DUE}


async def test_a_name_that_cannot_be_one(tmp_path: Path) -> None:
    found = await run(configuration(f"http://{'a' * 70}:1", tmp_path / "x.load"))
    assert found.errors == {"name": DUE}


@needs_openssl
@pytest.mark.parametrize("users", [0, 4])
async def test_tls_with_the_right_authority(tmp_path: Path, certificates: tuple[Path, Path], users: int) -> None:
    async with serving(answering(OK), tls=context(*certificates)) as url:
        found = await run(configuration(url, tmp_path / "x.load", verify=str(certificates[0]), users=users))
    assert found.failed == 0
    assert found.ok == DUE if not users else found.ok > 20


@needs_openssl
async def test_tls_with_an_unknown_authority_is_an_error(tmp_path: Path, certificates: tuple[Path, Path]) -> None:
    async with serving(answering(OK), tls=context(*certificates)) as url:
        found = await run(configuration(url, tmp_path / "x.load"))
    assert found.errors == {"tls": DUE}


@needs_openssl
async def test_tls_without_verification(tmp_path: Path, certificates: tuple[Path, Path]) -> None:
    async with serving(answering(OK), tls=context(*certificates)) as url:
        found = await run(configuration(url, tmp_path / "x.load", verify=False))
    assert (found.ok, found.failed) == (DUE, 0)


@needs_openssl
async def test_tls_where_there_is_none_is_an_error(tmp_path: Path) -> None:
    async with serving(answering(OK)) as url:
        found = await run(configuration(url.replace("http:", "https:"), tmp_path / "x.load", timeout_ns=500 * MS))
    assert set(found.errors) <= {"tls", "reset", "timeout"}
    assert found.failed == DUE


@needs_openssl
async def test_a_clients_certificate(tmp_path: Path, certificates: tuple[Path, Path]) -> None:
    mine, key = certificate(tmp_path, "client")
    wanted = context(*certificates)
    wanted.verify_mode = ssl.CERT_REQUIRED
    wanted.load_verify_locations(mine)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the server's complaints about who shows none
    async with serving(answering(OK), tls=wanted) as url:
        config = configuration(url, tmp_path / "x.load", verify=str(certificates[0]))
        shown = await run({**config, "cert": str(mine), "key": str(key)})
        bare = await run(config)
    assert (shown.ok, shown.failed) == (DUE, 0)
    assert bare.ok == 0
    assert set(bare.errors) <= {"tls", "reset", "closed"}


async def test_the_last_connection_first_touches_few_servers_and_turns_touch_all(tmp_path: Path) -> None:
    for lifo, least in ((True, 1), (False, 3)):
        served = [0, 0, 0]
        async with contextlib.AsyncExitStack() as stack:
            urls = [await stack.enter_async_context(serving(_counting(served, n))) for n in range(3)]
            found = await run(configuration("", tmp_path / "x.load", urls=urls, lifo=lifo))
        assert (found.ok, found.failed) == (DUE, 0)
        assert sum(n > 0 for n in served) >= least
        if not lifo:
            assert min(served) >= DUE // 5


async def test_one_of_several_servers_is_down(tmp_path: Path) -> None:
    down = f"http://127.0.0.1:{free_port()}"
    async with serving(answering(OK)) as url:
        found = await run(configuration("", tmp_path / "x.load", urls=[down, url]))
    assert found.ok > DUE // 2
    assert set(found.errors) <= {"refused"}


async def test_a_mix_follows_its_weights(tmp_path: Path) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request(reader)
            writer.write(OK)

    requests = [{**GET, "path": f"/{tag}", "tag": tag, "weight": weight} for tag, weight in (("a", 3), ("b", 1))]
    async with serving(handle) as url:
        config = configuration(
            url, tmp_path / "x.load", requests=requests, tags=["a", "b"], schedule={"constant": 1000}
        )
        found = await run(config)
    ok = found.of(samples.OK)
    share = int(ok[ok["tag"] == 0]["count"].sum()) / found.ok
    assert found.ok == 500
    assert abs(share - 0.75) < 4 * (0.75 * 0.25 / 500) ** 0.5  # beyond that 1 time in 15,000


async def test_what_is_due_while_warming_up_is_in_the_series_alone(tmp_path: Path) -> None:
    async with serving(answering(OK)) as url:
        found = await run(configuration(url, tmp_path / "x.load", warm_up_ns=300_000_000))
    assert found.count(samples.RESPONSE) == DUE
    assert found.whole(samples.RESPONSE) == found.whole(samples.SERVICE) == found.whole(samples.LAG) == 20


async def test_two_workers_share_a_schedule(tmp_path: Path) -> None:
    import time

    start = time.monotonic_ns() + 3_000_000_000
    async with serving(answering(OK)) as url:
        parts = [
            configuration(url, tmp_path / f"{n}.load", share=[n, 2], start_ns=start, schedule={"constant": 101})
            for n in (0, 1)
        ]
        found = await asyncio.gather(*map(run, parts))
    assert sum(f.ok for f in found) == 51
    assert {f.ok for f in found} == {26, 25}
    at, rows = samples.together([tmp_path / "0.load", tmp_path / "1.load"])
    assert at == start
    assert rows[rows["kind"] == samples.DUE]["count"].sum() == 51


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[str]:
    if shutil.which("nginx") is None:
        pytest.skip("no nginx")
    directory = tmp_path / "nginx"
    directory.mkdir()
    path = directory / "s"
    temporary = " ".join(
        f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (directory / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log;\n"
        f"events {{}} http {{ access_log off; {temporary} keepalive_requests 20; default_type text/plain;\n"
        f"server {{ listen unix:{path}; location / {{ return 200 'ok'; }} location /gone {{ return 410; }} }} }}\n"
    )
    server = subprocess.Popen(
        ["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf")], stderr=subprocess.PIPE
    )
    while not path.exists() and server.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(0.02)
    try:
        yield f"unix:{path}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate()


@pytest.mark.parametrize("users", [0, 8])
async def test_nginx_that_closes_connections_now_and_then(nginx: str, tmp_path: Path, users: int) -> None:
    requests = [GET, {**GET, "method": "HEAD"}, {**GET, "path": "/gone", "tag": "gone"}]
    config = configuration(nginx, tmp_path / "x.load", users=users, requests=requests, tags=["", "gone"], accept=[410])
    found = await run(config)
    assert found.failed == 0
    assert found.ok == DUE if not users else found.ok > 100


def _closing(handler):  # type: ignore[no-untyped-def]
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.close()

    return handle


def _counting(served: list[int], number: int):  # type: ignore[no-untyped-def]
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request(reader)
            served[number] += 1
            writer.write(OK)

    return handle
