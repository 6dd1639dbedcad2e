"""JWTs of the auth service: made there, verified wherever a request arrives."""

import os
import time
from dataclasses import dataclass

import jwt

ISSUER = "marketplace-auth"
SERVICE = "service"  # the scope of a service that acts for the user it names
LIFETIME_S = 3600


class Refused(Exception):
    """No token, or one that is expired or forged."""


@dataclass(frozen=True)
class Caller:
    """Who asks: the user, and the service that says so where it is not the user's own token."""

    user: str
    by: str = ""


def secret() -> str:
    """The key that all services share."""
    return os.environ["JWT_SECRET"]


def issue(subject: str, *, scope: str = "user", lifetime_s: int = LIFETIME_S) -> str:
    """A token of a subject."""
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": subject, "scope": scope, "iat": now, "exp": now + lifetime_s}
    return jwt.encode(claims, secret(), algorithm="HS256")


def caller(authorization: str, named: str) -> Caller:
    """From `Authorization: Bearer ...` and the user that a service names. Raises Refused."""
    kind, _, token = authorization.partition(" ")
    if kind.lower() != "bearer" or not token:
        raise Refused("no bearer token")
    try:
        claims = jwt.decode(token, secret(), algorithms=["HS256"], issuer=ISSUER, options={"require": ["exp", "sub"]})
    except jwt.PyJWTError as error:
        raise Refused(f"{type(error).__name__}: {error}") from error
    if claims.get("scope") == SERVICE:
        return Caller(user=named or claims["sub"], by=claims["sub"])
    return Caller(user=claims["sub"])


def subject_unverified(authorization: str) -> str:
    """Whose token it says it is: good enough to choose a backend, which verifies it; empty where it says nothing."""
    _, _, token = authorization.partition(" ")
    try:
        return str(jwt.decode(token, options={"verify_signature": False}).get("sub", ""))
    except jwt.PyJWTError:
        return ""
