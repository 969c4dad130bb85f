"""The emulator's own certificate authority: made once per state, so that trust outlives a restart."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import trustme

_CA, _SERVER = "ca.pem", "server.pem"


def ca_file(state_dir: Path) -> Path:
    """Return where the authority's certificate is, for `SSL_CERT_FILE` and `REQUESTS_CA_BUNDLE`."""
    return state_dir / "tls" / _CA


def server_context(state_dir: Path) -> ssl.SSLContext:
    """Return the TLS context of the server, making authority and certificate at the first start."""
    folder = state_dir / "tls"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    server = folder / _SERVER
    if not (server.is_file() and ca_file(state_dir).is_file()):
        authority = trustme.CA(organization_name="assetmill emulator")
        leaf = authority.issue_cert("127.0.0.1", "localhost", "::1")
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        _write_private(server, leaf.private_key_pem.bytes() + chain)
        _write_private(ca_file(state_dir), authority.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server)
    return context


def _write_private(path: Path, data: bytes) -> None:
    scratch = path.with_suffix(".part")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as sink:
        sink.write(data)
    scratch.replace(path)
