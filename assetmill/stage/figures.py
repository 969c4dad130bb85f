"""Figures of the quotas that stages share, for a collector."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from assetmill.agents.pacing import Pacer
from assetmill.traces.sending import Observed, observe


@contextmanager
def shown(pacer: Pacer) -> Generator[None]:
    """Let a collector see how much of each quota this process has taken, as long as this lasts."""

    def limits() -> list[Observed]:
        return [(limit, _about(of, name)) for of, name, _, limit in pacer.usage()]

    def used() -> list[Observed]:
        return [(taken, _about(of, name)) for of, name, taken, _ in pacer.usage()]

    with ExitStack() as stack:
        stack.callback(observe("assetmill.quota.limit", limits))
        stack.callback(observe("assetmill.quota.used", used))
        yield


def _about(deployment: str, name: str) -> dict[str, str]:
    return {"assetmill.deployment": deployment, "assetmill.quota": name}
