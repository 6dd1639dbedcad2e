"""Keys of the kinds there are, cosign's made by its own library (go-securesystemslib 0.11.1); mistakes that say what would be right."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from seatrial.attestation.keys import Signer, Verifier, load_signer, load_verifier, new_key
from seatrial.attestation.salsa20 import open_secretbox, xsalsa20
from seatrial.core.errors import UsageError

KEYS = Path(__file__).parent / "keys"


def sure(signer: Signer, verifier: Verifier) -> bool:
    """Whether both are halves of one key."""
    signature = signer.sign(b"tide")
    return signer.id == verifier.id and verifier.verify(b"tide", signature) and not verifier.verify(b"ebb", signature)


def nobody() -> bytes:
    pytest.fail("no password is wanted")


@pytest.mark.parametrize(("name", "algorithm"), [("p256", "ecdsa-p256-sha256"), ("ed25519", "ed25519")])
def test_keys_of_cosign(name: str, algorithm: str) -> None:
    signer = load_signer(KEYS / f"{name}.key", lambda: b"tide")
    assert signer.algorithm == algorithm
    assert sure(signer, load_verifier(KEYS / f"{name}.pub"))
    with pytest.raises(UsageError, match="does not open with this password"):
        load_signer(KEYS / f"{name}.key", lambda: b"ebb")


def test_a_new_key_is_private(tmp_path: Path) -> None:
    public = new_key(tmp_path / "k")
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
    assert sure(load_signer(tmp_path / "k", nobody), load_verifier(public))
    assert load_verifier(tmp_path / "k").id == load_verifier(public).id
    with pytest.raises(UsageError, match="never written over"):
        new_key(tmp_path / "k")


def test_a_key_with_a_password(tmp_path: Path) -> None:
    public = new_key(tmp_path / "k", b"tide")
    assert sure(load_signer(tmp_path / "k", lambda: b"tide"), load_verifier(public))
    with pytest.raises(UsageError, match="is the password right"):
        load_signer(tmp_path / "k", lambda: b"ebb")


def test_p256_in_pem(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "k").write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    assert sure(load_signer(tmp_path / "k", nobody), load_verifier(tmp_path / "k"))


def test_keys_that_are_not_used_here(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    (tmp_path / "rsa").write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    (tmp_path / "text").write_text("hello")
    torn = (KEYS / "p256.key").read_text().splitlines()
    (tmp_path / "torn").write_text("\n".join([torn[0], *torn[3:]]))
    wanted = {
        "rsa": "ed25519, or ECDSA on P-256",
        "text": "is no key in PEM",
        "torn": "damaged",
        "none": "no such file",
    }
    for name, words in wanted.items():
        with pytest.raises(UsageError, match=words):
            load_signer(tmp_path / name, lambda: b"tide")
    with pytest.raises(UsageError, match="is no private key"):
        load_signer(KEYS / "p256.pub", nobody)
    with pytest.raises(UsageError, match="is no public key"):
        load_verifier(KEYS / "p256.key")


def test_the_stream_is_that_of_nacl() -> None:
    """Bernstein, Cryptography in NaCl, sections 8 and 10: the first key, nonce, and box of its example."""
    key = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
    nonce = bytes.fromhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
    assert xsalsa20(key, nonce, 32).hex() == "eea6a7251c1e72916d11c2cb214d3c252539121d8e234e652d651fa4c8cff880"
    box = bytes.fromhex(
        "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2"
        "c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622"
        "a43d14a6599b1f654cb45a74e355a5"
    )
    opened = open_secretbox(key, nonce, box)
    assert opened is not None
    assert opened.hex().startswith("be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffc")
    assert open_secretbox(key, nonce, box[:-1] + bytes([box[-1] ^ 1])) is None
    assert open_secretbox(key, nonce[1:], box) is None
