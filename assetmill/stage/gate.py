"""Whether stages may still begin to spend: the one switch that stops a whole run or batch."""

from __future__ import annotations

from dataclasses import dataclass

from assetmill.errors import AccountBlocked, QuotaExhausted


@dataclass
class Gate:
    """Whether stages may still begin to spend: until an hour, and until it is closed for a reason.

    With `closes_on_block` the first stage that learns of the account's block closes it for all others. An
    account with nothing left to spend closes it always: every other stage would hear the same.
    """

    until: float | None = None
    reason: str = ""
    closes_on_block: bool = False

    def learn(self, error: Exception) -> None:
        """Close for what concerns the whole account, before another stage can meet it."""
        if isinstance(error, QuotaExhausted):
            self.reason = f"the account's quota is used up: {error}"
        if self.closes_on_block and isinstance(error, AccountBlocked):
            self.reason = f"the account is blocked: {error}"

    def refusal(self, now: float) -> str:
        """Return why no stage may begin to spend any more, "" while it may."""
        if self.reason:
            return self.reason
        return "the hour by which it was to be done has passed" if self.until and now >= self.until else ""
