"""What is in files that a service takes its secrets from is known, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

from seatrial.core.stack import ServicePlan, StackPlan
from seatrial.platforms import KINDS
from seatrial.platforms.expansion import expand
from seatrial.platforms.ground import Site
from seatrial.platforms.ports import Ports
from seatrial.platforms.secret_files import content_of


def test_a_local_service_s_secrets_are_told_from_the_files_that_its_variables_name(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("in-a-file-1\n")
    (tmp_path / "key.pem").write_text("in-a-file-2\n")
    (tmp_path / "settings.ini").write_text("colour = blue")
    environment = {
        "DB_PASSWORD_FILE": "password",
        "API_TOKEN_FILE": str(tmp_path / "key.pem"),
        "SETTINGS_FILE": "settings.ini",
        "OLD_PASSWORD_FILE": "nowhere",
        "PASSWORD_FILE": "",
    }
    told: list[str] = []
    site = Site(
        directory=tmp_path,
        stack_directory=tmp_path,
        stack_name="shop",
        ports=Ports(tmp_path / "ports"),
        secret=str,
        on_secret=told.append,
    )
    plan = ServicePlan(name="web", kind="process", arguments={"command": "sleep 1", "environment": environment})
    stack = StackPlan(name="shop", platform="local", services={"web": plan}, directory=tmp_path)
    expand(stack, {kind.name: kind for kind in KINDS}, site)
    assert told == ["in-a-file-1", "in-a-file-2"]


def test_what_cannot_be_a_secret_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "long").write_text("x" * (1 << 17))
    assert [list(content_of(tmp_path / name)) for name in ("binary", "empty", "long", "nothing", ".")] == [[]] * 5
