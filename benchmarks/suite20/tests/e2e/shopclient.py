"""How the tests speak to the shop."""

import time
import uuid
from dataclasses import dataclass

import httpx
from redis.backoff import NoBackoff
from redis.retry import Retry

PATIENCE = 3.0  # seconds that anything may take to answer
REDIS_PATIENCE = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "retry": Retry(NoBackoff(), 0)}


def unique(what: str) -> str:
    """A name that no other run has."""
    return f"{what}-{uuid.uuid4().hex[:12]}"


class Api:
    """The shop as one of its users sees it. A 503 is asked again, as a shop's page would, while there is time."""

    def __init__(self, url: str, token: str | None = None):
        self.url = url
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=PATIENCE, trust_env=False)

    def ask(self, method: str, path: str, json=None, **params) -> httpx.Response:
        until = time.monotonic() + PATIENCE
        for _ in range(3):
            answer = self.http.request(method, path, json=json, params=params or None)
            if answer.status_code != 503 or time.monotonic() > until:
                break
        return answer

    def get(self, path: str, **params) -> httpx.Response:
        return self.ask("GET", path, **params)

    def post(self, path: str, json: dict) -> httpx.Response:
        return self.ask("POST", path, json=json)

    def made(self, path: str, json: dict) -> dict:
        """What was made by a POST that has to succeed."""
        answer = self.post(path, json)
        assert answer.status_code == 201, f"POST {path}: {answer.status_code} {answer.text[:200]}"
        return answer.json()

    def login(self, user: str, password: str) -> "Api":
        """The shop as that user sees it."""
        answer = self.post("/api/login", {"user": user, "password": password})
        assert answer.status_code == 200, f"login of {user}: {answer.status_code} {answer.text[:200]}"
        return Api(self.url, answer.json()["token"])


@dataclass
class Tenant:
    """A tenant of this run, and its people."""

    id: int
    name: str
    owner: Api
    seller: Api
    viewer: Api

    def new_item(self, quantity: int) -> int:
        """The id of a fresh item."""
        sku = unique("ring")
        return self.owner.made("/api/items", {"sku": sku, "name": sku, "quantity": quantity, "price_cents": 12900})["id"]


def new_tenant(admin: Api) -> Tenant:
    name = unique("tenant")
    number = admin.made("/api/tenants", {"name": name})["id"]
    people = {}
    for role in ("owner", "seller", "viewer"):
        user, password = unique(role), unique("pw")
        admin.made(f"/api/tenants/{number}/users", {"user": user, "password": password, "role": role})
        people[role] = admin.login(user, password)
    return Tenant(number, name, **people)
