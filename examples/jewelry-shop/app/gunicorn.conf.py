"""gunicorn: one process a replica, many threads, nothing written outside."""

import os

worker_class = "gthread"
workers = 1
threads = 32
timeout = 30
graceful_timeout = 3
keepalive = 30
accesslog = None
errorlog = "-"
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
