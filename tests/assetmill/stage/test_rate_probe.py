"""Limits are read where an answer tells them anyway; one more is posted only when none did."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.agents.gateway import Finding
from assetmill.agents.told_limits import told_limits
from assetmill.stage.probe_money import ProbeBudget
from assetmill.stage.probing import Prober, probe_endpoint
from assetmill.stage.rate_probe import probe_rates
from tests.assetmill.stage.test_probing import Lasting, services_on

RATES = {"x-ratelimit-limit-requests": "40", "x-ratelimit-limit-tokens": "40000"}


def probed(gateway: Lasting, folder: Path, usd: float = 1.0) -> tuple[list[Finding], Prober]:
    services = services_on(gateway, folder)
    prober = Prober(services, ProbeBudget(services, usd))
    if usd > 0.1:
        list(probe_endpoint(services, prober))
    return list(probe_rates(prober)), prober


def test_what_an_answer_told_anyway_costs_nothing_more(tmp_path: Path) -> None:
    gateway = Lasting()
    gateway.rates = RATES
    (found,), prober = probed(gateway, tmp_path)
    assert "40 requests, 40000 tokens a minute" in found.message
    assert "requests = 40" in found.advice
    assert "foreground" not in [post.way for post in gateway.posts]
    model = prober.services.settings.foundry.model
    assert [prober.services.pacer.take(model, {"requests": 40.0}) > 0 for _ in range(2)] == [False, True]


def test_one_answer_on_the_line_is_posted_when_none_told(tmp_path: Path) -> None:
    gateway = Lasting()

    def before(request: object) -> None:
        gateway.rates = RATES if getattr(request, "way", "") == "foreground" else {}

    gateway.before = before
    (price, found), _ = probed(gateway, tmp_path)
    assert "at most $" in price.message
    assert "40 requests" in found.message
    assert [post.way for post in gateway.posts].count("foreground") == 1


def test_an_endpoint_that_names_no_limit_says_so(tmp_path: Path) -> None:
    (_, found), _ = probed(Lasting(), tmp_path)
    assert (found.state, "no answer names" in found.message) == ("warning", True)


def test_a_ceiling_without_room_posts_nothing(tmp_path: Path) -> None:
    gateway = Lasting()
    (_, found), _ = probed(gateway, tmp_path, usd=0.001)
    assert (found.state, gateway.posts) == ("warning", [])


@pytest.mark.parametrize(
    ("rates", "limits"),
    [
        ({"x-ratelimit-limit-tokens": "-1"}, {}),
        ({"x-ratelimit-limit-requests": "0"}, {}),
        ({"x-ratelimit-limit-requests": "10", "x-ratelimit-renewalperiod-requests": "10"}, {"requests": 60}),
        (RATES, {"requests": 40, "tokens": 40000}),
    ],
)
def test_a_limit_is_one_of_a_minute(rates: dict[str, str], limits: dict[str, float]) -> None:
    assert told_limits(rates) == limits
