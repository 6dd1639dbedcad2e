"""Keys: ed25519 and ECDSA P-256, in PEM (PKCS#8; encrypted or not), or in the key files of Sigstore's cosign.

A cosign key file is PKCS#8 inside NaCl's secretbox under a key from scrypt. `cryptography` has scrypt and Poly1305, but not XSalsa20: that
is `salsa20`, which is enough for the few hundred bytes of a key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from .salsa20 import open_secretbox

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    Private = Ed25519PrivateKey | EllipticCurvePrivateKey
    Public = Ed25519PublicKey | EllipticCurvePublicKey

COSIGN = ("ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY")
PASSWORDS = ("SEATRIAL_KEY_PASSWORD", "COSIGN_PASSWORD")
_MOST_SCRYPT = 1 << 29  # bytes: N * r * 128


@dataclass(frozen=True, kw_only=True, slots=True)
class Signer:
    """Who signs. `id`: sha256 of the public key in DER."""

    id: str
    algorithm: str
    sign: Callable[[bytes], bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verifier:
    """Who checks."""

    id: str
    algorithm: str
    verify: Callable[[bytes, bytes], bool]  # message, signature


def need_cryptography() -> None:
    """Raises UsageError, saying what would bring it."""
    try:
        import cryptography  # noqa: F401
    except ImportError:
        raise UsageError.simple(
            "attestations need the library cryptography", "pip install 'seatrial[attest]'"
        ) from None


def new_key(path: Path, password: bytes | None = None) -> Path:
    """A new ed25519 key, private to the user, and its public half beside it (.pub). Raises UsageError where the file is there."""
    need_cryptography()
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    hidden: s.KeySerializationEncryption = s.BestAvailableEncryption(password) if password else s.NoEncryption()
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError.simple(
            f"{path}: {(error.strerror or str(error)).lower()}", "a key is never written over"
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, hidden))
    public = path.with_name(f"{path.name}.pub")
    public.write_bytes(key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
    return public


def load_signer(path: Path, password: Callable[[], bytes]) -> Signer:
    """A private key; `password` is asked for where it is encrypted. Raises UsageError."""
    need_cryptography()
    data = _read(path)
    kind, body = _pem(data, path)
    try:
        if kind in COSIGN:
            key = _private(_open_cosign(body, password(), path), path)
        elif "PRIVATE KEY" not in kind:
            raise UsageError.simple(
                f"{path} is no private key but: {kind.lower()}", "attest signs with the private half"
            )
        else:
            key = _pkcs8(data, password() if kind.startswith("ENCRYPTED") else None, path)
    except UsageError:
        raise
    except (ValueError, TypeError) as error:
        raise UsageError.simple(f"{path} cannot be read as a key: {error}", "is the password right?") from None
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    id_ = key_id(key.public_key())
    if isinstance(key, Ed25519PrivateKey):
        return Signer(id=id_, algorithm="ed25519", sign=key.sign)
    return Signer(id=id_, algorithm="ecdsa-p256-sha256", sign=_ecdsa_sign(key))


def load_verifier(path: Path) -> Verifier:
    """A public key in PEM, or the public half of an unencrypted private one. Raises UsageError."""
    need_cryptography()
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    data = _read(path)
    kind, _ = _pem(data, path)
    try:
        if kind == "PUBLIC KEY":
            public = _usable(s.load_pem_public_key(data), path)
        elif kind == "PRIVATE KEY":
            public = _pkcs8(data, None, path).public_key()
        else:
            raise UsageError.simple(f"{path} is no public key but: {kind.lower()}", "--key FILE.pub")
    except (ValueError, TypeError) as error:
        raise UsageError.simple(f"{path} cannot be read as a key: {error}") from None
    id_ = key_id(public)
    if isinstance(public, Ed25519PublicKey):
        return Verifier(id=id_, algorithm="ed25519", verify=_ed25519_verify(public))
    return Verifier(id=id_, algorithm="ecdsa-p256-sha256", verify=_ecdsa_verify(public))


def key_id(public: Public) -> str:
    """sha256 of SubjectPublicKeyInfo in DER."""
    from cryptography.hazmat.primitives import serialization as s

    der = public.public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _ed25519_verify(key: Ed25519PublicKey) -> Callable[[bytes, bytes], bool]:
    from cryptography.exceptions import InvalidSignature

    def verify(message: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return verify


def _ecdsa_sign(key: EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    return lambda message: key.sign(message, ec.ECDSA(SHA256()))


def _ecdsa_verify(key: EllipticCurvePublicKey) -> Callable[[bytes, bytes], bool]:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    def verify(message: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, message, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    return verify


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        hint = "seatrial attest --new-key FILE makes one"
        raise UsageError.simple(f"{path}: {(error.strerror or str(error)).lower()}", hint) from None


def _pem(data: bytes, path: Path) -> tuple[str, bytes]:
    """The kind of the first block, and what is in it."""
    lines = [line.strip() for line in data.decode("ascii", "replace").splitlines() if line.strip()]
    begin = next((n for n, line in enumerate(lines) if line.startswith("-----BEGIN ")), None)
    if begin is None:
        raise UsageError.simple(f"{path} is no key in PEM", "-----BEGIN PRIVATE KEY----- or a key file of cosign")
    kind = lines[begin].removeprefix("-----BEGIN ").rstrip("-")
    inside = [line for line in lines[begin + 1 :] if not line.startswith("-----END ")]
    try:
        return kind, base64.b64decode("".join(line for line in inside if ":" not in line))
    except (ValueError, binascii.Error):
        raise UsageError.simple(f"{path} is damaged: what it holds is no base64") from None


def _pkcs8(data: bytes, password: bytes | None, path: Path) -> Private:
    from cryptography.hazmat.primitives import serialization as s

    key: Private = _usable(s.load_pem_private_key(data, password), path)
    return key


def _private(der: bytes, path: Path) -> Private:
    from cryptography.hazmat.primitives import serialization as s

    key: Private = _usable(s.load_der_private_key(der, None), path)
    return key


def _usable(key: Any, path: Path) -> Any:
    """ed25519, or ECDSA on P-256."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if isinstance(key, ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1":
        return key
    kind = type(key).__name__
    raise UsageError.simple(f"{path}: a key of kind {kind} is not used here", "ed25519, or ECDSA on P-256")


def _open_cosign(body: bytes, password: bytes, path: Path) -> bytes:
    """PKCS#8 in DER, from cosign's encrypted file (go-securesystemslib/encrypted). Raises UsageError."""
    try:
        found = json.loads(body)
        kdf, cipher = found["kdf"], found["cipher"]
        names = kdf["name"], cipher["name"]
        n, r, p = (int(kdf["params"][name]) for name in "Nrp")
        salt, nonce, text = (base64.b64decode(v) for v in (kdf["salt"], cipher["nonce"], found["ciphertext"]))
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise UsageError.simple(f"{path} is damaged: it is no key file of cosign") from None
    if names != ("scrypt", "nacl/secretbox"):
        raise UsageError.simple(f"{path} is encrypted with {' and '.join(map(str, names))}, which is not known here")
    if not n > 1 or n & (n - 1) or n * r * 128 > _MOST_SCRYPT:
        raise UsageError.simple(f"{path}: scrypt with N={n} r={r} p={p} is not done here")
    key = hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, dklen=32, maxmem=2 * n * r * 128)
    opened = open_secretbox(key, nonce, text)
    if opened is None:
        raise UsageError.simple(f"{path} does not open with this password", f"it is read from {' or '.join(PASSWORDS)}")
    return opened
