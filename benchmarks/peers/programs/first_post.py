"""What somebody would write by hand that posts once: Prefect and the SDKs imported, one response asked for.

The base of what `assetmill run` takes until its first post. `FOUNDRY_READY` names the emulator's ready file.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
import urllib.request
from pathlib import Path

# The same that a run has imported by then, at least.
import openai
import prefect.artifacts
import prefect.events
import prefect.task_runners
import pydantic
import yaml
from azure.ai.projects import AIProjectClient
from azure.core.credentials import AccessToken
from by_hand import DEFINITION, asked
from prefect import flow, task

USED = (flow, task, prefect.artifacts, prefect.events, prefect.task_runners, pydantic, yaml)
READY = json.loads(Path(os.environ["FOUNDRY_READY"]).read_bytes())


class Credential:
    """A managed identity's token."""

    def get_token(self, *scopes: str, **options: object) -> AccessToken:
        url = f"{READY['identity_endpoint']}?api-version=2019-08-01&resource=https://ai.azure.com"
        headers = {"X-IDENTITY-HEADER": READY["identity_header"], "Metadata": "true"}
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as reply:
            answer = json.load(reply)
        return AccessToken(answer["access_token"], int(answer["expires_on"]))


project = AIProjectClient(READY["endpoint"], Credential(), connection_verify=READY["ca"])
http = openai.DefaultHttpxClient(verify=ssl.create_default_context(cafile=READY["ca"]))
client = project.get_openai_client(max_retries=0, http_client=http)
project.agents.create_version("bench-first", definition=DEFINITION)
print(asked(client, "bench-first", f"Draw {sys.argv[1]} of a teal mug.").id)
# Who measures looks at the process once the service has the post.
time.sleep(2)
