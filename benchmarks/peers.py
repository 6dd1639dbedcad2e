"""Python programs that ours are held against, each in an environment of its own under the cache directory, made on first use."""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "seatrial-benchmarks"


def python_with(name: str, *requirements: str) -> Path:
    """Python of an environment that has these packages; `name` is the environment's."""
    home = CACHE / name
    made = home / ".made"  # only when all of it was installed
    if not made.exists():
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin/python", "-m", "pip", "install", "--quiet", *requirements], check=True)
        made.touch()
    return home / "bin/python"
