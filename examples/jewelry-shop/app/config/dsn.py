"""A libpq DSN as Django wants it."""


def database(dsn: str) -> dict:
    """`host=a,b port=1,2 ...`: several hosts are passed through, libpq finds the one that takes writes."""
    given = dict(pair.split("=", 1) for pair in dsn.split())
    options = {
        "connect_timeout": 2,
        "options": "-c statement_timeout=2000 -c lock_timeout=2000",
        "tcp_user_timeout": 2000,
        "keepalives_idle": 2,
        "keepalives_interval": 1,
        "keepalives_count": 2,
    }
    if "target_session_attrs" in given:
        options["target_session_attrs"] = given["target_session_attrs"]
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": given["host"],
        "PORT": given["port"],
        "USER": given["user"],
        "PASSWORD": given["password"],
        "NAME": given["dbname"],
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }
