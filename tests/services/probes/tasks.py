"""A Celery application without tasks: its workers can be asked how they are."""

import os

from celery import Celery

app = Celery("tasks", broker=os.environ["BROKER"])
