"""Everything comes from the environment."""

import os
import socket

from config.dsn import database

SECRET_KEY = os.environ["SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "config.wsgi.application"
INSTALLED_APPS = ["shop"]
MIDDLEWARE = ["shop.middleware.Answers", *filter(None, [os.environ.get("SHOP_MIDDLEWARE")])]
DATABASES = {"default": database(os.environ["DATABASE_DSN"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
APPEND_SLASH = False
# Cheap enough for an example that logs in a handful of users; production takes the default.
PASSWORD_HASHERS = ["shop.hashing.QuickHasher"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"django.request": {"level": "CRITICAL"}},
}

REDIS_URL = os.environ.get("REDIS_URL", "")
REDIS_SENTINELS = [tuple(a.rsplit(":", 1)) for a in os.environ.get("REDIS_SENTINELS", "").split(",") if a]
REDIS_MASTER = os.environ.get("REDIS_MASTER", "mymaster")
REDIS_WAIT = int(os.environ.get("REDIS_WAIT", "0"))
INSTANCE_NAME = os.environ.get("INSTANCE_NAME") or socket.gethostname()
ADMIN_USER = os.environ.get("ADMIN_USER", "admin")
ADMIN_PASSWORD = os.environ.get("ADMIN_PASSWORD", "")

# The parts that the variants replace, to see whether the trial notices.
SHOP = {
    "readiness": os.environ.get("SHOP_READINESS", "shop.readiness"),
    "selling": os.environ.get("SHOP_SELLING", "shop.selling"),
    "access": os.environ.get("SHOP_ACCESS", "shop.access"),
}
