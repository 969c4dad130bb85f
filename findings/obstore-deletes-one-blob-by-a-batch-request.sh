#!/usr/bin/env bash
# obstore 0.12.1: deleting one object is a bulk request to its container or bucket.
#
# Seen: `obstore.delete(store, "a/b.json")`, one path as text, sends `POST /container?restype=container&comp=batch` to Azure Blob
# with the DELETE inside its multipart body, and `POST /bucket?delete` with a list of one key to S3. No request goes to the
# object's own address.
# The usual guess: a single path is a DELETE of its address, and the bulk requests are for lists. So a proxy's rule, a server
# that speaks part of a protocol, or logs and metrics that count DELETE requests, see something else: deletions fail or
# are not found there, while every put, get and listing passes.
# What follows: whatever stands between, and whatever counts, has to know both bulk requests before the first deletion.
# Source: object_store's `delete_stream` for Azure and S3 (apache/arrow-rs#2615, #5680), which obstore's `delete` goes through.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -qq --disable-pip-version-check "obstore==0.12.1" 2>/dev/null
cat >"$work/deletes.py" <<'PY'
import http.server
import threading

import obstore
from obstore.store import AzureStore, S3Store

BATCH = "--b\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n\r\n--b--\r\n"
RESULT = "<DeleteResult><Deleted><Key>a/b.json</Key></Deleted></DeleteResult>"


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        print(self.command, self.path)
        is_batch = "comp=batch" in self.path
        body = (BATCH if is_batch else RESULT).encode()
        self.send_response(202 if is_batch else 200)
        self.send_header("Content-Type", "multipart/mixed; boundary=b" if is_batch else "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_DELETE = do_POST = answer

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
url, plain = f"http://127.0.0.1:{server.server_port}", {"allow_http": True}
azure = AzureStore("container", account_name="one", account_key="a2V5", endpoint=url, client_options=plain)
s3 = S3Store("bucket", endpoint=url, access_key_id="one", secret_access_key="two", region="us-east-1", client_options=plain)
for store in (azure, s3):
    obstore.delete(store, "a/b.json")
PY
seen=$("$work/venv/bin/python" "$work/deletes.py")
echo "$seen"
[ "$seen" = "POST /container?restype=container&comp=batch
POST /bucket?delete" ]
