"""The faults of resources, described: limits, pressure of other work, a full disk, a wrong clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ..core.quantities import NS_PER_S, Quantity
from ..core.shapes import COUNT, DURATION, NUMBER, RATIO, SIZE, TEXT, Field, Shape
from ..core.vocabulary import FaultKind, Wrong

_CORES = replace(NUMBER, least=0.01)
_SOME = replace(SIZE, least=1)
_TIMES = replace(COUNT, least=2)
_ANY_TIME = replace(DURATION, least=None)
_LEAST_OFFSET_S = 5


def one_of(*names: str, needed: bool = True) -> Callable[[Mapping[str, object]], Wrong | None]:
    """A check: one of these arguments is given, and not two."""

    def check(arguments: Mapping[str, object]) -> Wrong | None:
        given = [n for n in names if n in arguments]
        if len(given) > 1:
            return Wrong(given[1], f"{given[0]} and {given[1]} say the same in two ways", "give one of them")
        if needed and not given:
            return Wrong("fault", f"it says neither {' nor '.join(names)}", "give one of them")
        return None

    return check


def _offset(arguments: Mapping[str, object]) -> Wrong | None:
    offset = arguments.get("offset")
    if not isinstance(offset, Quantity):
        return None
    hint = "for example 2m, or -1h"
    if offset.value % NS_PER_S:
        return Wrong("offset", "the offset of a clock is in whole seconds", hint)
    if abs(offset.value) < _LEAST_OFFSET_S * NS_PER_S:
        return Wrong("offset", f"an offset of less than {_LEAST_OFFSET_S}s cannot be told from outside", hint)
    return None


def _absolute(arguments: Mapping[str, object]) -> Wrong | None:
    path = arguments.get("path")
    if isinstance(path, str) and not path.startswith("/"):
        return Wrong("path", f"{path} is no absolute path", "as the processes of the instance see it: /var/lib/app")
    return None


def _kind(
    name: str,
    doc: str,
    make: str,
    arguments: Mapping[str, Field],
    example: str,
    *,
    check: Callable[[Mapping[str, object]], Wrong | None] | None = None,
    capability: str = "constrain",
    lasting: bool = True,
    within_ns: int | None = None,
) -> FaultKind:
    return FaultKind(
        name=name,
        doc=doc,
        capability=capability,
        make=f"seatrial.faults.{make}",
        arguments=arguments,
        lasting=lasting,
        holds=False,
        check=check,
        within_ns=within_ns,
        example=f"{{fault: {name}, at: web#1{example}}}",
    )


def _needed(shape: Shape, doc: str, example: str) -> Field:
    return Field(shape=shape, required=True, doc=doc, example=example)


RESOURCE_FAULTS = (
    _kind(
        "crash-loop",
        "SIGKILL of the whole unit, again each time that it is up: its restart policy and back-off act, until healed.",
        "crash_loop:CrashLoop",
        {
            "every": Field(shape=DURATION, doc="So long it lives each time, from when it is ready (0s).", example="2s"),
            "times": Field(shape=_TIMES, doc="So often, and no more (until healed).", example="5"),
        },
        ", times: 5",
        capability="kill",
        within_ns=30 * NS_PER_S,
    ),
    _kind(
        "cpu-pressure",
        "Other work of ordinary priority wants the processors that it runs on, until healed.",
        "cpu_pressure:CpuPressure",
        {
            "share": Field(
                shape=replace(RATIO, least=0.01), doc="Of their time (100%); 300%: of three for each.", example="300%"
            ),
            "cores": Field(shape=_CORES, doc="The same in processors.", example="1.5"),
        },
        ", share: 300%",
        check=one_of("share", "cores", needed=False),
    ),
    _kind(
        "memory-pressure",
        "Others take memory: of its control group where that has a limit, else of the machine, of which enough is left always.",
        "memory_pressure:MemoryPressure",
        {
            "leave": Field(shape=SIZE, doc="So much is left.", example="1 GiB"),
            "size": Field(shape=_SOME, doc="So much is taken.", example="512 MiB"),
        },
        ", size: 512 MiB",
        check=one_of("leave", "size"),
        within_ns=20 * NS_PER_S,
    ),
    _kind(
        "cpu-limit",
        "All its processes together have so much processor time, until healed.",
        "cpu_limit:CpuLimit",
        {"cores": _needed(_CORES, "In processors.", "0.5")},
        ", cores: 0.5",
    ),
    _kind(
        "memory-limit",
        "All its processes together have so much memory, until healed; the kernel kills what wants more.",
        "memory_limit:MemoryLimit",
        {"size": _needed(_SOME, "What they use now included.", "256 MiB")},
        ", size: 256 MiB",
    ),
    _kind(
        "pids-limit",
        "All together are so many processes and threads, until healed: another cannot be started.",
        "pids_limit:PidsLimit",
        {"count": _needed(COUNT, "Those that are there included.", "20")},
        ", count: 20",
    ),
    _kind(
        "descriptors-limit",
        "Each of its processes has so many files and sockets open, until healed: another cannot be opened.",
        "descriptors_limit:DescriptorsLimit",
        {"count": _needed(COUNT, "Those that are open included.", "64")},
        ", count: 64",
    ),
    _kind(
        "oom",
        "The kernel kills what of it uses the most memory, by a limit just above what it has; then the limit is lifted.",
        "oom:OutOfMemory",
        {},
        "",
        lasting=False,
    ),
    _kind(
        "disk-full",
        "A file system of its own whose size is limited (tmpfs) is full, until healed. A plain disk is never filled.",
        "disk_full:DiskFull",
        {
            "path": _needed(TEXT, "A directory in it, as its processes see it.", "/var/lib/app"),
            "leave": Field(shape=SIZE, doc="So much stays free (0 B)."),
        },
        ", path: /var/lib/app",
        check=_absolute,
    ),
    _kind(
        "clock-offset",
        "Its clock is wrong, until healed; it has to be started with libfaketime.",
        "clock_offset:ClockOffset",
        {"offset": _needed(_ANY_TIME, "Later; negative: earlier. Whole seconds.", "2m")},
        ", offset: 2m",
        check=_offset,
        within_ns=20 * NS_PER_S,
    ),
)
