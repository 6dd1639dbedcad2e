"""Celery on the same Redis, through its sentinels: `app` for the workers, `sender` for the web."""

import os

import django
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.conf import settings  # noqa: E402 - only after setup

url, transport = settings.REDIS_URL, {"socket_timeout": 1, "socket_connect_timeout": 1}
if settings.REDIS_SENTINELS:
    url = ";".join(f"sentinel://{host}:{port}/0" for host, port in settings.REDIS_SENTINELS)
    transport["master_name"] = settings.REDIS_MASTER
    transport["sentinel_kwargs"] = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5}

app = Celery("shop")
app.set_default()  # for every thread, not only the one that imports this
app.conf.update(
    broker_url=url,
    result_backend=url,
    broker_transport_options=transport | {"retry_on_timeout": True},
    result_backend_transport_options=transport | {"retry_on_timeout": True},
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    result_expires=600,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    task_acks_late=True,
)
app.autodiscover_tasks(["shop"])

# A request cannot wait for a broker to come back: few tries, and no subscription to the result.
sender = Celery("shop-sender", set_as_current=False)
sender.conf.update(
    broker_url=url,
    broker_transport_options=transport | {"max_retries": 1, "interval_start": 0.1, "interval_max": 0.1},
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0.1, "interval_max": 0.1},
)
