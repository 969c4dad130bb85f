#!/usr/bin/env bash
# azure-core 1.41.0: a POST that is answered with 500, 503 or 504 is sent again, four times in all.
#
# Seen: through the retry policy that every generated client has, one POST to a server that answers 500, 503 or 504
# reaches it four times; one that is answered with 400, 408 or 502 reaches it once.
# The usual guess: RetryPolicy's allowed methods are HEAD, GET, PUT, DELETE, OPTIONS and TRACE, so a POST, which may
# make something or cost something each time, is sent once. It is: except for the statuses named in
# `RetryPolicy._is_method_retryable`.
# What follows: whoever creates agents or pays for something through a client of azure-core passes `retry_total=0`.
# Source: azure/core/pipeline/policies/_retry.py of the package, and the server's own count here.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --disable-pip-version-check "azure-core==1.41.0" requests 2>/dev/null
"$work/venv/bin/python" - <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from azure.core import PipelineClient
from azure.core.pipeline.policies import RetryPolicy
from azure.core.rest import HttpRequest

EXPECTED = {400: 1, 408: 1, 502: 1, 500: 4, 503: 4, 504: 4}
posts: list[int] = []


class Server(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        posts.append(1)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


server = HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
# The policy as every generated client has it, but for its pauses.
address = f"http://127.0.0.1:{server.server_port}"
client = PipelineClient(address, policies=[RetryPolicy(retry_backoff_factor=0.01)])
seen = {}
for status in EXPECTED:
    server.status = status
    posts.clear()
    client.send_request(HttpRequest("POST", f"{address}/agents", json={"name": "a"}))
    seen[status] = len(posts)
    print(f"one POST answered with {status}: the server received {len(posts)}")
server.shutdown()
assert seen == EXPECTED, seen
PYTHON
