"""Carries out code interpreter calls: a container with its files, the sandbox, what came out."""

from __future__ import annotations

import posixpath
import threading
from collections.abc import Sequence

from foundry_emulator.interpreter.containers import MOUNT
from foundry_emulator.jsons import Json
from foundry_emulator.responses.output import Output
from foundry_emulator.responses.turns import drawn_files, mounted_uploads, reusable_container
from foundry_emulator.steps import CodeRan, WrittenFile

# The sandbox wants one run at a time in a directory; several responses may share a container.
_CONTAINER_LOCKS: dict[str, threading.Lock] = {}
_LOCKS_GUARD = threading.Lock()


def _container_lock(container_id: str) -> threading.Lock:
    with _LOCKS_GUARD:
        return _CONTAINER_LOCKS.setdefault(container_id, threading.Lock())


class Coding:
    """The code interpreter of one response."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._container_id: str | None = None

    def run(self, code: str) -> CodeRan:
        """Run code in the turn's container and put its item into the output."""
        output = self._output
        container_id = self._container()
        drawn = [item for item in output.items if item["type"] == "image_generation_call"]
        self._mount(container_id, drawn_files(output.project, drawn))
        item = output.new_item(
            "code_interpreter_call", status="completed", code=code, container_id=container_id, outputs=None
        )
        events = output.open(item)
        output.project.containers.live(container_id)
        with _container_lock(container_id):
            workdir = output.project.state.container_dir(container_id)
            with output.project.cores:
                output.stop_if_called_off()
                outcome = output.project.tools.run_code(code, workdir)
            shown = set(outcome.displayed)
            made = [
                self._made(container_id, path, data, displayed=path in shown) for path, data in outcome.files
            ]
        if outcome.error is not None and outcome.error.startswith("refused"):
            item["status"] = "failed"
        item["outputs"] = [{"type": "logs", "logs": outcome.logs}]
        output.close(events)
        return CodeRan(outcome.logs, made, outcome.error)

    def _container(self) -> str:
        if self._container_id is not None:
            return self._container_id
        output = self._output
        containers = output.project.containers
        container_id = reusable_container(output.project, output.admitted)
        if container_id is None:
            body = containers.create("auto", **self._auto_options())
            container_id = str(body["id"])
            output.project.billing.code_session(
                output.active.id, output.admitted.response["model"], container_id
            )
        self._mount(container_id, mounted_uploads(output.project, output.admitted))
        self._container_id = container_id
        return container_id

    def _mount(self, container_id: str, files: Sequence[tuple[str, str, bytes]]) -> None:
        containers = self._output.project.containers
        for file_id, name, data in files:
            if containers.at_path(container_id, f"{MOUNT}/{name}") is None:
                containers.upload(container_id, name, data, file_id or None)

    def _auto_options(self) -> Json:
        for tool in self._output.admitted.tools:
            if tool["type"] == "code_interpreter" and isinstance(tool["container"], dict):
                return {"memory_limit": tool["container"].get("memory_limit")}
        return {}

    def _made(self, container_id: str, path: str, data: bytes, *, displayed: bool) -> WrittenFile:
        body = self._output.project.containers.record(
            container_id, posixpath.join(MOUNT, path), data, source="assistant"
        )
        return WrittenFile(body["path"], body["id"], container_id, len(data), displayed)
