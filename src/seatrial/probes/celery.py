"""Probe `celery`: which workers answer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ..core.expressions import Type
from ..core.observations import Observation, ProbeRequest, probe_error, target_error, value
from ..core.shapes import ANY, TEXT, Field, choice, mapping_of
from ..core.vocabulary import Verb

_REPLIES_S = 1.0  # how long workers have to answer: nobody knows how many there are

VERB = Verb(
    name="celery",
    doc="Asks the workers on a broker, as `celery inspect` does; they have a second to answer.",
    what=choice("ping", "stats", "active", "registered"),
    observes={"workers": Type.NUMBER, "names": Type.list_of(Type.TEXT), "reply": Type.ANY},
    run="seatrial.probes.celery:run",
    arguments={
        "broker": Field(
            shape=TEXT, required=True, doc="The broker's URL, or several with `;`.", example="redis://127.0.0.1:6379/0"
        ),
        "transport-options": Field(
            shape=mapping_of(ANY), doc="For the transport, for example {master_name: mymaster}."
        ),
    },
    default_expect="workers >= 1",
    needs_target=False,
    extra="celery",
    example="{celery: ping, broker: redis://127.0.0.1:6379/0}",
)


async def run(request: ProbeRequest) -> Observation:
    """One attempt; the client blocks, so it has a thread of its own."""
    broker, seconds = str(request.arguments["broker"]), request.timeout_ns / 1e9
    options = request.arguments.get("transport-options")
    given: Mapping[str, Any] = options if isinstance(options, Mapping) else {}
    record: dict[str, object] = {"command": f"inspect {request.what}", "broker": broker}
    try:
        # Outside the time-out: how long we take to import says nothing about the target.
        await _in_thread(lambda: _import(broker))
        async with asyncio.timeout(seconds):
            reply = await _in_thread(lambda: _ask(broker, given, str(request.what), seconds))
    except TimeoutError:
        return target_error("timeout", "the broker did not answer in time", record)
    except ImportError as error:
        return probe_error("no-client", f"{error}: pip install 'seatrial[celery]'")
    except Exception as error:  # noqa: BLE001 - kombu lets through what its transports raise
        return _failed(error, record)
    names = sorted(map(str, reply))
    values = {"workers": len(names), "names": names, "reply": reply}
    who = f"{len(names)} workers answer: {', '.join(names)}" if names else "no worker answers"
    return value(values, {**record, "reply": reply}, who)


async def _in_thread(function: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Its result. The thread is a daemon: given up, it ends by the time-outs of its sockets and delays nobody's exit."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[dict[str, Any]] = loop.create_future()

    def tell(answer: dict[str, Any] | None, error: Exception | None) -> None:
        if result.done():
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(answer or {})

    def work() -> None:
        answer, failure = None, None
        try:
            answer = function()
        except Exception as error:  # noqa: BLE001 - raised again where it is awaited
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(tell, answer, failure)

    threading.Thread(target=work, name="seatrial-celery", daemon=True).start()
    return await result


def _import(broker: str) -> dict[str, Any]:
    """The client and the broker's transport. Raises ImportError, and KeyError for a scheme that no transport has."""
    import celery.app.control  # noqa: F401
    from kombu.transport import get_transport_cls

    get_transport_cls(broker.partition("://")[0])
    return {}


def _ask(broker: str, options: Mapping[str, Any], what: str, seconds: float) -> dict[str, Any]:
    from celery import Celery

    app = Celery("seatrial", broker=broker, set_as_current=False)
    app.conf.broker_connection_retry = False
    app.conf.broker_connection_timeout = seconds
    # Without a limit kombu tries for ever. Each of several brokers gets its chance.
    app.conf.broker_transport_options = {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "max_retries": broker.count(";") + 1,
        "interval_start": 0,
        "interval_max": 0.1,
        **_of_sentinels(broker, seconds / 4),
        **options,
    }
    try:
        inspect = app.control.inspect(timeout=min(_REPLIES_S, seconds / 2))
        answer: dict[str, Any] | None = getattr(inspect, what)()
        return answer or {}
    finally:
        app.close()


def _of_sentinels(broker: str, seconds: float) -> dict[str, Any]:
    """Each sentinel is asked once: the client's own tries, one after the other, would take all the time there is."""
    if not broker.startswith("sentinel:"):
        return {}
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {
        "sentinel_kwargs": {
            "socket_timeout": seconds,
            "socket_connect_timeout": seconds,
            "retry": Retry(NoBackoff(), 0),
        }
    }


def _failed(error: Exception, record: dict[str, object]) -> Observation:
    text = f"{type(error).__name__}: {error}"
    lowered = text.lower()
    if isinstance(error, KeyError | ValueError):  # no such transport, no address
        return probe_error("spec", text, record)
    for part, word in (
        ("noauth", "credentials"), ("wrongpass", "credentials"), ("authentication", "credentials"), ("access_refused", "credentials"),
        ("no master found", "no-master"), ("refused", "refused"), ("timeout", "timeout"), ("timed out", "timeout"),
        ("name or service", "name"), ("name resolution", "name"), ("protocol", "protocol"), ("invalidresponse", "protocol"),
    ):  # fmt: skip
        if part in lowered:
            return (probe_error if word == "credentials" else target_error)(word, text, record)
    return target_error("reset", text, record)
