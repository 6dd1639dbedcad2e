"""What most likely mends what was seen, by the word for the error, the status or the code. A hint, and never part of a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .observations import Observation, Seen

LIKELY: Final = "likely remedy"  # its name in the evidence of a finding
_ERRORS: Final[Mapping[str, str]] = {
    "refused": "nobody listens there: is it started, at this port and this address, and did it end since? See its log",
    "name": "no such name is known: is it spelt right, and known to DNS or /etc/hosts where this runs?",
    "timeout": "it did not answer in time: is it waiting for something itself, overloaded, or cut off? timeout: gives it longer",
    "reset": "it ended the connection: did it crash, was it restarted, is something between that closes connections?",
    "closed": "it closed the connection before it had answered: did it end, is it the right port for this protocol?",
    "tls": "the certificate is not trusted, or TLS is not spoken there: verify: names the authority, and http:// is without TLS",
    "protocol": "what answers speaks something else: is it the right port, and the right scheme?",
    "unavailable": "the server cannot be reached, or says that it cannot serve now: its log, and what it depends on",
    "absent": "no instance answers to this target now: seatrial status shows which run, and which role they have",
}
_STATUSES: Final[Mapping[int, str]] = {
    400: "the request was not understood: its body, query and content type",
    401: "the service does not know who asks: as: names an identity, whose token may have expired",
    403: "who asks may not do this: as: names another identity",
    404: "there is nothing at this path: is it spelt right, and does what it names exist?",
    405: "not with this method: GET, POST, PUT ...",
    409: "it does not fit the present state: was it done before?",
    422: "the request was understood, and its values were not accepted",
    429: "it was asked too often: fewer requests a second",
    502: "what is behind it did not answer as it should: the log of that",
    503: "it cannot serve now: is it starting, overloaded, or without what it depends on?",
    504: "what is behind it did not answer in time",
}
_CODES: Final[Mapping[str, str]] = {
    "UNAVAILABLE": _ERRORS["unavailable"],
    "DEADLINE_EXCEEDED": "the deadline of the call was over before the answer was there: what does the server wait for?",
    "UNAUTHENTICATED": _STATUSES[401],
    "PERMISSION_DENIED": _STATUSES[403],
    "NOT_FOUND": "there is no such thing: does what the message names exist?",
    "UNIMPLEMENTED": "the server has no such method: is it spelt right (package.Service/Method), and in this version?",
    "INVALID_ARGUMENT": _STATUSES[422],
    "RESOURCE_EXHAUSTED": _STATUSES[429],
}
_ITS_LOG: Final = "the service says that it failed: its log of that time"


def remedy(observation: Observation) -> str:
    """For what was seen where something else was wanted; empty where nothing is likelier than anything else."""
    if observation.seen is not Seen.VALUE:
        return _ERRORS.get(observation.error or "", "")
    status, code = observation.values.get("status"), observation.values.get("code")
    if isinstance(status, int) and status >= 400:
        return _STATUSES.get(status, _ITS_LOG if status >= 500 else _STATUSES[400])
    return _CODES.get(code, "") if isinstance(code, str) else ""
