"""One bit, anywhere: refused. What holds is said, and who cannot be known, too."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from seatrial.attestation import seals
from seatrial.attestation.envelope import Envelope, decode, pae, seal
from seatrial.attestation.keys import Signer, Verifier, load_signer, load_verifier, new_key
from seatrial.attestation.statement import OWN, PREDICATE, STATEMENT, statement
from seatrial.attestation.verifying import verify
from seatrial.core.errors import UsageError
from seatrial.core.fingerprints import canonical

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
THOROUGH = bool(os.environ.get("SEATRIAL_THOROUGH"))
Recorded = Callable[..., Path]
RECORDS = (
    "journal.jsonl", "keeper.jsonl", "manifest.jsonl", "tested.json", "report.html", "report.json", "junit.xml", "histories/sales.ops",
)  # fmt: skip


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Signer, Verifier]:
    public = new_key(tmp_path / "k")
    return load_signer(tmp_path / "k", bytes), load_verifier(public)


def attested(trial: Path, signer: Signer, expires: datetime = NOW + timedelta(days=90)) -> bytes:
    return seal(statement(trial, NOW, expires, signer.id), signer.id, signer.sign).encode()


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_what_was_attested_holds(recorded: Recorded, keys: tuple[Signer, Verifier], tmp_path: Path) -> None:
    trial = recorded(waived="by Ada until 2027-01-31: later")
    data = attested(trial, keys[0])
    found = verify(data, keys[1], trial, NOW, tmp_path)
    assert found.wrong == found.unknown == []
    assert found.result == "WARNED"
    assert len(found.checked) == 4
    said = json.loads(decode(data).payload)
    assert (said["_type"], said["predicateType"]) == (STATEMENT, PREDICATE)
    assert said["predicate"]["passedTests"] == ["s/home"]
    assert said["predicate"]["warnedTests"] == ["s/slow"]
    assert said["predicate"][OWN]["tested"]["parts"][0]["version"] == "3.11"
    names = {x["name"] for x in said["subject"]}
    assert {*RECORDS, "spec/seatrial.yaml", "what was tested", "web#1: python"} <= names


def test_a_hundred_bits_of_what_was_recorded(recorded: Recorded, keys: tuple[Signer, Verifier]) -> None:
    trial = recorded()
    data, chance, refused = attested(trial, keys[0]), random.Random(6), 0
    assert verify(data, keys[1], trial, NOW).exit_status == 0
    for number in range(100):
        name = RECORDS[number % len(RECORDS)]
        path = trial / name
        whole = path.read_bytes()
        path.write_bytes(flipped(whole, chance.randrange(len(whole) * 8)))
        found = verify(data, keys[1], trial, NOW)
        refused += found.exit_status == 1 and f"{name} is not what was attested" in found.wrong
        path.write_bytes(whole)
    assert refused == 100
    assert verify(data, keys[1], trial, NOW).exit_status == 0


def test_every_bit_of_an_attestation(recorded: Recorded, keys: tuple[Signer, Verifier]) -> None:
    """All of them with SEATRIAL_THOROUGH, else one in 17; not one of them is left uncovered by the form or the signature."""
    trial = recorded()
    data = attested(trial, keys[0])
    bits = range(0, len(data) * 8, 1 if THOROUGH else 17)
    accepted = [bit for bit in bits if verify(flipped(data, bit), keys[1], None, NOW).exit_status != 1]
    assert accepted == []


@pytest.mark.parametrize(
    "change", [lambda d: d + b"\n", lambda d: d[:-1], lambda d: d.replace(b'":"', b'": "'), lambda d: b""]
)
def test_other_forms_of_the_same(
    recorded: Recorded, keys: tuple[Signer, Verifier], change: Callable[[bytes], bytes]
) -> None:
    assert verify(change(attested(recorded(), keys[0])), keys[1], None, NOW).exit_status == 1


def test_expired_and_not_yet_made(recorded: Recorded, keys: tuple[Signer, Verifier]) -> None:
    data = attested(recorded(), keys[0], NOW + timedelta(days=1))
    assert "expired on" in verify(data, keys[1], None, NOW + timedelta(days=2)).wrong[0]
    assert "yet to come" in verify(data, keys[1], None, NOW - timedelta(days=2)).wrong[0]


def test_the_key_of_somebody_else(recorded: Recorded, keys: tuple[Signer, Verifier], tmp_path: Path) -> None:
    data = attested(recorded(), keys[0])
    other = load_verifier(new_key(tmp_path / "other"))
    assert "names the key" in verify(data, other, None, NOW).wrong[0]
    envelope = decode(data)
    forged = Envelope(payload=envelope.payload, key=other.id, signature=envelope.signature).encode()
    assert "not that of this key" in verify(forged, other, None, NOW).wrong[0]
    assert verify(data, None, None, NOW).exit_status == 2


def test_a_statement_of_another_kind(keys: tuple[Signer, Verifier]) -> None:
    for said in (
        {"_type": STATEMENT, "predicateType": "https://slsa.dev/provenance/v1", "predicate": {}},
        [],
        {"_type": 1},
    ):
        assert verify(seal(said, keys[0].id, keys[0].sign).encode(), keys[1], None, NOW).exit_status == 1


def test_files_outside_of_the_trial_are_not_looked_at(recorded: Recorded, keys: tuple[Signer, Verifier]) -> None:
    trial = recorded()
    said = statement(trial, NOW, NOW + timedelta(days=1), keys[0].id)
    said["subject"].append({"name": "../../../seatrial.yaml", "digest": {"sha256": "0" * 64}})
    found = verify(seal(said, keys[0].id, keys[0].sign).encode(), keys[1], trial, NOW)
    assert "../../../seatrial.yaml is outside of the trial" in found.wrong


def test_the_spec_that_was_tested(recorded: Recorded, keys: tuple[Signer, Verifier], tmp_path: Path) -> None:
    data = attested(recorded(), keys[0])
    (tmp_path / "seatrial.yaml").write_text("seatrial: 1\n# later\n")
    assert "is not what was tested" in verify(data, keys[1], None, NOW, tmp_path).wrong[0]


def test_a_journal_that_was_changed_and_sealed_anew(recorded: Recorded, keys: tuple[Signer, Verifier]) -> None:
    """Whoever changes records and seals alike is found out by the attestation, and by nothing else."""
    trial = recorded()
    data = attested(trial, keys[0])
    journal = (trial / "journal.jsonl").read_bytes().replace(b"NO-GO", b"   GO")
    (trial / "journal.jsonl").write_bytes(journal)
    assert "journal.jsonl is not what was sealed" in list(seals.problems(trial))
    with pytest.raises(UsageError, match="not as it was recorded"):
        attested(trial, keys[0])
    line = json.loads((trial / "manifest.jsonl").read_bytes().splitlines()[0])
    line["journal.jsonl"] |= {"sha256": seals.sha256_of(trial / "journal.jsonl")}
    (trial / "manifest.jsonl").write_bytes(canonical(line) + b"\n")
    assert list(seals.problems(trial)) == []
    assert verify(data, keys[1], trial, NOW).wrong[:2] == [
        "journal.jsonl is not what was attested",
        "manifest.jsonl is not what was attested",
    ]


def test_the_encoding_that_is_signed() -> None:
    """The example of the DSSE specification."""
    assert (
        pae(b"hello world", "http://example.com/HelloWorld")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
