"""What the workers do."""

import socket

from celery import shared_task


@shared_task
def ping(text: str) -> dict:
    """Answers with the text in capitals, and who did it."""
    return {"text": text.upper(), "worker": socket.gethostname()}
