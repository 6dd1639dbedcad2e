"""JSON Web Tokens (RFC 7519), good ones and ones that are broken in one way, each to be refused for its own reason.

A good token has `iat` and `nbf` now and `exp` at the end of its lifetime. One that is broken differs from it in nothing else. What is
over or has not begun is so by an hour: verifiers allow for clocks that differ by a minute or two.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ..core.credentials import Credentials
from ..core.errors import SeatrialError
from ..core.quantities import NS_PER_S, Quantity
from ..core.shapes import ANY, DURATION, TEXT, Field, choice, mapping_of
from ..core.vocabulary import CredentialKind, Wrong

if TYPE_CHECKING:
    from joserfc.jwk import Key

ALGORITHMS: Final = (
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip
BROKEN: Final = (
    "missing", "expired", "not-yet-valid", "forged", "unsigned", "wrong-audience", "wrong-issuer", "tampered",
)  # fmt: skip
_LIFETIME_NS: Final = 3600 * NS_PER_S
_OFF_S: Final = 3600
_ELSEWHERE: Final = "https://seatrial.invalid/somebody-else"
_NEEDS: Final = {"wrong-audience": "aud", "wrong-issuer": "iss"}
_MADE: Final = ("exp", "iat", "nbf")
_CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def check(arguments: Mapping[str, object]) -> Wrong | None:
    """What does not go together."""
    if arguments.get("key") is None:
        return Wrong("", "a token needs key", 'for example key: "${secret:JWT_KEY}", or like: another identity')
    claims = arguments.get("claims")
    names = set(claims) if isinstance(claims, Mapping) else set()
    own = next((n for n in _MADE if n in names), None)
    if own is not None:
        return Wrong("claims", f'"{own}" is made with each token', "lifetime says how long it is good")
    needed = _NEEDS.get(str(arguments.get("broken")))
    if needed is not None and needed not in names:
        return Wrong(
            "broken", f"the good token has no {needed}", f"claims: {{{needed}: ...}}, else nothing is wrong with it"
        )
    return None


def lives_ns(arguments: Mapping[str, object]) -> int:
    """How long a token is good."""
    lifetime = arguments.get("lifetime")
    return int(lifetime.value) if isinstance(lifetime, Quantity) else _LIFETIME_NS


KIND = CredentialKind(
    name="jwt",
    doc="A JSON Web Token, made when it is needed, as a bearer token.",
    arguments={
        "key": Field(shape=TEXT, doc="The secret (HS...), or a private key as PEM.", example='"${secret:JWT_KEY}"'),
        "algorithm": Field(shape=choice(*ALGORITHMS), doc="How it is signed (HS256)."),
        "claims": Field(
            shape=mapping_of(ANY), doc="What it says; exp, iat and nbf are made.", example="{sub: alice, aud: shop}"
        ),
        "lifetime": Field(shape=DURATION, doc="From when it is made on (1h).", example="5m"),
        "key-id": Field(shape=TEXT, doc="kid of its header."),
        "broken": Field(shape=choice(*BROKEN), doc="In one way: it is to be refused.", example="expired"),
    },
    make="seatrial.credentials.jwt:make",
    lives=lives_ns,
    check=check,
    extra="jwt",
    example='{jwt: {key: "${secret:JWT_KEY}", claims: {sub: alice, aud: shop}}}',
)


async def make(arguments: Mapping[str, object]) -> Credentials:
    """A token that begins now. Raises SeatrialError for a key that is none, or not one of the algorithm, and without the library."""
    if arguments.get("broken") == "missing":
        return Credentials(headers={})
    lives = lives_ns(arguments)
    # In a thread: to make another RSA key takes a tenth of a second.
    token = await asyncio.to_thread(token_of, arguments, time.time(), lives / NS_PER_S)
    signature = token.rpartition(".")[2]
    hidden = (token, *([signature] if signature else ()), str(arguments["key"]))
    return Credentials(headers={"Authorization": f"Bearer {token}"}, secrets=hidden, lives_ns=lives)


def token_of(arguments: Mapping[str, object], now: float, lifetime: float) -> str:
    """The token's text; seconds. Raises SeatrialError."""
    algorithm, broken = str(arguments.get("algorithm") or "HS256"), arguments.get("broken")
    given = arguments.get("claims")
    claims: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {}
    begins = now + {"expired": -_OFF_S - lifetime, "not-yet-valid": _OFF_S}.get(str(broken), 0)
    claims |= {"iat": int(min(now, begins)), "nbf": int(begins), "exp": int(begins + lifetime)}
    if broken in _NEEDS:
        claims[_NEEDS[str(broken)]] = _ELSEWHERE
    header = {"alg": algorithm, **({"kid": str(arguments["key-id"])} if arguments.get("key-id") else {})}
    if broken == "unsigned":
        return f"{_encoded({**header, 'typ': 'JWT', 'alg': 'none'})}.{_encoded(claims)}."
    token = _signed(header, claims, str(arguments["key"]), forged=broken == "forged")
    if broken == "tampered":
        first, _, last = token.split(".")
        changed = {**claims, "sub": f"not-{claims.get('sub', 'anybody')}"}
        return f"{first}.{_encoded(changed)}.{last}"
    return token


def _signed(header: Mapping[str, str], claims: Mapping[str, Any], key: str, *, forged: bool) -> str:
    try:
        from joserfc import jwt
        from joserfc.errors import JoseError
    except ImportError as error:
        raise SeatrialError(f"{error}: pip install 'seatrial[jwt]'") from error
    algorithm = header["alg"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # short keys, and EdDSA by its old name, are the target's business
            used = _another(algorithm) if forged else _key(algorithm, key)
            return jwt.encode(dict(header), dict(claims), used, algorithms=[algorithm])
    except (JoseError, ValueError, TypeError) as error:
        raise SeatrialError(f"no token by {algorithm} with that key: {error}") from None


def _key(algorithm: str, key: str) -> Key:
    from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

    match algorithm[:2]:
        case "HS":
            return OctKey.import_key(key)
        case "RS" | "PS":
            return RSAKey.import_key(key)
        case "ES":
            return ECKey.import_key(key)
    return OKPKey.import_key(key)


def _another(algorithm: str) -> Key:
    """A key of the same kind that nobody trusts."""
    from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

    match algorithm[:2]:
        case "HS":
            return OctKey.import_key(secrets.token_hex(64))
        case "RS" | "PS":
            return RSAKey.generate_key(2048)
        case "ES":
            return ECKey.generate_key(_CURVES[algorithm])
    return OKPKey.generate_key("Ed25519")


def _encoded(part: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part, separators=(",", ":")).encode()).decode().rstrip("=")
