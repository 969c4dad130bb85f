"""Three days, the examples and a project of thirty pipelines: who must act, by which day, on whose word."""

from __future__ import annotations

import datetime
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from assetmill.agents.lifecycles import Lifecycle, read_lifecycles
from assetmill.agents.told import keep_told, read_told
from assetmill.cli.main import call
from assetmill.errors import InvalidInput
from assetmill.models.radar import Sighting, lifetimes_of, look
from assetmill.settings import Settings, load_settings

CONFIGS = Path(__file__).parents[3] / "configs"
NOVEMBER, DECEMBER, JANUARY = (
    datetime.date(2026, 11, 28),
    datetime.date(2026, 12, 17),
    datetime.date(2027, 1, 15),
)
# What thirty pipelines name, and on azure: the day that counts, and the state on each of the three days.
CHATS = {
    "gpt-4.1": ("2027-04-14", "lives", "lives", "soon"),
    "gpt-4.1-mini": ("2027-04-14", "lives", "lives", "soon"),
    "gpt-4.1-nano": ("2026-10-14", "gone", "gone", "gone"),
    "gpt-4o": ("2026-12-09", "soon", "gone", "gone"),
    "gpt-4o-mini": ("2027-04-14", "lives", "lives", "soon"),
    "gpt-5": ("2027-02-09", "soon", "soon", "soon"),
    "gpt-5-mini": ("2027-02-09", "soon", "soon", "soon"),
    "gpt-5-nano": ("2027-02-09", "soon", "soon", "soon"),
    "gpt-5-pro": ("2027-04-07", "lives", "lives", "soon"),
    "gpt-5.1": ("2027-05-15", "lives", "lives", "lives"),
    "gpt-5.2": ("2027-06-08", "lives", "lives", "lives"),
    "gpt-5.4": ("2027-09-02", "lives", "lives", "lives"),
    "gpt-5.4-mini": ("2027-09-21", "lives", "lives", "lives"),
    "gpt-5.5": ("2027-10-26", "lives", "lives", "lives"),
    "gpt-5.6-luna": ("2028-01-11", "lives", "lives", "lives"),
    "gpt-5.6-sol": ("2028-01-11", "lives", "lives", "lives"),
    "gpt-6-luna": ("2028-03-11", "lives", "lives", "lives"),
    "gpt-6-astra": ("2028-01-11", "lives", "lives", "lives"),
    "gpt-6.1-sol": ("2028-03-11", "lives", "lives", "lives"),
    "gpt-6.1-terra": (None, "no day", "no day", "no day"),
    "gpt-chat-latest": ("2026-12-02", "soon", "gone", "gone"),
    "o3": ("2026-11-19", "gone", "gone", "gone"),
    "my-deployment": (None, "unknown", "unknown", "unknown"),
}
IMAGES = {
    "gpt-image-1": ("2026-10-23", "gone", "gone", "gone"),
    "gpt-image-1-mini": ("2027-04-07", "lives", "lives", "soon"),
    "gpt-image-1.5": ("2026-12-16", "soon", "gone", "gone"),
    "gpt-image-2": ("2027-10-21", "lives", "lives", "lives"),
    "gpt-image-2.5-sunburst": ("2027-09-08", "lives", "lives", "lives"),
    "gpt-image-2.5-flare": ("2027-09-08", "lives", "lives", "lives"),
    "gpt-image-2.6-flare": (None, "no day", "no day", "no day"),
}
TABLE = {**CHATS, **IMAGES}
# The same thirty at OpenAI, where most of them have other days.
AT_OPENAI = {
    "gpt-4.1": ("2027-01-14", "soon", "soon", "gone"),
    "gpt-4.1-mini": ("2027-01-14", "soon", "soon", "gone"),
    "gpt-4.1-nano": ("2026-10-23", "gone", "gone", "gone"),
    "gpt-4o": ("2026-10-23", "gone", "gone", "gone"),
    "gpt-4o-mini": ("2027-01-14", "soon", "soon", "gone"),
    **dict.fromkeys(
        ("gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5-pro", "o3"), ("2026-12-11", "soon", "gone", "gone")
    ),
    "gpt-5.1": ("2027-04-01", "lives", "lives", "soon"),
    "gpt-image-1": ("2026-10-23", "gone", "gone", "gone"),
    "gpt-image-1-mini": ("2026-12-01", "soon", "gone", "gone"),
    "gpt-image-1.5": ("2026-12-01", "soon", "gone", "gone"),
}


@pytest.fixture
def project(tmp_path: Path) -> Settings:
    """Thirty pipelines, one for each model that is known and one for a name of one's own."""
    configs = tmp_path / "configs"
    (configs / "pipelines").mkdir(parents=True)
    shutil.copytree(CONFIGS / "profiles", configs / "profiles")
    for name in ("prices.toml", "image_models.toml", "chat_models.toml"):
        shutil.copy(CONFIGS / name, configs / name)
    for number, model in enumerate(TABLE):
        key = "image_model" if model in IMAGES else "model"
        text = f"name: p{number:02}\ndefaults:\n  {key}: {model}\nstages:\n  - name: draw\n    prompt: Draw\n"
        text += "    tools: [image_generation]\n    outputs: [{name: a.png}]\n"
        (configs / "pipelines" / f"p{number:02}.yaml").write_text(text)
    return settings_of(tmp_path)


def settings_of(root: Path) -> Settings:
    env = {"ASSETMILL_CONFIGS": str(root / "configs"), "ASSETMILL_HOME": str(root / "home")}
    return load_settings("azure", env).model_copy(
        update={
            "foundry": load_settings("azure", env).foundry.model_copy(
                update={"endpoint": "https://x.invalid"}
            )
        }
    )


def named(sightings: tuple[Sighting, ...]) -> dict[str, Sighting]:
    """Return the pipelines' own model of each, not the one that the profile gives them."""
    own = [one for one in sightings if one.use.kind == "pipeline" and "profile" not in one.use.place]
    return {one.use.model: one for one in own}


@pytest.mark.parametrize(("today", "place"), [(NOVEMBER, 1), (DECEMBER, 2), (JANUARY, 3)])
def test_every_verdict_on_thirty_pipelines_is_right(
    project: Settings, tmp_path: Path, today: datetime.date, place: int
) -> None:
    assert len(TABLE) == 30
    found = named(look(project, tmp_path, today))
    assert {name: (str(one.day) if one.day else None, one.state) for name, one in found.items()} == {
        name: (row[0], row[place]) for name, row in TABLE.items()
    }
    for one in found.values():
        assert one.days_left == ((one.day - today).days if one.day else None)


@pytest.mark.parametrize(("today", "place"), [(NOVEMBER, 1), (DECEMBER, 2), (JANUARY, 3)])
def test_every_verdict_is_right_at_the_other_provider_too(
    project: Settings, tmp_path: Path, today: datetime.date, place: int
) -> None:
    foundry = project.foundry.model_copy(update={"provider": "openai"})
    found = named(look(project.model_copy(update={"foundry": foundry}), tmp_path, today))
    no_day = {name: (None, "unknown" if name == "my-deployment" else "no day") for name in TABLE}
    assert {name: (str(one.day) if one.day else None, one.state) for name, one in found.items()} == {
        **no_day,
        **{name: (row[0], row[place]) for name, row in AT_OPENAI.items()},
    }


@pytest.mark.parametrize("today", [NOVEMBER, DECEMBER, JANUARY])
def test_the_examples_live_on_every_one_of_the_days(tmp_path: Path, today: datetime.date) -> None:
    env = {"ASSETMILL_CONFIGS": str(CONFIGS), "ASSETMILL_HOME": str(tmp_path)}
    sightings = look(load_settings("azure", env), tmp_path, today)
    kinds = Counter(one.use.kind for one in sightings)
    assert kinds["profile"] == 4
    assert kinds["pipeline"] >= 7
    assert {one.state for one in sightings} == {"lives"}


def test_a_verdict_says_who_says_so_what_others_say_and_what_of_ours_changes(
    project: Settings, tmp_path: Path
) -> None:
    mini = named(look(project, tmp_path, NOVEMBER))["gpt-5-mini"]
    text = str(mini)
    assert "73 days left, 2027-02-09 at azure by Azure model retirement schedule, 2026-10-05" in text
    assert "2027-07-13 by litellm 1.110.2" in text
    assert "use gpt-5.4-mini; change" in text
    assert mini.use.place.endswith("p06.yaml:3 defaults.model")


def test_schedules_and_parameters_that_name_a_model_are_seen(project: Settings, tmp_path: Path) -> None:
    path = project.configs / "pipelines" / "weekly.yaml"
    path.write_text(
        "name: weekly\nparameters:\n  drawn_with: {default: gpt-image-1.5}\n"
        "schedules:\n  - {cron: '0 6 * * 1', name: mondays}\n"
        "stages:\n  - name: draw\n    prompt: Draw\n    outputs: [{name: a.png}]\n"
        '    tools: [{type: image_generation, model: "{{ drawn_with }}"}]\n'
    )
    found = look(project, tmp_path, NOVEMBER)
    mondays = [one for one in found if one.use.name == "weekly/mondays" and one.use.model == "gpt-image-1.5"]
    assert [(one.use.kind, one.state) for one in mondays] == [("schedule", "soon")]
    assert mondays[0].use.place.endswith("weekly.yaml:3 parameters.drawn_with.default")


def test_what_the_endpoint_tells_goes_before_every_table(project: Settings, tmp_path: Path) -> None:
    told = read_lifecycles(
        [
            {"name": "my-deployment", "modelName": "gpt-5-mini", "modelVersion": "2025-08-07"},
            {"name": "gpt-4o", "modelName": "gpt-4o", "modelVersion": "2024-11-20"},
            {
                "name": "gpt-image-1.5", "modelName": "gpt-image-1.5",
                "deprecation": {"inference": "2027-06-16T00:00:00Z"},
            },
            {"name": "gpt-5.5", "modelName": "gpt-5.5", "lifecycleStatus": "Deprecated"},
            {"name": "gpt-5.1", "modelName": "gpt-5.1", "deprecationDate": "2099-12-31T00:00:00Z"},
        ],
        [{"id": "gpt-5-mini", "shutdown_date": "2026-12-11"}, {"id": "gpt-6-luna", "shutdown_date": None}],
    )  # fmt: skip
    keep_told(project.home, project.foundry.endpoint, told, NOVEMBER)
    found = named(look(project, tmp_path, DECEMBER))
    states = {name: (str(one.day), one.state) for name, one in found.items()}
    assert states["gpt-image-1.5"] == ("2027-06-16", "lives")
    assert found["gpt-image-1.5"].source == "the endpoint's deployments, 2026-11-28"
    assert any("2026-12-16 by Azure model retirement" in other for other in found["gpt-image-1.5"].others)
    assert states["my-deployment"] == ("2026-12-11", "gone")
    assert found["my-deployment"].replacement == "gpt-5.4-mini"
    assert states["gpt-4o"] == ("2027-04-14", "lives")
    assert found["gpt-5.5"].state == "gone"
    assert states["gpt-5.1"] == ("2027-05-15", "lives")
    assert states["gpt-5-mini"] == ("2026-12-11", "gone")


@pytest.mark.parametrize(
    ("name", "provider", "day", "replacement"),
    [
        ("gpt-4o-2024-05-13", "azure", "2026-12-09", "gpt-5.6-sol"),
        ("gpt-4o-2024-05-13", "openai", "2026-10-23", "gpt-5.6-sol"),
        ("gpt-4o-2024-08-06", "azure", "2027-04-14", "gpt-5.1"),
        ("gpt-4o-2024-11-20", "azure", "2027-04-14", "gpt-5.1"),
        ("gpt-4o-2024-11-20", "openai", "2027-01-14", "gpt-6.1-sol"),
    ],
)
def test_a_name_that_says_its_version_means_that_one(
    name: str, provider: str, day: str, replacement: str
) -> None:
    lifetime = lifetimes_of(CONFIGS)[name]
    assert (str(lifetime.ends_at(provider)), lifetime.replaced_by(provider)) == (day, replacement)
    warning = lifetime.warning("model", name, datetime.date.fromisoformat(day), provider)
    assert warning == f"model {name!r} was retired on {day} ({provider}); use {replacement}"


def test_the_version_of_a_deployment_decides_its_replacement(project: Settings, tmp_path: Path) -> None:
    told = read_lifecycles([{"name": "gpt-4o", "modelName": "gpt-4o", "modelVersion": "2024-05-13"}], [])
    keep_told(project.home, project.foundry.endpoint, told, NOVEMBER)
    one = named(look(project, tmp_path, NOVEMBER))["gpt-4o"]
    assert (str(one.day), one.state, one.replacement) == ("2026-12-09", "soon", "gpt-5.6-sol")


def test_what_was_told_is_kept_by_endpoint_and_damage_is_named(tmp_path: Path) -> None:
    one = Lifecycle("m", "m", "1", datetime.date(2027, 1, 1), is_gone=False, source="s")
    keep_told(tmp_path, "https://a", (one,), NOVEMBER)
    keep_told(tmp_path, "https://b", (), NOVEMBER)
    assert read_told(tmp_path, "https://a")["m"].lifecycle == one
    assert read_told(tmp_path, "https://b") == {}
    (tmp_path / "models.json").write_text('{"https://a": [{"name": "m"}]}')
    with pytest.raises(InvalidInput, match="is damaged"):
        read_told(tmp_path, "https://a")


def test_check_models_ends_with_the_exit_code_that_a_job_waits_for(
    project: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSETMILL_CONFIGS", str(project.configs))
    monkeypatch.setenv("ASSETMILL_HOME", str(project.home))
    monkeypatch.setattr("assetmill.cli.models.today", lambda: NOVEMBER)
    report = tmp_path / "models.md"
    lock = str(tmp_path / "assets.lock")
    command = ["check", "--models", "--profile", "azure", "--lock", lock]
    assert call([*command, "--json", "--markdown", str(report)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["near"] == sum(row[1] in {"gone", "soon"} for row in TABLE.values())
    assert report.read_text().count("<code>gpt-image-1.5</code>") == 1
    for path in (project.configs / "pipelines").glob("*.yaml"):
        path.unlink()
    assert call([*command, "--within", "12w"]) == 0
    assert "0 uses of models end within 84 days" in capsys.readouterr().out
    assert call([*command, "--within", "999d"]) == 1
    assert call([*command, "--within", "soon"]) == 2
