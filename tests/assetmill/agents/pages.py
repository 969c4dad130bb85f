"""A small web site on loopback that counts who asked for what, under the host name they used."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from assetmill.agents.computer import find_browser
from assetmill.errors import InvalidSettings


def missing_browser() -> str:
    """Say what a browser test lacks on this machine, "" when nothing."""
    try:
        find_browser(None)
    except InvalidSettings as error:
        return str(error)
    return ""


PAGE = """<!doctype html><title>{path}</title><body style="margin:0;background:#14213D">
<input id="words" style="position:absolute;left:20px;top:20px;width:300px;height:40px">
<a href="{other}/away" style="position:absolute;left:20px;top:100px;width:300px;height:40px">away</a>
<a href="/next" style="position:absolute;left:20px;top:180px;width:300px;height:40px">next</a>
<a href="/redirect" style="position:absolute;left:20px;top:260px;width:300px;height:40px">redirect</a>
<img src="{other}/picture.png"><script src="{other}/script.js"></script><iframe src="{other}/frame"></iframe>
<script>
fetch("{other}/fetch").catch(() => 0);
try {{ new WebSocket("{other}/socket".replace("http", "ws")) }} catch (e) {{}}
navigator.sendBeacon("{other}/beacon", "x");
words.addEventListener("keydown", e => {{ if (e.key == "Enter") location = "/typed?" + words.value }});
</script>"""


class Site:
    """Where it is, by two names of the same machine, and what it was asked for: `127.0.0.1/path`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.seen: list[str] = []

    def url(self, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}"

    def seen_by(self, host: str) -> set[str]:
        return {path.removeprefix(host) for path in self.seen if path.startswith(f"{host}/")}


@contextmanager
def site() -> Generator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.headers["Host"].partition(":")[0]
            made.seen.append(f"{host}{self.path}")
            other = made.url("localhost" if host == "127.0.0.1" else "127.0.0.1")
            if self.path == "/redirect":
                self.send_response(302)
                self.send_header("Location", f"{other}/redirected")
                self.end_headers()
                return
            body = PAGE.format(path=self.path, other=other).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that the base class looks for

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Site(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
