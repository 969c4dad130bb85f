"""How an input is told to the service: by an ID that it knows, else by its bytes."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from assetmill.agents.gateway import ResponseRequest
from assetmill.agents.handles import IMAGE_CALL_LIFE_S, Handles
from assetmill.agents.picture_forms import form_of
from assetmill.endpoints import EndpointRefusal
from assetmill.errors import HandleExpired, InvalidInput, PromptBlocked, Rejected, StageFailed
from assetmill.plan.calls import BoundInput
from assetmill.records import AssetRecord, RunId
from assetmill.stage.engine import run_stage
from assetmill.stage.services import Services
from assetmill.store import layout
from assetmill.store.blobs import Blobs
from assetmill.store.ledger import Ledger
from assetmill.store.memory import MemoryStore
from tests.doubles import ScriptedGateway, png, stage_call
from tests.millworks import services_on, settings_in
from tests.photos import MOVIE, encoded

NO_FILE_IDS = Rejected("Images cannot be referenced by file ID: send a data URL.", "image", 400)
NO_MULTI_TURN = Rejected("Multi-turn editing of images is not supported.", "image", 400)
EDIT = ({**stage_call().tools[0], "action": "edit"},)


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture
def services(tmp_path: Path, backend: MemoryStore, gateway: ScriptedGateway) -> Services:
    return quick(services_on(settings_in(tmp_path), backend, gateway))


def quick(services: Services) -> Services:
    services.wait = lambda seconds: None  # time passes at once
    return services


def handles_on(gateway: ScriptedGateway, backend: MemoryStore) -> Handles:
    return Handles(gateway, Blobs(backend), Ledger(backend))


def stored(backend: MemoryStore, name: str = "hero.png", colour: str = "red") -> BoundInput:
    return BoundInput(name, "picture", Blobs(backend).put(png(colour=colour), "image/png"))


def drawn(services: Services) -> BoundInput:
    """A picture that an image call of this endpoint has drawn."""
    asset = run_stage(stage_call(), services, RunId("run-1")).outputs[0]
    return bound_to(asset)


def bound_to(asset: AssetRecord) -> BoundInput:
    return BoundInput(asset.name, "picture", asset.blob, asset.asset_id)


def item_types(request: ResponseRequest) -> list[str]:
    return [str(item["type"]) for item in request.input]


def test_a_picture_is_uploaded_once_whatever_it_is_called(
    gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    handles = handles_on(gateway, backend)
    first = handles.resolve(stored(backend, "a.png"), "input_image")
    assert handles.resolve(stored(backend, "b.png"), "input_image") == first
    assert gateway.uploads == ["a.png"]


def test_a_container_file_keeps_its_name(gateway: ScriptedGateway, backend: MemoryStore) -> None:
    """Code finds a file by its name, so that one upload cannot stand for two names."""
    handles = handles_on(gateway, backend)
    first = handles.resolve(stored(backend, "a.png"), "container_file")
    assert handles.resolve(stored(backend, "b.png"), "container_file") != first
    assert gateway.uploads == ["a.png", "b.png"]


def test_another_process_finds_what_was_uploaded(gateway: ScriptedGateway, backend: MemoryStore) -> None:
    first = handles_on(gateway, backend).resolve(stored(backend), "input_image")
    assert handles_on(gateway, backend).resolve(stored(backend), "input_image") == first
    assert len(gateway.uploads) == 1


def test_a_forgotten_file_is_rebuilt_once_from_the_stored_bytes(
    gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    first = handles_on(gateway, backend).resolve(stored(backend), "input_image")
    gateway.files.clear()
    again = handles_on(gateway, backend).resolve(stored(backend), "input_image")
    assert again != first
    assert gateway.files[again.value] == png(colour="red")
    assert handles_on(gateway, backend).resolve(stored(backend), "input_image") == again
    assert len(gateway.uploads) == 2


def test_handles_belong_to_one_endpoint(gateway: ScriptedGateway, backend: MemoryStore) -> None:
    handles_on(gateway, backend).resolve(stored(backend), "input_image")
    other = ScriptedGateway()
    other.endpoint = "https://other.invalid/api/projects/test"
    handles_on(other, backend).resolve(stored(backend), "input_image")
    assert (len(gateway.uploads), len(other.uploads)) == (1, 1)


def test_concurrent_stages_share_one_upload(gateway: ScriptedGateway, backend: MemoryStore) -> None:
    handles = handles_on(gateway, backend)
    bound = stored(backend)
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(handles.resolve, bound, "input_image") for _ in range(24)]
    found = {future.result() for future in running}
    assert len(found) == 1
    assert len(gateway.uploads) == 1


def test_an_edit_goes_on_with_the_image_call_and_uploads_nothing(
    services: Services, gateway: ScriptedGateway
) -> None:
    run_stage(stage_call(stage="edit", tools=EDIT, inputs=(drawn(services),)), services, RunId("run-2"))
    assert item_types(gateway.posts[-1]) == ["message", "image_generation_call"]
    assert gateway.uploads == []


def test_a_mask_refers_to_a_picture_and_not_to_a_call(services: Services, gateway: ScriptedGateway) -> None:
    picture = drawn(services)
    mask = BoundInput("mask.png", "mask", services.blobs.put(png(colour="white"), "image/png"))
    run_stage(stage_call(stage="edit", tools=EDIT, inputs=(picture, mask)), services, RunId("run-2"))
    assert item_types(gateway.posts[-1]) == ["message"]
    assert sorted(gateway.uploads) == ["hero.png", "mask.png"]


def forgets_calls(gateway: ScriptedGateway) -> Callable[[ResponseRequest], None]:
    def refuse(request: ResponseRequest) -> None:
        if "image_generation_call" in item_types(request):
            raise HandleExpired("Item with id 'ig_1' not found.", "not_found", 404)

    return refuse


def test_a_forgotten_image_call_is_uploaded_instead_and_the_file_is_used_from_then_on(
    services: Services, gateway: ScriptedGateway, backend: MemoryStore, tmp_path: Path
) -> None:
    picture = drawn(services)
    gateway.before = forgets_calls(gateway)
    record = run_stage(stage_call(stage="edit", tools=EDIT, inputs=(picture,)), services, RunId("run-2"))
    assert record.attempt == 2
    assert gateway.uploads == ["hero.png"]
    other = quick(services_on(services.settings, backend, gateway))
    again = stage_call(stage="edit", prompt="Edit it again.", tools=EDIT, inputs=(picture,))
    assert run_stage(again, other, RunId("run-3")).attempt == 1
    assert gateway.uploads == ["hero.png"]


def test_a_call_older_than_the_service_keeps_is_not_asked_for(
    services: Services, gateway: ScriptedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = drawn(services)
    monkeypatch.setattr("assetmill.agents.handles.IMAGE_CALL_LIFE_S", -1.0)
    assert IMAGE_CALL_LIFE_S > 0
    assert services.handles.resolve(picture, "image_call").kind == "file"


def refuses(error: Rejected, *, when: Callable[[ResponseRequest], bool]) -> Callable[[ResponseRequest], None]:
    def refuse(request: ResponseRequest) -> None:
        if when(request):
            raise error

    return refuse


def has_file_id(request: ResponseRequest) -> bool:
    return any(part.get("file_id") for part in request.input[0]["content"])


def test_an_endpoint_without_file_ids_gets_data_urls_from_then_on(
    services: Services, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    gateway.before = refuses(NO_FILE_IDS, when=has_file_id)
    bound = stored(backend)
    record = run_stage(stage_call(inputs=(bound,)), services, RunId("run-1"))
    assert record.attempt == 2
    part = gateway.posts[-1].input[0]["content"][1]
    assert part["image_url"].startswith("data:image/png;base64,")
    uploads = list(gateway.uploads)
    other = quick(services_on(services.settings, backend, gateway))
    assert run_stage(stage_call(prompt="Again.", inputs=(bound,)), other, RunId("run-2")).attempt == 1
    assert gateway.uploads == uploads
    assert len(gateway.posts) == 2


def test_an_endpoint_without_multi_turn_gets_files_from_then_on(
    services: Services, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    picture = drawn(services)
    gateway.before = refuses(NO_MULTI_TURN, when=lambda r: "image_generation_call" in item_types(r))
    run_stage(stage_call(stage="edit", tools=EDIT, inputs=(picture,)), services, RunId("run-2"))
    other = handles_on(gateway, backend)
    assert other.resolve(picture, "image_call").kind == "file"
    assert len(gateway.posts) == 2


@pytest.mark.parametrize(
    "error",
    [
        Rejected("The size 7x7 is not supported.", "image", 400),
        Rejected("Images cannot be referenced by file ID.", "image", 403),
        PromptBlocked("Your request with file ID was blocked.", "content_filter", 400),
    ],
)
def test_any_other_refusal_stays_a_failure(
    services: Services, gateway: ScriptedGateway, backend: MemoryStore, error: Rejected
) -> None:
    gateway.before = refuses(error, when=lambda _: True)
    bound = stored(backend)
    with pytest.raises(Exception, match=r"size|file ID") as caught:
        run_stage(stage_call(inputs=(bound,)), services, RunId("run-1"))
    assert isinstance(caught.value, StageFailed) or "blocked" in str(caught.value)
    assert services.ledger.read_refusal(gateway.endpoint, "image_file") is None


def test_a_refusal_of_a_request_without_pictures_tries_no_other_form(
    services: Services, gateway: ScriptedGateway
) -> None:
    tried: list[ResponseRequest] = []

    def refuse(request: ResponseRequest) -> None:
        tried.append(request)
        raise NO_FILE_IDS

    gateway.before = refuse
    with pytest.raises(StageFailed, match="file ID"):
        run_stage(stage_call(), services, RunId("run-1"))
    assert len(tried) == 1


WORDLESS = Rejected("The provided data does not match the expected schema", "invalid_payload", 400)


def forms(services: Services, gateway: ScriptedGateway, refused: set[str]) -> list[str]:
    """Refuse forms in words that name none; return what was tried."""
    tried: list[str] = []

    def before(request: ResponseRequest) -> None:
        form = form_of(request.input)
        tried.append(str(form))
        if form in refused:
            raise WORDLESS

    gateway.before = before
    return tried


def noisy(side: int = 300) -> bytes:
    """A picture whose bytes are too many for a short data URL."""
    buffer = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(buffer, "PNG")
    return buffer.getvalue()


def large(backend: MemoryStore) -> BoundInput:
    return BoundInput("large.png", "picture", Blobs(backend).put(noisy(), "image/png"))


def test_any_400_makes_a_picture_go_in_the_next_form(
    services: Services, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    tried = forms(services, gateway, {"image_file", "image_url", "image_data"})
    record = run_stage(stage_call(inputs=(large(backend),)), services, RunId("run-1"))
    assert tried == ["image_file", "image_data", "image_small"]
    assert len(gateway.posts) == 1
    url = str(gateway.posts[0].input[0]["content"][1]["image_url"])
    assert len(url) <= 65_520
    assert record.attempt == 3


def test_a_store_that_can_share_gives_an_address_before_the_bytes(
    services: Services, gateway: ScriptedGateway, backend: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def presign(_store: object, key: str, expires_s: int) -> str:
        return f"https://store.invalid/{key}?for={expires_s}"

    monkeypatch.setattr(MemoryStore, "presign", presign)
    tried = forms(services, gateway, {"image_file"})
    run_stage(stage_call(inputs=(stored(backend),)), services, RunId("run-1"))
    assert tried == ["image_file", "image_url"]
    assert gateway.posts[0].input[0]["content"][1]["image_url"].startswith("https://store.invalid/")


def test_which_form_was_to_blame_is_known_when_another_is_taken_and_for_a_week(
    services: Services, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    tried = forms(services, gateway, {"image_file", "image_data"})
    run_stage(stage_call(inputs=(large(backend),)), services, RunId("run-1"))
    other = quick(services_on(services.settings, backend, gateway))
    run_stage(stage_call(prompt="again", inputs=(large(backend),)), other, RunId("run-2"))
    later = quick(services_on(services.settings, backend, gateway))
    later.clock = lambda: time.time() + 8 * 24 * 3600.0
    run_stage(stage_call(prompt="later", inputs=(large(backend),)), later, RunId("run-3"))
    once = ["image_file", "image_data", "image_small"]
    assert tried == [*once, "image_small", *once]
    kept = {seen.ability: seen.holds for seen in services.ledger.abilities(gateway.endpoint)}
    assert kept == {"image_file": False, "image_data": False, "image_small": True}


def test_a_refusal_of_every_form_blames_none(
    services: Services, gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    tried = forms(services, gateway, {"image_file", "image_data", "image_small"})
    with pytest.raises(StageFailed, match="expected schema"):
        run_stage(stage_call(inputs=(large(backend),)), services, RunId("run-1"))
    assert tried == ["image_file", "image_data", "image_small"]
    assert services.ledger.abilities(gateway.endpoint) == ()
    assert gateway.posts == []


def test_what_a_model_wants_is_no_limit_of_the_endpoint(services: Services, gateway: ScriptedGateway) -> None:
    wish = "Item 'ig_1' was provided without its required 'reasoning' item: 'rs_1'."
    picture = drawn(services)
    gateway.before = refuses(
        Rejected(wish, "", 400), when=lambda request: "image_generation_call" in item_types(request)
    )
    run_stage(stage_call(stage="edit", tools=EDIT, inputs=(picture,)), services, RunId("run-2"))
    assert [seen.ability for seen in services.ledger.abilities(gateway.endpoint)] == ["image_file"]


def test_a_refusal_that_an_older_store_kept_counts_until_it_is_old(
    gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    for age_s, kind in ((60.0, "data_url"), (8 * 24 * 3600.0, "file")):
        store = MemoryStore()
        made_at = time.time() - age_s
        kept = EndpointRefusal(
            endpoint=gateway.endpoint, feature="image_file", reason="no", created_at=made_at
        )
        store.create(layout.refusal(kept.endpoint, kept.feature), kept.model_dump_json().encode())
        handles = handles_on(gateway, store)
        assert handles.resolve(stored(store), "input_image").kind == kind


def test_a_picture_is_sent_without_what_lies_behind_its_end(
    gateway: ScriptedGateway, backend: MemoryStore
) -> None:
    bound = BoundInput("photo.png", "picture", Blobs(backend).put(png() + MOVIE, "image/png"))
    handles_on(gateway, backend).resolve(bound, "input_image")
    assert list(gateway.files.values()) == [png()]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (png()[:-30], "input 'photo.png' is not a whole picture"),
        (encoded(Image.new("1", (30_001, 8))), "input 'photo.png': it is 30001x8, .* scale it down"),
    ],
    ids=["cut", "long"],
)
def test_a_picture_that_no_service_takes_is_refused_before_it_is_sent(
    gateway: ScriptedGateway, backend: MemoryStore, data: bytes, words: str
) -> None:
    bound = BoundInput("photo.png", "picture", Blobs(backend).put(data, "image/png"))
    with pytest.raises(InvalidInput, match=words):
        handles_on(gateway, backend).resolve(bound, "input_image")
    assert gateway.files == {}
