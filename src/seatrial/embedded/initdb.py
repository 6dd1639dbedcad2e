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
    """Exit status 0 when the data directory is ready; what went wrong is on standard error."""
    order = json.loads(Path(order_file).read_text(encoding="utf-8"))
    data = Path(order["data"])
    if (data / "PG_VERSION").exists():
        return 0
    options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--no-sync"]
    made = _run(
        [order["initdb"], "-D", str(data), "-U", order["superuser"], "--pwfile=/dev/stdin", *options],
        order["password"] + "\n",
    )
    if made.returncode:
        sys.stderr.write(made.stderr)
        return made.returncode
    (data / "pg_hba.conf").write_text("\n".join(order["hba"]) + "\n", encoding="utf-8")
    single = _run([order["postgres"], "--single", "-D", str(data), "postgres"], order["sql"])
    # It goes on after a statement that failed, and exits with 0.
    problems = [line for line in single.stderr.splitlines() if "ERROR" in line or "FATAL" in line]
    sys.stderr.write("\n".join(problems))
    return single.returncode or bool(problems)


def _run(argv: list[str], text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
