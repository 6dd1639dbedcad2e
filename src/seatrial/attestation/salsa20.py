"""NaCl's secretbox, for opening alone: XSalsa20 (Bernstein, Extending the Salsa20 nonce, 2011) and Poly1305. A few blocks, never more."""

from __future__ import annotations

import struct

_SIGMA = struct.unpack("<4I", b"expand 32-byte k")
_MASK = 0xFFFFFFFF
_BLOCK = 64
# A double round: columns, then rows; each line is a quarter round over these words.
_QUARTERS = (
    (0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11),
    (0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14),
)  # fmt: skip


def open_secretbox(key: bytes, nonce: bytes, box: bytes) -> bytes | None:
    """The content of a box: 32 bytes of key, 24 of nonce, 16 of tag before what is enciphered. None where it was sealed otherwise."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.poly1305 import Poly1305

    if len(key) != 32 or len(nonce) != 24 or len(box) < 16:
        return None
    tag, text = box[:16], box[16:]
    stream = xsalsa20(key, nonce, 32 + len(text))
    try:
        Poly1305.verify_tag(stream[:32], text, tag)
    except InvalidSignature:
        return None
    return bytes(a ^ b for a, b in zip(text, stream[32:], strict=True))


def xsalsa20(key: bytes, nonce: bytes, length: int) -> bytes:
    """So many bytes of the key stream."""
    first = _rounds(_words(key, nonce[:16]))
    inner = struct.pack("<8I", *(first[i] for i in (0, 5, 10, 15, 6, 7, 8, 9)))
    blocks = (
        _block(inner, nonce[16:] + counter.to_bytes(8, "little")) for counter in range((length + _BLOCK - 1) // _BLOCK)
    )
    return b"".join(blocks)[:length]


def _block(key: bytes, nonce: bytes) -> bytes:
    begin = _words(key, nonce)
    return struct.pack("<16I", *((a + b) & _MASK for a, b in zip(begin, _rounds(begin), strict=True)))


def _words(key: bytes, nonce: bytes) -> list[int]:
    k, n = struct.unpack("<8I", key), struct.unpack("<4I", nonce)
    return [_SIGMA[0], *k[:4], _SIGMA[1], *n, _SIGMA[2], *k[4:], _SIGMA[3]]


def _rounds(words: list[int]) -> list[int]:
    x = list(words)
    for _ in range(10):
        for a, b, c, d in _QUARTERS:
            x[b] ^= _left(x[a] + x[d], 7)
            x[c] ^= _left(x[b] + x[a], 9)
            x[d] ^= _left(x[c] + x[b], 13)
            x[a] ^= _left(x[d] + x[c], 18)
    return x


def _left(value: int, by: int) -> int:
    value &= _MASK
    return ((value << by) | (value >> (32 - by))) & _MASK
