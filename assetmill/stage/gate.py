"""Whether stages may still begin to spend: the one switch that stops a whole run or batch."""

from __future__ import annotations

from dataclasses import dataclass, field

from assetmill.errors import AccountBlocked, QuotaExhausted


@dataclass
class Gate:
    """Whether stages may still begin to spend: until an hour, and until it is closed for a reason.

    With `closes_on_block` the first stage that learns of the account's block closes it for all others. An
    account with nothing left to spend closes it always: every other stage would hear the same. So does a
    model deployment that is gone, for the stages that call it.
    """

    until: float | None = None
    reason: str = ""
    closes_on_block: bool = False
    _gone: dict[frozenset[str], str] = field(default_factory=dict[frozenset[str], str])

    def learn(self, error: Exception) -> None:
        """Close for what concerns the whole account, before another stage can meet it."""
        if isinstance(error, QuotaExhausted):
            self.reason = f"the account's quota is used up: {error}"
        if self.closes_on_block and isinstance(error, AccountBlocked):
            self.reason = f"the account is blocked: {error}"

    def retire(self, deployments: frozenset[str], reason: str) -> None:
        """Close for every stage that calls all of these model deployments."""
        self._gone[deployments] = reason

    def retirement(self, deployments: frozenset[str]) -> str:
        """Return why a stage that calls these model deployments would be refused, else ""."""
        return next((reason for gone, reason in self._gone.items() if gone <= deployments), "")

    def refusal(self, now: float, until: float | None = None) -> str:
        """Return why no stage may begin to spend any more, "" while it may; `until` is its own run's hour."""
        if self.reason:
            return self.reason
        is_late = any(hour is not None and now >= hour for hour in (self.until, until))
        return "the hour by which it was to be done has passed" if is_late else ""
