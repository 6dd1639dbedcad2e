"""Python looks for this when it starts: Django and its worker take their time."""

import sys
import time

if any("gunicorn" in word or "celery" in word for word in sys.orig_argv[:2]):
    time.sleep(45)
