"""Celery on the same Redis, through its sentinels."""

import os

import django
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402 - only after setup

app = Celery("shop")
app.set_default()  # for every thread, not only the one that imports this
if settings.REDIS_SENTINELS:
    url = ";".join(f"sentinel://{host}:{port}/0" for host, port in settings.REDIS_SENTINELS)
    transport = {
        "master_name": settings.REDIS_MASTER,
        "socket_timeout": 1,
        "socket_connect_timeout": 1,
        "retry_on_timeout": True,
    }
else:
    url, transport = settings.REDIS_URL, {"socket_timeout": 1, "socket_connect_timeout": 1}
app.conf.update(
    broker_url=url,
    result_backend=url,
    broker_transport_options=transport,
    result_backend_transport_options=transport | {"retry_policy": {"max_retries": 2, "timeout": 1.0}},
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    task_publish_retry_policy={"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2, "interval_max": 0.3},
    result_expires=600,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    task_acks_late=True,
)
app.autodiscover_tasks(["shop"])
