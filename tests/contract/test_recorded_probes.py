"""What `doctor --live --record` writes down is what `foundry-emulator compare` reads."""

from __future__ import annotations

import functools
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from foundry_emulator.comparing.exchange import read_exchanges
from foundry_emulator.comparing.run import Comparison, compare
from foundry_emulator.comparing.verdicts import OWN, read_accepted
from foundry_emulator.server import running

from assetmill.agents.recording import Recorder
from assetmill.settings import load_settings
from assetmill.stage.picture_probes import PictureProbes
from assetmill.stage.probe_money import ProbeBudget
from assetmill.stage.probing import Prober, probe_endpoint
from assetmill.stage.rate_probe import probe_rates
from assetmill.stage.services import Services, connect
from assetmill.store.memory import MemoryStore

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Probe an emulator of its own, and return what was recorded."""
    folder = tmp_path_factory.mktemp("recorded")
    with running(folder / "emulator"):
        settings = load_settings("local", {"ASSETMILL_HOME": str(folder)})
        recorder = Recorder(folder / "recording")
        services = Services(settings, MemoryStore(), functools.partial(connect, recorder=recorder))
        prober = Prober(services, ProbeBudget(services))
        list(probe_endpoint(services, prober))
        told = [*PictureProbes(prober).run(), *probe_rates(prober)]
        services.close()
        assert not [one.message for one in told if "nothing was learnt" in one.message]
        assert recorder.faults == []
        yield recorder.folder


def compared(folder: Path) -> Comparison:
    return compare(list(read_exchanges(folder)), read_accepted(OWN))


def test_what_was_recorded_from_the_emulator_is_what_it_answers_again(recording: Path) -> None:
    found = compared(recording)
    assert found.exchanges >= 40
    assert [(one.exchange, one.difference) for one in found.new] == []


@pytest.mark.parametrize(
    ("operation", "field"),
    [("-post-openai-v1-responses-200", "new_field"), ("-get-openai-v1-containers", "has_new")],
)
def test_a_difference_in_what_was_recorded_is_found(
    recording: Path, tmp_path: Path, operation: str, field: str
) -> None:
    for path in recording.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    planted = next(path for path in sorted(tmp_path.glob("*.json")) if operation in path.name)
    told = json.loads(planted.read_bytes())
    told["body"][field] = 1
    planted.write_text(json.dumps(told))
    assert [one.difference.field for one in compared(tmp_path).new] == [f"body.{field}"]


def test_a_recording_names_neither_this_machine_nor_its_token(recording: Path) -> None:
    texts = "".join(path.read_text() for path in recording.glob("*.json"))
    token = json.loads((recording.parents[1] / "emulator" / "ready.json").read_text())["token"]
    # As a word: a short name may stand within a random ID.
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", texts)
    assert token not in texts
    assert "127.0.0.1" not in texts
    assert "uthorization" not in texts
