"""How a client checks certificates, and shows its own."""

from __future__ import annotations

import ssl


def context(verify: bool | str, cert: str = "", key: str = "") -> ssl.SSLContext:
    """`verify`: True, False, or a file with the authority. Raises OSError for files that cannot be read."""
    made = ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    if verify is False:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if cert:
        made.load_cert_chain(cert, key or None)
    return made
