"""Makes the data directory of a single PostgreSQL: initdb, then the application's user and database.

Run as a command before the first start, in the server's own surroundings (postgres refuses root): `python -m
seatrial.embedded.initdb ORDER.json`. Single-user mode needs no port and no password.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def main(order_file: str) -> int:
    """Exit status 0 when the data directory is ready."""
    order = json.loads(Path(order_file).read_text(encoding="utf-8"))
    data = Path(order["data"])
    if (data / "PG_VERSION").exists():
        return 0
    password = data.parent / "password"
    password.write_text(order["password"] + "\n", encoding="utf-8")
    try:
        made = subprocess.run(
            [order["initdb"], "-D", str(data), "-U", order["superuser"], f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8",
             "--locale=C.UTF-8", "--no-sync"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        password.unlink()
    if made.returncode:
        sys.stderr.write(made.stderr)
        return made.returncode
    (data / "pg_hba.conf").write_text("\n".join(order["hba"]) + "\n", encoding="utf-8")
    single = subprocess.run(
        [order["postgres"], "--single", "-D", str(data), "postgres"],
        input=order["sql"],
        capture_output=True,
        text=True,
        check=False,
    )
    problems = [line for line in single.stderr.splitlines() if "ERROR" in line or "FATAL" in line]
    sys.stderr.write("\n".join(problems))
    return single.returncode or bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
