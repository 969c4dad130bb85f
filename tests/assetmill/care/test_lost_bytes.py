"""Lost bytes that no commit names: of containers, of raw responses, of failed attempts, of imports."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest

from assetmill.agents.gateway import Response
from assetmill.care.repairing import Repairer
from assetmill.care.repairs import Repaired
from assetmill.care.salvage import Salvage
from assetmill.care.verifying import Verifier
from assetmill.fingerprint import Digest, Fingerprint, digest
from assetmill.records import Harvest, Intent, KeptFile, Receipt, Replies, RunId, ServiceHandle, Verdict
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway, png
from tests.millworks import services_on, settings_in

FP = Fingerprint("b" * 52)
PLACE = ("chain", FP, 1, 1)
PICTURE = png(64, 64, "teal")
TABLE = b"a,b\n1,2\n"
Made = Callable[[Services, "Shelf"], Digest]


class Shelf(ScriptedGateway):
    """A service that still has the responses laid on it."""

    def __init__(self) -> None:
        super().__init__()
        self.responses: dict[str, Response] = {}

    def get_response(self, response_id: str) -> Response:
        """Return a response that lies here."""
        return self.responses.get(response_id) or super().get_response(response_id)


@pytest.fixture
def gateway() -> Shelf:
    return Shelf()


@pytest.fixture
def services(tmp_path_factory: pytest.TempPathFactory, backend: MemoryStore, gateway: Shelf) -> Services:
    return services_on(settings_in(tmp_path_factory.mktemp("mill")), backend, gateway)


@pytest.fixture
def attempt(services: Services) -> None:
    """An attempt that is open: its response is on the service, and its turn's records are in the store."""
    endpoint = services.gateway.endpoint
    intent = Intent(
        nonce="n", owner="o", run_id=RunId("run_gone"), stage="first", attempt=1, endpoint=endpoint,
        conversation_id="conv", request_digest=digest(b"r"), reserved_usd=0.4, created_at=1.0,
        lease_until=1.0,
    )  # fmt: skip
    services.ledger.write_intent("chain", FP, intent)
    services.ledger.write_receipt(*PLACE, Receipt(response_id="resp_1", how="reply", created_at=1.0))


def repair(services: Services, *, may_make_again: bool = False) -> list[Repaired]:
    run_id = RunId("run_repair")
    return list(Repairer(services, Salvage(services), run_id, may_make_again=may_make_again).repair())


def faults(backend: MemoryStore) -> list[str]:
    return [problem.kind for problem in Verifier(backend).problems() if problem.is_fault]


def drawn(services: Services, gateway: Shelf) -> Digest:
    """Store a raw response whose picture is a blob, as the service drew it."""
    blob = services.blobs.put(PICTURE, "image/png")
    call = {"type": "image_generation_call", "id": "ig_1", "result": {"blob": blob.digest}}
    services.ledger.write_raw(*PLACE, json.dumps({"id": "resp_1", "output": [call]}).encode())
    answer = {**call, "result": base64.b64encode(PICTURE).decode()}
    body = {"id": "resp_1", "status": "completed", "output": [answer]}
    gateway.responses["resp_1"] = Response("resp_1", "completed", body)
    return blob.digest


def harvested(services: Services, gateway: Shelf) -> Digest:
    """Store which file of a container was kept; the service still has it."""
    blob = services.blobs.put(TABLE, "text/csv")
    handle = ServiceHandle(
        kind="container_file", id="cf_1", endpoint=gateway.endpoint, container_id="cntr_1", created_at=1.0
    )
    harvest = Harvest(files=(KeptFile(name="t.csv", blob=blob, handle=handle),), created_at=1.0)
    services.ledger.write_harvest(*PLACE, harvest)
    gateway.containers["cntr_1"]["cf_1"] = ("t.csv", TABLE)
    return blob.digest


def replied(services: Services, _: Shelf) -> Digest:
    """Store a screenshot that answered a call."""
    blob = services.blobs.put(PICTURE, "image/png")
    services.ledger.write_replies(*PLACE, Replies(items=(), screenshots=(blob,), created_at=1.0))
    return blob.digest


@pytest.mark.usefixtures("attempt")
@pytest.mark.parametrize("made", [drawn, harvested])
def test_what_the_service_still_has_comes_back(
    services: Services, gateway: Shelf, backend: MemoryStore, made: Made
) -> None:
    name = made(services, gateway)
    data = backend.get(layout.blob(name))
    backend.delete(layout.blob(name))
    assert faults(backend) == ["missing"]
    assert [one.state for one in repair(services)] == ["mended"]
    assert backend.get(layout.blob(name)) == data
    assert faults(backend) == []


@pytest.mark.usefixtures("attempt")
@pytest.mark.parametrize("made", [drawn, harvested, replied])
def test_what_nobody_has_any_more_is_noted_once_a_person_says_so(
    services: Services, gateway: Shelf, backend: MemoryStore, made: Made
) -> None:
    name = made(services, gateway)
    backend.delete(layout.blob(name))
    gateway.responses.clear()
    gateway.containers.clear()
    (told,) = repair(services)
    assert told.state == "lost"
    assert "assetmill import" in told.message
    assert "--make-again" in told.message
    assert [one.state for one in repair(services, may_make_again=True)] == ["made_again"]
    assert faults(backend) == []
    assert repair(services) == []


@pytest.mark.usefixtures("attempt")
def test_lost_bytes_of_a_failed_attempt_have_a_way_out(
    services: Services, gateway: Shelf, backend: MemoryStore
) -> None:
    name = drawn(services, gateway)
    kept = tuple(one.asset for one in services.ledger.kept.all())
    verdict = Verdict(
        kind="failed", error="E", reason="r", run_id=RunId("run_gone"), kept=kept, created_at=1.0
    )
    services.ledger.write_verdict("chain", FP, 1, verdict)
    backend.delete(layout.blob(name))
    gateway.responses.clear()
    assert [one.state for one in repair(services)] == ["lost"]
    assert [one.state for one in repair(services, may_make_again=True)] == ["made_again"]
    assert faults(backend) == []
