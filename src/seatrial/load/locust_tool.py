"""The process of a generator that runs a Locust file. Its configuration is in api.tools.

gevent has to change the standard library before anything else imports it: nothing is imported here before `main`.
"""

from __future__ import annotations


def main() -> None:
    """Make room for Locust, and run."""
    from importlib import import_module

    import_module("gevent.monkey").patch_all()
    from .locust_running import run

    run()


if __name__ == "__main__":
    main()
