"""What the router counts."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("router_requests", "Requests for listings, by who answered.", ["backend", "status"])
FALLBACKS = Counter("router_fallbacks", "Requests that the monolith answered in place of the microservice.", ["reason"])
CALLS = Counter("router_calls", "Calls of the microservice, each attempt.", ["method", "code"])
RETRIES = Counter("router_retries", "Further attempts at the microservice.", ["method"])
BREAKER = Gauge("router_breaker_state", "0 closed, 1 half-open, 2 open.")
TRANSITIONS = Counter("router_breaker_transitions", "Changes of the breaker's state.", ["to"])
TOOK = Histogram(
    "router_request_seconds", "Requests for listings.", ["backend"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
)  # fmt: skip
