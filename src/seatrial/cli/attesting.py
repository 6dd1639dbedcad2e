"""Commands for evidence that binds: attest, verify, sign-off."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UsageError
from .app import app, examples
from .options import Json, Root
from .trials import console

Trial = Annotated[
    str | None, typer.Argument(help="A trial: its directory or the beginning of its name (default: the latest).")
]


@app.command(
    epilog=examples(
        "seatrial attest --new-key release.key",
        "seatrial attest latest --key release.key --expires 30d",
        "COSIGN_PASSWORD=... seatrial attest 2026-11-20T10-14 --key cosign.key --output shop.intoto.json",
    )
)
def attest(
    trial: Trial = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="A private key: ed25519 or P-256 in PEM, or a key file of cosign.")
    ] = None,
    expires: Annotated[str, typer.Option("--expires", help="For how long it counts.")] = "90d",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write (attestation.json of the trial).", show_default=False),
    ] = None,
    new_key: Annotated[Path | None, typer.Option("--new-key", help="Make a new ed25519 key, and nothing else.")] = None,
    directory: Root = None,
) -> int:
    """Sign what a trial came to, what it tested and the digests of its records: an in-toto statement in a DSSE envelope."""
    from ..api import attesting

    if new_key is not None:
        return attesting.make_key(new_key, console())
    if key is None:
        raise UsageError.simple("attest needs a key", "--key FILE; seatrial attest --new-key FILE makes one")
    return attesting.attest(trial, key, expires, output, directory, console())


@app.command(
    epilog=examples(
        "seatrial verify .seatrial/latest --key release.key.pub",
        "seatrial verify shop.intoto.json --trial downloaded/trial --spec . --key cosign.pub --json",
    )
    + "\n\nExit status: 0 good, 1 refused, 2 it cannot be told who signed, 3 wrong usage.",
)
def verify(
    attestation: Annotated[Path, typer.Argument(help="An attestation, or the directory of a trial that has one.")],
    trial: Annotated[
        Path | None,
        typer.Option("--trial", help="The trial's directory (default: where the attestation is).", show_default=False),
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", help="The public key of who is to have signed it.")] = None,
    spec: Annotated[Path | None, typer.Option("--spec", help="Hold the spec's files there against it, too.")] = None,
    json: Json = False,
) -> int:
    """Check an attestation, offline: its signature, its expiry, and that the trial's records and reports are what was signed."""
    from ..api.attesting import check

    return check(attestation, trial, key, spec, console(), as_json=json)


@app.command(
    "sign-off",
    epilog=examples(
        'seatrial sign-off latest --by "Ada Lovelace" --role "release manager" --reason "OPS-123 is accepted"'
    ),
)
def sign_off(
    trial: Trial = None,
    by: Annotated[str, typer.Option("--by", help="Who.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why it is taken as it is.")] = "",
    role: Annotated[str, typer.Option("--role", help="As what.")] = "",
    directory: Root = None,
) -> int:
    """Record who takes a trial as it is, and why. It changes no verdict; reports and attestations say so."""
    from ..api.attesting import sign_off as sign

    return sign(trial, by, role, reason, directory, console())
