"""When a pipeline runs by itself, and how many of its runs at once: what a deployment is made from."""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

import re
import zoneinfo
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from assetmill.spec.base import SpecModel
from assetmill.spec.parameters import ParameterSpec, Scalar, convert
from assetmill.spec.reading import Problems, nearest
from assetmill.spec.short_forms import TEXT, ShortForms

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_EVERY = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smhd]?)")
_CRON = re.compile(r"(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|\S+( \S+){4,5})")
_HOUR = re.compile(r"([01]?[0-9]|2[0-3]):[0-5][0-9]")


class BatchSpec(SpecModel):
    """A table whose rows a schedule runs: the options of `assetmill batch`.

    `rows` is an object's URL, or a path from the pipeline's file.
    """

    rows: str = Field(min_length=1)
    by: str | None = None
    budget_usd: float | None = Field(default=None, gt=0)
    allow_bad_rows: bool = False
    retry_blocked: bool = False
    order: Literal["rows", "stages"] = "rows"
    shard: int = Field(default=50, ge=1, le=5000)
    work_pool: str = Field(default="", max_length=100)

    @field_validator("by")
    @classmethod
    def _is_hour(cls, by: str | None) -> str | None:
        if by is not None and not _HOUR.fullmatch(by):
            raise ValueError(f"{by!r} is no hour as 06:00")
        return by


def seconds_of(value: Any) -> Any:
    """Return `15m`, `2h` or `3d` as seconds; anything else as it is."""
    match = _EVERY.fullmatch(value) if isinstance(value, str) else None
    return float(match[1]) * _UNITS[match[2] or "s"] if match else value


class ScheduleSpec(SpecModel):
    """One schedule: `cron`, or `every` so many seconds (`15m`, `2h`, `1d`), with parameters of its own."""

    cron: str | None = None
    every: Annotated[float | None, ShortForms(seconds_of, TEXT)] = Field(default=None, ge=1, le=366 * 86400)
    timezone: str = "UTC"
    parameters: dict[str, Scalar] = Field(default_factory=dict[str, Scalar])
    batch: BatchSpec | None = None
    name: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_-]{0,62}$")
    active: bool = True

    @model_validator(mode="after")
    def _has_one_time(self) -> Self:
        if (self.cron is None) == (self.every is None):
            raise ValueError("give exactly one of cron, every")
        if self.cron is not None and not _CRON.fullmatch(self.cron):
            raise ValueError(f"{self.cron!r} is no cron line as `0 6 * * 1-5`")
        try:
            zoneinfo.ZoneInfo(self.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"no time zone {self.timezone!r}, write Europe/Oslo or UTC") from error
        return self


class ConcurrencySpec(SpecModel):
    """How many runs of a pipeline go at once, and what becomes of one more."""

    limit: int = Field(ge=1, le=1000)
    collision: Literal["enqueue", "cancel_new"] = "enqueue"


def _from_number(value: Any) -> Any:
    return {"limit": value} if isinstance(value, int) and not isinstance(value, bool) else value


Concurrency = Annotated[
    ConcurrencySpec | None, ShortForms(_from_number, {"type": "integer", "minimum": 1, "maximum": 1000})
]


def check_schedules(
    schedules: tuple[ScheduleSpec, ...], parameters: Mapping[str, ParameterSpec], problems: Problems
) -> None:
    """Note schedules that could not run: parameters that are unknown, not valid or missing, equal names."""
    names = [schedule.name for schedule in schedules if schedule.name]
    for number, schedule in enumerate(schedules):
        where = ("schedules", number)
        if schedule.name and names.count(schedule.name) > 1:
            problems.add((*where, "name"), f"two schedules are called {schedule.name!r}")
        for name, value in schedule.parameters.items():
            place = (*where, "parameters", name)
            if name not in parameters:
                problems.add(place, f"unknown parameter {name!r}", nearest(name, parameters))
            elif fault := convert(parameters[name], value)[0]:
                problems.add(place, f"parameter {name!r}: {fault}")
        missing = [n for n, spec in parameters.items() if spec.is_required and n not in schedule.parameters]
        if missing and schedule.batch is None:
            problems.add(where, f"a schedule must give {', '.join(missing)}: the pipeline has no default")
