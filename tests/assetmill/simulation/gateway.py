"""A worker's way to the simulated service: every call may be lost, late or refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, NoReturn

from assetmill.agents.gateway import (
    TERMINAL,
    AgentDefinition,
    AgentVersion,
    AgentVersionEntry,
    ContainerFileEntry,
    DrawRequest,
    Finding,
    OnFrame,
    Response,
    ResponseRequest,
    UploadedFile,
    Way,
)
from assetmill.agents.lifecycles import Lifecycle
from assetmill.agents.listing import Listing
from assetmill.errors import (
    ConversationGone,
    HandleExpired,
    NoCapacity,
    NotSent,
    OutcomeUnknown,
    PromptBlocked,
    Rejected,
    Throttled,
)
from assetmill.fingerprint import digest
from assetmill.stage.patience import ON_THE_LINE_S
from tests.assetmill.simulation.service import PICTURE, SETTLE_S, Accepted, Posted, Service
from tests.assetmill.simulation.world import Violation, Worker
from tests.doubles import Body

_FILE = b"a,b\n1,2\n"
FILE_DIGEST = digest(_FILE)

Fault = Literal[
    "drop", "late", "lost", "slow", "open", "throttled", "not_sent", "rejected", "blocked", "gone"
]
_FAULTS: tuple[Fault, ...] = (
    *("drop", "late", "late", "lost", "lost", "slow", "open", "throttled", "throttled", "throttled"),
    *("not_sent", "rejected", "blocked", "gone"),
)
_STRANGER: Body = {
    "id": "resp_stranger",
    "status": "completed",
    "created_at": 1,
    "conversation": {"id": "conv_stranger"},
    "metadata": {},
}


class SimulatedGateway:
    """What the engine asks of the service, on behalf of one worker."""

    endpoint = "https://simulated.invalid/api/projects/test"

    def __init__(self, service: Service, worker: Worker, resends: int = 0) -> None:
        self._service, self._world, self._worker = service, service.world, worker
        self._resends = resends
        self._lines: list[Accepted] = []

    def hang_up(self) -> None:
        """Cut every line on which this worker still waits: its process is no more."""
        for made in self._lines:
            self._service.hang_up(made)

    def draw(self, request: DrawRequest) -> Response:
        raise Violation("this stage calls no image model itself: `DirectGateway` does")

    def has_route(self, route: str, path: str) -> bool | None:
        return None

    def create_response(self, request: ResponseRequest, on_created: Callable[[str], None]) -> Response:
        self._world.step(self._worker, f"POST in {request.conversation_id}")
        attempt, turn = (int(request.metadata[f"assetmill_{name}"]) for name in ("attempt", "turn"))
        posted = Posted(attempt, turn)
        self._service.posts.append(posted)
        try:
            made = self._post(request)
        except (NotSent, Rejected, HandleExpired, ConversationGone):
            posted.is_refused = True
            raise
        self._lines.append(made)
        if not (made.is_background or request.way == "stream"):
            self._world.sleep(self._worker, max(0.0, made.final_at - self._world.now))
        self._world.step(self._worker, "the reply arrives")
        on_created(made.response_id)
        return self._as_seen(made)

    def post_and_leave(self, request: ResponseRequest) -> None:
        raise Violation("nobody asked for a probe")

    def _post(self, request: ResponseRequest) -> Accepted:
        for _ in range(self._resends):
            try:
                return self._post_once(request)
            except (OutcomeUnknown, Throttled):
                self._world.step(self._worker, "the SDK sends it again")
        return self._post_once(request)

    def _post_once(self, request: ResponseRequest) -> Accepted:
        world, service = self._world, self._service
        if not world.fault(world.chaos.post_faults):
            return service.accept(request)
        fault = world.rng.choice(_FAULTS)
        world.note(f"{self._worker.name}  fault: {fault}")
        if fault == "late":
            world.after(self._late_s(request.way), lambda: self._arrive(request))
        elif fault == "lost":
            self._arrive(request)
        elif fault == "slow":
            world.sleep(self._worker, world.rng.uniform(1.0, 50.0))
            return service.accept(request)
        elif fault not in ("drop", "open"):
            self._refuse(fault)
        world.sleep(self._worker, world.rng.choice((0.0, 1.0, 60.0)))
        raise OutcomeUnknown("the connection was reset")

    def _late_s(self, way: Way) -> float:
        """Return how late a post arrives: on the line often just when whoever looks for it gives up."""
        rng = self._world.rng
        if way != "background" and rng.random() < 0.5:
            return ON_THE_LINE_S + rng.random() * 3 * SETTLE_S
        longest_s = rng.choice((30.0, 600.0)) * (1.0 if way == "background" else 3.0)
        return rng.random() * longest_s

    def _arrive(self, request: ResponseRequest) -> None:
        try:
            self._service.hang_up(self._service.accept(request))
        except (ConversationGone, OutcomeUnknown, NoCapacity, Rejected):
            return

    def _refuse(self, fault: Fault) -> NoReturn:
        if fault == "throttled":
            asked = self._world.rng.choice((None, 1.0, 30.0, 200.0))
            if self._service.answers.foreign_limits:
                raise OutcomeUnknown("not the service's own answer", "", 429)
            asked = None if self._service.answers.silent_limits else asked
            raise Throttled("slow down", "rate_limit_exceeded", 429, asked)
        if fault == "not_sent":
            raise NotSent("connection refused")
        if fault == "blocked":
            raise PromptBlocked("no", "content_filter", 400)
        if fault == "gone":
            raise HandleExpired("no such file", "not_found", 404)
        raise Rejected("no such model", "model_not_found", 400)

    def ensure_agent(self, definition: AgentDefinition) -> AgentVersion:
        self._call("ensure agent")
        return AgentVersion(definition.name, "1")

    def create_conversation(self, metadata: Mapping[str, str]) -> str:
        self._call("create conversation")
        name = f"conv_{self._world.number()}"
        self._service.conversations.add(name)
        return name

    def delete_conversation(self, conversation_id: str) -> None:
        self._call(f"delete {conversation_id}")
        self._service.on_delete(self._worker, conversation_id)
        self._service.deleted.add(conversation_id)
        self._lose()

    def list_responses(self, conversation_id: str) -> tuple[Response, ...]:
        self._call(f"list {conversation_id}")
        answers, listing = self._service.answers, Listing(conversation_id)
        listed = [
            {**self._as_seen(made).body, "id": made.response_id}
            for made in self._service.shown(conversation_id)
        ]
        listed = listed if answers.is_filtered else [_STRANGER, *listed]
        listing.take({"data": listed[::-1] if answers.newest_first else listed, "has_more": False})
        return listing.responses()

    def find_pictures(
        self, response_id: str, conversation_id: str, call_ids: Collection[str]
    ) -> tuple[Body, ...]:
        if not self._service.answers.hides_results:
            raise Violation(f"{response_id} has all its pictures and is searched for some")
        self._call(f"find the pictures of {response_id}")
        return (PICTURE,)

    def get_response(self, response_id: str) -> Response:
        self._call(f"get {response_id}")
        made = self._service.find(response_id)
        if made is None:
            raise HandleExpired("no such response", "not_found", 404)
        return self._as_seen(made)

    def follow_response(self, response_id: str, *, deadline_s: float, on_frame: OnFrame | None) -> Response:
        until = self._world.now + deadline_s
        while True:
            response = self.get_response(response_id)
            if response.status in TERMINAL:
                return response
            if self._world.now > until:
                raise OutcomeUnknown("still running")
            self._world.sleep(self._worker, 10.0)

    def list_container_files(self, container_id: str) -> tuple[ContainerFileEntry, ...]:
        self._call(f"list files of {container_id}")
        self._check_container(container_id)
        return (ContainerFileEntry("cfile_1", container_id, "/mnt/data/sums.csv", len(_FILE), "assistant"),)

    def read_container_file(self, container_id: str, file_id: str) -> bytes:
        self._call(f"read a file of {container_id}")
        self._check_container(container_id)
        return _FILE

    def _check_container(self, container_id: str) -> None:
        made = next(a for a in self._service.bill if a.container_id == container_id)
        if made.container_until < self._world.now:
            raise HandleExpired("no such container", "not_found", 404)

    def _as_seen(self, made: Accepted) -> Response:
        if made.final_at > self._world.now:
            named = ("id", "created_at", "conversation", "background", "metadata")
            told = {name: made.body[name] for name in named}
            return Response(made.response_id, "in_progress", {**told, "status": "in_progress"})
        if not self._service.answers.hides_results:
            return Response(made.response_id, made.status, made.body)
        output = [{**item, "result": None} if "result" in item else item for item in made.body["output"]]
        return Response(made.response_id, made.status, {**made.body, "output": output})

    def _call(self, what: str) -> None:
        self._world.step(self._worker, what)
        self._lose()

    def _lose(self) -> None:
        if self._world.fault(self._world.chaos.call_faults):
            asked = self._world.rng.choice((None, 5.0))
            raise self._world.rng.choice((NotSent("503"), Throttled("busy", "", 429, asked)))

    def upload_file(self, name: str, data: bytes, media_type: str) -> UploadedFile:
        raise Violation("the simulated stage has no files")

    def has_file(self, file_id: str) -> bool:
        return False

    def create_vector_store(self, name: str, file_ids: Sequence[str]) -> str:
        raise Violation("the simulated stage has no knowledge")

    def has_vector_store(self, vector_store_id: str) -> bool:
        return False

    def delete_file(self, file_id: str) -> None:
        """Nothing is uploaded."""

    def delete_response(self, response_id: str) -> None:
        raise NotImplementedError

    def delete_vector_store(self, vector_store_id: str) -> None:
        """Nothing is built."""

    def list_agent_versions(self) -> tuple[AgentVersionEntry, ...]:
        return ()

    def delete_agent_version(self, name: str, version: str) -> None:
        """No version is ever listed."""

    def examine(self, models: Sequence[str]) -> tuple[Finding, ...]:
        return ()

    def lifecycles(self) -> tuple[Lifecycle, ...]:
        return ()

    def close(self) -> None:
        """Nothing to release."""
