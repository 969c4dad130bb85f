from __future__ import annotations

import datetime
import time
from collections.abc import Iterator

import pytest

from assetmill.batches.hour import forecast, parse_by
from assetmill.batches.row_plans import Totals
from assetmill.errors import InvalidInput
from assetmill.plan.plan import FREE
from assetmill.settings import Quota, Rate, Settings, load_settings

NOON = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.UTC)


def with_quota(**deployments: Rate) -> Settings:
    settings = load_settings("local", {})
    named = {name.replace("_", "-"): rate for name, rate in deployments.items()}
    return settings.model_copy(update={"quota": Quota(deployments=named)})


def wanting(**wanted: float) -> Totals:
    return Totals({}, FREE, 0, {"image": wanted})


def test_an_hour_is_the_next_one() -> None:
    here = NOON.astimezone()
    later = (here + datetime.timedelta(hours=2)).replace(second=0)
    assert parse_by(f"{later:%H:%M}", NOON) == later.timestamp()
    earlier = here - datetime.timedelta(hours=2)
    assert parse_by(f"{earlier:%H:%M}", NOON) == (earlier + datetime.timedelta(days=1)).timestamp()
    assert parse_by("2026-11-23T06:00+00:00", NOON) == NOON.timestamp() + 18 * 3600


@pytest.fixture(params=["here", "named"])
def oslo(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What follows an hour: nothing on a machine in Oslo, the zone's name on any other."""
    monkeypatch.setenv("TZ", "Europe/Oslo" if request.param == "here" else "UTC")
    time.tzset()
    yield "" if request.param == "here" else " Europe/Oslo"
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("now", "hour", "then"),
    [
        ("2026-03-29T00:30+01:00", "06:00", "2026-03-29T06:00+02:00"),
        ("2026-03-28T22:00+01:00", "06:00", "2026-03-29T06:00+02:00"),
        ("2026-10-25T00:30+02:00", "06:00", "2026-10-25T06:00+01:00"),
        ("2026-10-24T22:00+02:00", "06:00", "2026-10-25T06:00+01:00"),
        ("2026-10-25T06:30+01:00", "06:00", "2026-10-26T06:00+01:00"),
        # The hour that comes twice, and the one that clocks skip.
        ("2026-10-25T01:30+02:00", "02:15", "2026-10-25T02:15+02:00"),
        ("2026-10-25T02:30+02:00", "02:15", "2026-10-25T02:15+01:00"),
        ("2026-03-29T00:30+01:00", "02:30", "2026-03-29T03:30+02:00"),
    ],
)
def test_an_hour_is_that_of_the_clocks_in_the_night_they_change(
    oslo: str, now: str, hour: str, then: str
) -> None:
    moment = datetime.datetime.fromisoformat(now).astimezone(datetime.UTC)
    assert parse_by(hour + oslo, moment) == datetime.datetime.fromisoformat(then).timestamp()


def test_a_date_without_an_offset_is_of_the_zone(oslo: str) -> None:
    now = datetime.datetime(2026, 10, 24, tzinfo=datetime.UTC)
    told = parse_by(f"2026-10-25T06:00{oslo}", now)
    assert told == datetime.datetime.fromisoformat("2026-10-25T06:00+01:00").timestamp()
    with pytest.raises(InvalidInput, match="no time zone 'Nowhere/At_All'"):
        parse_by("06:00 Nowhere/At_All", now)


@pytest.mark.parametrize("text", ["", "soon", "25:00", "06:60", "2026-11-21T06:00+00:00", "1e9"])
def test_what_is_no_time_to_come_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_by(text, NOON)


def test_the_scarcest_quota_says_how_long_it_takes() -> None:
    settings = with_quota(image=Rate(requests=60, images=10))
    told = forecast(wanting(requests=600, images=600), settings, 3600.0, now=0.0)
    assert (told.seconds, told.is_met) == (59 * 60, True)
    assert told.bottleneck == "10 images a minute of image"
    late = forecast(wanting(images=600), settings, 1800.0, now=0.0)
    assert not late.is_met
    assert "cannot be met, about 50 % will be done by then" in str(late)


def test_without_a_quota_nothing_is_promised() -> None:
    told = forecast(wanting(images=600), with_quota(), 60.0, now=0.0)
    assert told.is_met
    assert "no quota is set" in str(told)
