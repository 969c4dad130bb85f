#!/usr/bin/env bash
# openai 3.57.0: a 200 that is no response is no error: it comes back as a `str`, as `None`, or as a Response without an ID.
#
# Seen: `responses.create` of a client with default settings. A gateway's sign-in page (200, text/html) is returned as a
# `str`; another service's JSON as a `Response` whose id, status and output are None; `null` as None. JSON that ends too
# early raises `json.JSONDecodeError`, which is no `openai.OpenAIError`.
# The usual guess: a method that is annotated to return a Response returns one, or raises one of the SDK's own errors, so
# that `except openai.OpenAIError` around a post knows of every way in which it can go wrong.
# What follows: after a post that may have been paid, look whether the answer is a Response that has an ID before its ID
# is stored; take every other exception for an open outcome too.
# Source: openai/_response.py of the package, `_parse` (strict validation is a private argument of the client, and off);
# what was returned here.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --disable-pip-version-check "openai==3.57.0" 2>/dev/null
"$work/venv/bin/python" - <<'PYTHON'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai

ANSWERS = {
    "page": ("text/html", b"<html><body>Sign in to go on</body></html>"),
    "other": ("application/json", b'{"status_page": "all systems normal"}'),
    "null": ("application/json", b"null"),
    "early": ("application/json", b'{"id": "resp_1", "object": "resp'),
}
EXPECTED = {"page": "str", "other": "Response with id None", "null": "NoneType", "early": "JSONDecodeError, foreign"}


class Gateway(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        media_type, body = ANSWERS[self.path.split("/")[1]]
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
threading.Thread(target=server.serve_forever, daemon=True).start()
seen = {}
for name in ANSWERS:
    client = openai.OpenAI(api_key="x", base_url=f"http://127.0.0.1:{server.server_port}/{name}", max_retries=0)
    try:
        answer = client.responses.create(model="m", input="Draw a lamp.")
    except Exception as error:
        kind = "own" if isinstance(error, openai.OpenAIError) else "foreign"
        seen[name] = f"{type(error).__name__}, {kind}"
    else:
        seen[name] = type(answer).__name__ + (f" with id {answer.id}" if hasattr(answer, "id") else "")
    print(f"{name}: {seen[name]}")
server.shutdown()
raise SystemExit(seen != EXPECTED and f"expected {EXPECTED}")
PYTHON
