"""What `doctor` says of the proxies that the environment names: HTTP clients obey them without a word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from assetmill.agents.gateway import Finding

_NAMES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
_SCHEMES = frozenset({"http", "https", "socks4", "socks5", "socks5h"})


def proxy_findings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding for each proxy that is named; none where none is."""
    named = False
    for name in _NAMES:
        for variable in (name, name.lower()):
            if value := environ.get(variable, "").strip():
                named = True
                yield _proxy(variable, value)
    if named and not _spares_this_machine(environ):
        yield Finding(
            "proxy",
            "warning",
            "what runs on this machine, such as Prefect and the emulator, is asked through the proxy too",
            "export NO_PROXY=127.0.0.1,localhost",
        )


def _proxy(variable: str, value: str) -> Finding:
    advice = f"export {variable}=http://HOST:PORT, or unset it"
    try:
        url = urlsplit(value if "://" in value else f"http://{value}")
        host, port = url.hostname, url.port
    except ValueError:
        return Finding("proxy", "problem", f"{variable} is no address: its port is no number", advice)
    if url.scheme not in _SCHEMES:
        return Finding(
            "proxy", "problem", f"{variable} names a {url.scheme}: address, which is no proxy's", advice
        )
    if not host or any(char.isspace() for char in value):
        return Finding("proxy", "problem", f"{variable} names no host", advice)
    # Not the whole of it: people write passwords there.
    return Finding("proxy", "ok", f"{variable} sends requests through {host}{f':{port}' if port else ''}")


def _spares_this_machine(environ: Mapping[str, str]) -> bool:
    spared = environ.get("NO_PROXY", "") or environ.get("no_proxy", "")
    names = {name.strip() for name in spared.split(",")}
    return bool(names & {"*", "127.0.0.1", "127.0.0.0/8"})
