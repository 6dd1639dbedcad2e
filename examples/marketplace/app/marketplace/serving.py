"""An HTTP service: started, ready, drained."""

import argparse
import logging
import os
import sys

import uvicorn

HOST = os.environ.get("LISTEN_HOST", "127.0.0.1")


def serve(application) -> None:
    """Until SIGTERM; requests that are under way may end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    log()
    uvicorn.run(
        application,
        host=HOST,
        port=port,
        access_log=False,
        log_config=None,
        backlog=512,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,
    )


def log() -> None:
    """One line each, to standard error."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # it tells of each attempt to connect
