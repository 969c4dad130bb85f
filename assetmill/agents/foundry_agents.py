"""The versions of our agents in a Foundry project: found again by what they are made of, else made."""

from __future__ import annotations

import itertools
import threading
from typing import Any

from azure.ai.projects import AIProjectClient
from azure.core.exceptions import ResourceNotFoundError

from assetmill.agents.foundry_errors import translated
from assetmill.agents.foundry_wire import definition_body, named
from assetmill.agents.gateway import AgentDefinition, AgentVersion, AgentVersionEntry
from assetmill.fingerprint import canonical, digest

OUR_AGENTS = "assetmill-"
"""How the names of our agents begin: only those are ever deleted."""

_DIGEST = "assetmill_digest"


class AgentVersions:
    """One project's agent versions, each looked up once. Safe for threads."""

    def __init__(self, project: AIProjectClient) -> None:
        self._project = project
        self._known: dict[str, AgentVersion] = {}
        # One lock for all: making versions is rare, and two threads must not make the same one.
        self._lock = threading.Lock()

    def ensure(self, definition: AgentDefinition) -> AgentVersion:
        """Return the version with this definition; see `Gateway`."""
        body = definition_body(definition)
        mark = digest(canonical([definition.name, body]))
        with self._lock:
            if mark not in self._known:
                self._known[mark] = self._find_or_create(definition.name, body, mark)
            return self._known[mark]

    def _find_or_create(self, name: str, body: dict[str, Any], mark: str) -> AgentVersion:
        with translated():
            try:
                newest = itertools.islice(self._project.agents.list_versions(name, limit=20), 20)
                for version in newest:
                    if (version.metadata or {}).get(_DIGEST) == mark:
                        return AgentVersion(name, str(version.version))
            except ResourceNotFoundError:
                pass  # the first version makes the agent
            # The SDK repeats a POST that got 500 or 503: each time it may have made a version.
            made = self._project.agents.create_version(
                name,
                {"definition": body, "metadata": {_DIGEST: mark}, "description": "made by assetmill"},
                retry_total=0,
            )
            return AgentVersion(name, named(made.version))

    def forget(self, agent: AgentVersion) -> None:
        """Look a version up again before it is next used: something that a post named is gone."""
        with self._lock:
            self._known = {mark: known for mark, known in self._known.items() if known != agent}

    def entries(self) -> tuple[AgentVersionEntry, ...]:
        """List our agents' versions; see `Gateway`."""
        found: list[AgentVersionEntry] = []
        with translated():
            names = [agent.name for agent in self._project.agents.list() if agent.name.startswith(OUR_AGENTS)]
            for name in names:
                newest_first = self._project.agents.list_versions(name)
                for number, version in enumerate(newest_first):
                    made_at = version.created_at.timestamp()
                    found.append(AgentVersionEntry(name, str(version.version), made_at, number == 0))
        return tuple(found)

    def delete(self, name: str, version: str) -> None:
        """Delete a version of an agent; see `Gateway`."""
        with translated():
            try:
                self._project.agents.delete_version(name, version)
            except ResourceNotFoundError:
                return
