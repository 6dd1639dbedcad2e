"""Kinds of credentials: what an identity is made of beside headers and logins. A kind a file; its library is imported when it is used."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.vocabulary import CredentialKind
from . import jwt

KINDS: Mapping[str, CredentialKind] = {kind.name: kind for kind in (jwt.KIND,)}
