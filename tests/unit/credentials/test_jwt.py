"""Tokens, looked at by another library than the one that signs them: each broken one is refused for its own reason."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from seatrial.core.errors import SeatrialError
from seatrial.core.quantities import Dimension, Quantity
from seatrial.credentials import KINDS
from seatrial.credentials.jwt import ALGORITHMS, BROKEN, make

SECRET = "a-secret-of-more-than-sixty-four-bytes-so-that-no-verifier-complains-of-it"
CLAIMS = {"sub": "alice", "aud": "shop", "iss": "https://auth.shop.test", "roles": ["buyer"]}
REASONS = {
    "expired": jwt.ExpiredSignatureError,
    "not-yet-valid": jwt.ImmatureSignatureError,
    "forged": jwt.InvalidSignatureError,
    "unsigned": jwt.InvalidAlgorithmError,
    "wrong-audience": jwt.InvalidAudienceError,
    "wrong-issuer": jwt.InvalidIssuerError,
    "tampered": jwt.InvalidSignatureError,
}


def pem(key: Any) -> tuple[str, str]:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


RSA, ED = pem(rsa.generate_private_key(65537, 2048)), pem(ed25519.Ed25519PrivateKey.generate())
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
KEYS = {
    **dict.fromkeys(("HS256", "HS384", "HS512"), (SECRET, SECRET)),
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSA),
    **{name: pem(ec.generate_private_key(curve)) for name, curve in CURVES.items()},
    "EdDSA": ED,
}


async def token(algorithm: str = "HS256", **more: object) -> str:
    made = await make({"key": KEYS[algorithm][0], "algorithm": algorithm, "claims": CLAIMS, **more})
    kind, _, text = made.headers["Authorization"].partition(" ")
    assert kind == "Bearer"
    assert text in made.secrets
    return text


def read(text: str, algorithm: str = "HS256") -> dict[str, Any]:
    """As a careful service does, with a minute's grace for clocks."""
    return jwt.decode(
        text,
        KEYS[algorithm][1],
        algorithms=[algorithm],
        audience="shop",
        issuer="https://auth.shop.test",
        leeway=60,
        options={"require": ["exp", "iat", "nbf", "sub"]},
    )


@pytest.mark.parametrize("algorithm", KEYS)
async def test_a_good_token_is_accepted(algorithm: str) -> None:
    claims = read(await token(algorithm), algorithm)
    assert {n: claims[n] for n in CLAIMS} == CLAIMS


@pytest.mark.parametrize("broken", REASONS)
@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256", "EdDSA"])
async def test_a_broken_one_is_refused_for_its_own_reason(algorithm: str, broken: str) -> None:
    text = await token(algorithm, broken=broken)
    with pytest.raises(REASONS[broken]) as refused:
        read(text, algorithm)
    assert type(refused.value) is REASONS[broken]


@pytest.mark.parametrize("broken", ["expired", "not-yet-valid", "wrong-audience", "wrong-issuer"])
async def test_it_is_broken_in_one_way_only(broken: str) -> None:
    """Looked at without the one check, it is good: it is signed by the right key, too."""
    off = {"expired": "exp", "not-yet-valid": "nbf", "wrong-audience": "aud", "wrong-issuer": "iss"}[broken]
    checks = {f"verify_{n}": n != off for n in ("exp", "nbf", "iat", "aud", "iss")}
    wanted = {"audience": "shop"} if off != "aud" else {}
    wanted |= {"issuer": CLAIMS["iss"]} if off != "iss" else {}
    assert (
        jwt.decode(await token(broken=broken), SECRET, algorithms=["HS256"], options=checks, **wanted)["sub"] == "alice"
    )


async def test_a_tampered_one_says_something_else_under_the_good_signature() -> None:
    text = await token(broken="tampered")
    assert jwt.decode(text, options={"verify_signature": False})["sub"] == "not-alice"


async def test_a_missing_one_is_not_sent() -> None:
    assert (await make({"key": SECRET, "broken": "missing"})).headers == {}


async def test_it_lives_from_when_it_is_made() -> None:
    made = await make({"key": SECRET, "lifetime": Quantity(300e9, Dimension.DURATION), "key-id": "k1"})
    text = made.headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(text, SECRET, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 300
    assert claims["iat"] == claims["nbf"]
    assert jwt.get_unverified_header(text)["kid"] == "k1"
    assert made.lives_ns == 300_000_000_000


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [("RS256", SECRET), ("ES256", ED[0]), ("ES384", KEYS["ES256"][0]), ("EdDSA", RSA[0]), ("RS256", ED[1])],
)
async def test_a_key_of_another_kind_is_said_to_be_one_without_being_shown(algorithm: str, key: str) -> None:
    with pytest.raises(SeatrialError, match=f"no token by {algorithm} with that key") as refused:
        await make({"key": key, "algorithm": algorithm, "claims": CLAIMS})
    assert key.strip().splitlines()[0 if "-----" not in key else 1] not in str(refused.value)


def test_each_way_to_be_broken_and_each_algorithm_is_tried_here() -> None:
    assert {*REASONS, "missing"} == set(BROKEN)
    assert {*KEYS, "Ed25519"} == set(ALGORITHMS)


def test_the_library_is_imported_when_a_token_is_made_and_named_where_it_is_not_there() -> None:
    script = (
        "import sys, asyncio; from seatrial.api.vocabulary import vocabulary; vocabulary(); from seatrial.credentials.jwt import make\n"
        "assert not {'joserfc', 'cryptography'} & set(sys.modules); sys.modules['joserfc'] = None\n"
        "try: asyncio.run(make({'key': 'x'}))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told.startswith("SeatrialError ")
    assert "pip install 'seatrial[jwt]'" in told


def test_the_descriptor_says_what_it_is() -> None:
    kind = KINDS["jwt"]
    assert kind.doc.endswith(".")
    assert all(f.doc for f in kind.arguments.values())
    assert asyncio.iscoroutinefunction(make)
