"""Runs started from the page: planned and priced as somebody types, and begun at the price that was shown.

What begins is `assetmill run` in a process of its own, under that price as its ceiling: it goes on when the
page has gone.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from assetmill.errors import InvalidInput
from assetmill.gallery.changing import Confirmation, OfferChanged
from assetmill.money.price_table import read_prices_again
from assetmill.plan.plan import Plan
from assetmill.runs.planning import plan_pipeline
from assetmill.settings import Settings
from assetmill.spec.loading import load_pipeline, pipeline_names
from assetmill.spec.schema import parameter_schema
from assetmill.store.ledger import Ledger

_OFFERS = 64
_OFFERED_FOR_S = 900.0

Begin = Callable[[str, Mapping[str, Any], float], None]
"""Begins a run of a pipeline with parameters, under a ceiling in US dollars."""


class RunOrder(BaseModel):
    """A run as the page asks its price."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pipeline: Annotated[str, Field(max_length=200)]
    parameters: Annotated[dict[str, str | int | float | bool], Field(max_length=200)]


@dataclass(frozen=True)
class _RunOffer:
    order: RunOrder
    decided: tuple[Any, ...]
    until: float


class RunOffers:
    """The runs that a page may start. Safe for threads."""

    def __init__(self, settings: Settings, ledger: Ledger, begin: Begin) -> None:
        self._settings, self._ledger, self._begin = settings, ledger, begin
        self._offers: OrderedDict[str, _RunOffer] = OrderedDict()
        self._lock = Lock()

    def form(self, pipeline: str) -> dict[str, Any]:
        """Return the JSON Schema of a pipeline's parameters.

        Raises:
            InvalidInput: no such pipeline, or it is not valid.
        """
        loaded = load_pipeline(self._named(pipeline), self._settings.configs)
        schema = parameter_schema(loaded.spec)
        for name in self._paths(loaded.spec.parameters):
            # A page names no files of this machine: what the pipeline's file says of them holds.
            schema["properties"].pop(name)
        return schema

    def offer(self, order: RunOrder) -> dict[str, Any]:
        """Return what a run would do and cost, and the name by which it can be confirmed.

        Raises:
            InvalidInput: a parameter is not valid, or no such pipeline.
        """
        plan = self._plan(order)
        name = secrets.token_urlsafe(24)
        with self._lock:
            self._offers[name] = _RunOffer(order, _decided(plan), time.time() + _OFFERED_FOR_S)
            while len(self._offers) > _OFFERS:
                self._offers.popitem(last=False)
        unknown = plan.cost.unknown
        stages = [{"stage": one.label, "status": one.status, "reason": one.reason} for one in plan.stages]
        return {"offer": name, "price": plan.cost.amounts(), "unknown": list(unknown), "stages": stages}

    def confirm(self, said: Confirmation) -> dict[str, Any]:
        """Begin what was offered, once.

        Raises:
            OfferChanged: there is no such offer any more, or it would be another now.
            InvalidInput: nobody can say what it costs.
        """
        with self._lock:
            offer = self._offers.pop(said.offer, None)
        if offer is None or offer.until < time.time():
            raise OfferChanged("this price holds no more: ask for it again")
        plan = self._plan(offer.order)
        if not plan.cost.is_known:
            raise InvalidInput(f"nobody can say what it costs: {', '.join(plan.cost.unknown)} has no price")
        if _decided(plan) != offer.decided or said.most_usd != plan.cost.ceiling:
            raise OfferChanged("it would do or cost something else now than was shown: ask for it again")
        self._begin(offer.order.pipeline, offer.order.parameters, plan.cost.ceiling)
        return {"pipeline": plan.name}

    def _plan(self, order: RunOrder) -> Plan:
        read_prices_again()
        loaded = load_pipeline(self._named(order.pipeline), self._settings.configs)
        for name in self._paths(loaded.spec.parameters):
            if name in order.parameters:
                raise InvalidInput(f"{name} is a file: `assetmill run` takes it, a page does not")
        return plan_pipeline(order.pipeline, order.parameters, self._settings, self._ledger)

    def _named(self, pipeline: str) -> str:
        """Return a pipeline's name; a page starts none by a path."""
        if pipeline not in pipeline_names(self._settings.configs):
            raise InvalidInput(f"no pipeline {pipeline!r} here: load the page again")
        return pipeline

    @staticmethod
    def _paths(parameters: Mapping[str, Any]) -> list[str]:
        return [name for name, one in parameters.items() if one.format == "path"]


def _decided(plan: Plan) -> tuple[Any, ...]:
    """Return what a plan comes to: its file, its price, and which stages it would pay for."""
    return (plan.spec_digest, plan.cost, tuple((one.label, one.status) for one in plan.stages))
