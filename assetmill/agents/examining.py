"""What an endpoint tells of itself for nothing: whether it answers, and which model deployments it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from assetmill.agents.foundry_errors import advice_on
from assetmill.agents.gateway import Finding
from assetmill.errors import ServiceAway, ServiceError


def findings_on(endpoint: str, deployed: Callable[[], set[str]], models: Sequence[str]) -> Iterator[Finding]:
    """Yield what `assetmill doctor` shows of an endpoint; `deployed` asks it for its model deployments."""
    try:
        names = deployed()
    except ServiceError as error:
        yield Finding(
            "endpoint", "problem", f"{endpoint}: {error}", advice_on(error), isinstance(error, ServiceAway)
        )
        return
    yield Finding("endpoint", "ok", f"{endpoint} answers")
    for model in models:
        if model in names:
            yield Finding("model deployment", "ok", f"{model} is deployed")
        else:
            known = ", ".join(sorted(names)) or "none"
            advice = f"deploy it, or name one of these in the profile: {known}"
            yield Finding("model deployment", "problem", f"{model} is not deployed", advice)
