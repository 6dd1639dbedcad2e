"""What a process is surrounded by when it starts: another user, names of its own.

Both rest on namespaces (namespaces(7), user_namespaces(7)). What this machine allows is tried once in a child that does
nothing else, so that a refusal is known, and can be said, before anything is started.
"""

from __future__ import annotations

import ctypes
import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from seatrial.core.errors import SupervisorError
from seatrial.core.processes import Surroundings

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_MS_BIND = 4096
_MS_REC = 16384
_MS_PRIVATE = 1 << 18
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_NOBODY = 65534
_HOSTS = Path("/etc/hosts")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What a new process does before it executes its program.

    `user_map`: the user and group that it is in a user namespace of its own; `hosts`: a file that stands for /etc/hosts
    in a mount namespace of its own; `become`: the user and group that it changes to for good.
    """

    user_map: tuple[int, int] | None = None
    hosts: Path | None = None
    become: tuple[int, int] | None = None

    def take(self) -> None:
        """Change this process, which must have one thread. Raises OSError."""
        flags = (_CLONE_NEWUSER if self.user_map else 0) | (_CLONE_NEWNS if self.hosts else 0)
        outside = (os.geteuid(), os.getegid())
        if flags:
            _check(_libc.unshare(flags), "namespaces are refused")
        if self.user_map:
            Path("/proc/self/setgroups").write_text("deny", "ascii")
            Path("/proc/self/uid_map").write_text(f"{self.user_map[0]} {outside[0]} 1", "ascii")
            Path("/proc/self/gid_map").write_text(f"{self.user_map[1]} {outside[1]} 1", "ascii")
        if self.hosts:
            _check(_libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "mounts cannot be made private")
            _check(
                _libc.mount(os.fsencode(self.hosts), os.fsencode(_HOSTS), None, _MS_BIND, None), "mounts are refused"
            )
        if self.become:
            os.setgroups([])
            os.setgid(self.become[1])
            os.setuid(self.become[0])


def become_subreaper() -> None:
    """Orphaned descendants come to this process instead of init. Raises OSError."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl(PR_SET_CHILD_SUBREAPER)")


def set_name(name: str) -> None:
    """The name of this process in ps and top, at most 15 bytes. Raises OSError."""
    _check(_libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0), "prctl(PR_SET_NAME)")


def entry_for(surroundings: Surroundings, directory: Path) -> Entry:
    """The best entry that this machine allows; generated files are kept in `directory`.

    Without namespaces the names stay unknown (`hosts` is None). Raises SupervisorError if root cannot be dropped.
    """
    hosts = _hosts_file(surroundings.hosts, directory) if surroundings.hosts else None
    root = os.geteuid() == 0
    drop = surroundings.unprivileged and root
    entries = _dropping(hosts) if drop else _keeping(hosts, root)
    refusals = []
    for entry in entries:
        refusal = _refusal(entry)
        if refusal is None:
            return entry
        refusals.append(refusal)
    raise SupervisorError(
        "this server must not run as root, and root cannot be dropped here: "
        + "; ".join(dict.fromkeys(refusals))
        + ". Run as an ordinary user, or allow user namespaces"
    )


def hand_over(directory: Path, owned: Sequence[Path], entry: Entry) -> None:
    """Give a directory, with what is in it, to the user that a process becomes; nothing outside the `owned` trees.

    Directories above it, as far as they are the trial's, become passable, not readable. Raises SupervisorError.
    """
    tops = [top for top in owned if directory.is_relative_to(top)]
    if entry.become is None or not tops or directory in owned[:1]:
        return
    try:
        for above in directory.parents:
            if any(above.is_relative_to(top) for top in tops):
                above.chmod(above.stat().st_mode | 0o011)
        for path in (directory, *directory.rglob("*")):
            os.chown(path, *entry.become, follow_symlinks=False)
    except OSError as error:
        raise SupervisorError(f"cannot give {directory} to user {entry.become[0]}: {error}") from error


def _dropping(hosts: Path | None) -> list[Entry]:
    mapped, changed = (_NOBODY, _NOBODY), _nobody()
    entries = [Entry(user_map=mapped, hosts=hosts), Entry(become=changed, hosts=hosts)]
    return entries if hosts is None else [*entries, Entry(user_map=mapped), Entry(become=changed)]


def _keeping(hosts: Path | None, root: bool) -> list[Entry]:
    if hosts is None:
        return [Entry()]
    same = Entry(user_map=(os.geteuid(), os.getegid()), hosts=hosts)
    return [Entry(hosts=hosts), same, Entry()] if root else [same, Entry()]


def _nobody() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return (_NOBODY, _NOBODY)
    return (entry.pw_uid, entry.pw_gid)


def _hosts_file(names: Mapping[str, str], directory: Path) -> Path:
    """The machine's own hosts file with the names put before it: the first line that has a name counts."""
    ours = "".join(f"{address}\t{name}\n" for name, address in sorted(names.items()))
    try:
        theirs = _HOSTS.read_text("utf-8", "replace")
    except OSError:
        theirs = "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
    content = f"{ours}{theirs}"
    path = directory / f"hosts-{sha256(content.encode()).hexdigest()[:12]}"
    if not path.exists():
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
        path.chmod(0o644)  # whoever the process becomes must be able to read it
    return path


@cache
def _refusal(entry: Entry) -> str | None:
    """Why this machine does not allow an entry, or None if it does: tried in a child."""
    if entry == Entry():
        return None
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            entry.take()
            os._exit(0)
        except OSError as error:
            os.write(writer, str(error).encode()[:1000])
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(pid, 0)
    return (answer.decode("utf-8", "replace") or "refused") if status else None


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what} ({os.strerror(number)})")
