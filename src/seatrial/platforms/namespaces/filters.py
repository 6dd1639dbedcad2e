"""Rules of the packet filter: what is dropped, refused, handed to a queue, or led elsewhere.

Each impairment has chains of its own, to which built-in ones jump; what goes over the loopback is let alone, but for names. All of a
table is done at once (iptables-restore), so that there is no half of an impairment.

A packet that is dropped on its way out is an error to who sends it ("Operation not permitted"), which no network makes. So what is lost
on its way out goes to a queue that nobody reads, where the kernel forgets it; where there are no queues, it is dropped.

Who is on a link is asked beneath the filter with IPv4 (ARP), and through it with IPv6 (RFC 4861): that is let alone. Lost, it would make
whoever was healed "no route to host" for up to a second more, and only with IPv6.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from ...core.errors import NotExercised, PlatformError
from . import tools
from .orders import Order

NOBODYS = 65_021  # the number of the queue that nobody reads
FAMILIES = {4: "iptables", 6: "ip6tables"}
_HOOKS = {"in": ("INPUT", "! -i lo"), "out": ("OUTPUT", "! -o lo")}
_ENDS = {"in": "-s", "out": "-d"}
_ENGINE_NAMES = "127.0.0.11"  # where Docker's own name server is seen in a container
_NEIGHBOURS = (135, 136)  # types of ICMPv6: who has this address, and who says so
_AGAIN = 3
_Tables = Mapping[str, Sequence[str]]


def apply(order: Order) -> None:
    """In the present namespace. Raises NotExercised saying what is missing, or what the kernel does not know."""
    for family in _families():
        if (order.addresses and not order.of_family(family)) or (order.kind == "lead" and family == 6):
            continue
        refused = ""
        for tables in _choices(order, family):
            refused = _restore(family, tables)
            if not refused:
                break
        if refused:
            raise NotExercised(f"{FAMILIES[family]} cannot {_DEEDS[order.kind]}: {refused}")


def remove(tag: str) -> bool:
    """Whatever carries that tag in the present namespace; whether there was anything. Raises PlatformError for what remains."""
    found = False
    for family, program in FAMILIES.items():
        if tools.find(program) is None:
            continue
        touched, refused = set[str](), ""
        for _ in range(_AGAIN):  # somebody else's rules may change meanwhile
            tables = _removal(tag, _saved(family))
            if not tables:
                break
            touched |= tables.keys()
            refused = _restore(family, tables)
        else:
            raise PlatformError(f"{program} cannot remove {tag}: {refused or 'it is still there'}")
        _tidy(family, touched)
        found = found or bool(touched)
    return found


def stands(tag: str) -> bool:
    """Whether chains of that tag are in the present namespace, and something leads to each of them."""
    lines = [line for table in _saved(4).values() for line in table]
    chains = [line[1:].split()[0] for line in lines if line.startswith(f":{tag}-")]
    jumps = {shlex.split(line)[-1] for line in lines if line.startswith("-A ") and not line.startswith(f"-A {tag}-")}
    return bool(chains) and jumps.issuperset(chains)


def _families() -> Iterator[int]:
    """Those that the namespace speaks: IPv6 where it has an address beyond its link."""
    yield 4
    try:
        addresses = Path("/proc/thread-self/net/if_inet6").read_text("ascii").splitlines()
    except OSError:
        return
    if any(line.split()[3] in ("00", "40") for line in addresses):
        yield 6


def _choices(order: Order, family: int) -> Iterator[_Tables]:
    """What may be done, the best first."""
    yield _tables(order, family, f"NFQUEUE --queue-num {NOBODYS}")
    if order.kind in ("partition", "loss", "dns") and "out" in order.ways and order.how != "refuse":
        yield _tables(order, family, "DROP")


def _tables(order: Order, family: int, forget: str) -> _Tables:
    match order.kind:
        case "dns":
            return {"filter": _refused(order, family)} if order.how == "refuse" else {"mangle": _unasked(order, forget)}
        case "lead":
            return {"nat": _led(order, family)}
    target = f"NFQUEUE --queue-num {order.queue} --queue-bypass" if order.kind == "latency" else ""
    chance = f"-m statistic --mode random --probability {order.share:.6f} " if order.kind == "loss" else ""
    lines = []
    for way in order.ways:
        chain, (hook, besides) = order.chains[way], _HOOKS[way]
        does = target or (forget if way == "out" else "DROP")
        whose = [f"{_ENDS[way]} {a} " for a in order.of_family(family)] if order.addresses else [""]
        alone = _NEIGHBOURS if family == 6 else ()
        lines += [f":{chain} - [0:0]"]
        lines += [f"-A {chain} -p ipv6-icmp --icmpv6-type {n} {_said(order)} -j RETURN" for n in alone]
        lines += [f"-A {chain} {w}{chance}{_said(order)} -j {does}" for w in whose]
        lines.append(f"-I {hook} 1 {besides} {_said(order)} -j {chain}")
    return {"mangle": lines}


def _unasked(order: Order, forget: str) -> Sequence[str]:
    """Questions leave, and are forgotten. Before addresses are rewritten, so that Docker's name server is seen at port 53, too."""
    chain = order.chains["out"]
    rules = [f"-A {chain} -p {p} --dport 53 {_said(order)} -j {forget}" for p in ("udp", "tcp")]
    return [f":{chain} - [0:0]", *rules, f"-I OUTPUT 1 {_said(order)} -j {chain}"]


def _refused(order: Order, family: int) -> Sequence[str]:
    """Only the table that comes after rewriting can refuse: there Docker's name server is known by its address."""
    chain, how = order.chains["out"], {"udp": "REJECT", "tcp": "REJECT --reject-with tcp-reset"}
    whom = ["--dport 53"] if family == 6 else ["--dport 53", f"-d {_ENGINE_NAMES}"]
    rules = [f"-A {chain} -p {p} {to} {_said(order)} -j {how[p]}" for p in how for to in whom]
    return [f":{chain} - [0:0]", *rules, f"-I OUTPUT 1 {_said(order)} -j {chain}"]


def _led(order: Order, family: int) -> Sequence[str]:
    chain = order.chains["out"]
    rules = [
        f"-A {chain} -d {lead.address} -p tcp --dport {lead.port} {_said(order)} -j DNAT --to-destination {lead.to}:{lead.to_port}"
        for lead in order.leads
        if ipaddress.ip_address(lead.address).version == family
    ]
    return [f":{chain} - [0:0]", *rules, f"-I OUTPUT 1 {_said(order)} -j {chain}"]


def _said(order: Order) -> str:
    return f'-m comment --comment "{order.comment}"'


def _restore(family: int, tables: _Tables) -> str:
    """What is wrong, or nothing."""
    for table, lines in tables.items():
        text = "\n".join([f"*{table}", *lines, "COMMIT", ""])
        argv = [tools.need(f"{FAMILIES[family]}-restore"), "--noflush", "-w", "5"]
        status, _, complaint = tools.run(argv, text)
        if status != 0:
            return tools.words(complaint)
    return ""


def _save(family: int, *options: str) -> str:
    status, output, complaint = tools.run([tools.need(f"{FAMILIES[family]}-save"), *options])
    if status != 0:
        raise PlatformError(f"{FAMILIES[family]}-save: {tools.words(complaint)}")
    return output


def _saved(family: int) -> Mapping[str, list[str]]:
    """Chains and rules by table."""
    tables: dict[str, list[str]] = {}
    for line in _save(family).splitlines():
        if line.startswith("*"):
            tables[line[1:]] = []
        elif line.startswith((":", "-A ")) and tables:
            next(reversed(tables.values())).append(line)
    return tables


def _removal(tag: str, saved: Mapping[str, list[str]]) -> _Tables:
    """What takes away all chains of a tag, and the jumps to them."""
    tables = {}
    for table, lines in saved.items():
        chains = [line[1:].split()[0] for line in lines if line.startswith(f":{tag}-")]
        jumps = [line for line in lines if shlex.split(line)[-1] in chains and not line.startswith(f"-A {tag}-")]
        if chains:
            deletions = [line.replace("-A ", "-D ", 1) for line in jumps if line.startswith("-A ")]
            tables[table] = [*deletions, *(f"-F {c}" for c in chains), *(f"-X {c}" for c in chains)]
    return tables


def _tidy(family: int, touched: Collection[str]) -> None:
    """A table that nothing is in any more is taken away where that can be done: it may not have been there before."""
    for table, lines in _saved(family).items():
        if table not in touched or any(line.startswith("-A ") or " ACCEPT " not in line for line in lines):
            continue
        tools.run([tools.need(FAMILIES[family]), "-w", "5", "-t", table, "-X"])
        nft, kind = tools.find("nft"), {4: "ip", 6: "ip6"}[family]
        if nft is not None and tools.run([nft, "list", "table", kind, table])[1].split() == [
            "table",
            kind,
            table,
            "{",
            "}",
        ]:
            tools.run([nft, "delete", "table", kind, table])


_DEEDS = {
    "partition": "drop packets",
    "loss": "drop a share of packets (xt_statistic)",
    "latency": "hand packets to a queue (xt_NFQUEUE)",
    "dns": "keep a process from its name servers",
    "lead": "lead connections elsewhere (DNAT)",
}
