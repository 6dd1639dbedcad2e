"""DSSE envelopes (github.com/secure-systems-lab/dsse, v1.0.2), in one form alone: what is not byte for byte as we write it is refused.

The standard lets JSON be written in many ways, and base64 in some; then a bit could be flipped that no signature covers. Here none can.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass

from ..core.errors import UsageError
from ..core.fingerprints import canonical

PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """A payload with a signature. `key`: id of the key, sha256 of its public half in DER (SubjectPublicKeyInfo)."""

    payload: bytes
    key: str
    signature: bytes

    def encode(self) -> bytes:
        """The file."""
        return (
            canonical(
                {
                    "payload": _encode(self.payload),
                    "payloadType": PAYLOAD_TYPE,
                    "signatures": [{"keyid": self.key, "sig": _encode(self.signature)}],
                }
            )
            + b"\n"
        )


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """What is signed: DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def seal(statement: object, key: str, sign: Callable[[bytes], bytes]) -> Envelope:
    """An envelope around a statement."""
    payload = canonical(statement)
    return Envelope(payload=payload, key=key, signature=sign(pae(payload)))


def decode(data: bytes) -> Envelope:
    """Raises UsageError for what is no envelope of ours, to the last byte."""
    try:
        found = json.loads(data)
        (signature,) = found["signatures"]
        envelope = Envelope(
            payload=base64.b64decode(found["payload"], validate=True),
            key=str(signature["keyid"]),
            signature=base64.b64decode(signature["sig"], validate=True),
        )
        same = envelope.encode() == data
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        same = False
    if not same:
        raise UsageError.simple("this is no attestation, or it was changed: it is not in the form that seatrial writes")
    return envelope


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
