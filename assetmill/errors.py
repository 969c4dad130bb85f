"""Everything that can go wrong, once.

    AssetmillError
    ├── InvalidInput             the person's input; nothing was spent              exit 2
    │   ├── InvalidSpec          a file, a line, the nearest valid word
    │   ├── InvalidSettings      profile, environment, credential, endpoint, bucket
    │   └── NotFound             a run, stage, asset or pipeline that is not there
    ├── StoreError               the object store
    │   ├── StoreUnavailable     it still refused after its own retries
    │   │   ├── StoreAway        nothing answers, or it says "not now": this may pass, and is waited for
    │   │   └── OutageTooLong    it was away for longer than anything is waited for
    │   ├── KeyMissing           no such object
    │   ├── KeyExists            a create-once key is taken
    │   └── BlobDamaged          the bytes do not match their digest
    ├── ServiceError             the agent service, as the gateway translates it
    │   ├── NotSent              definitely before any spend (retryable)
    │   │   ├── ServiceAway      nothing answers, or only that it cannot now: waited for where that is free
    │   │   └── Throttled        a quota said no
    │   │       └── NoCapacity   the lane has no room at present; the quota is not to blame
    │   ├── OutcomeUnknown       it may or may not have happened
    │   ├── Rejected             a definite refusal of this request
    │   │   ├── PromptBlocked    moderation refused the prompt; never rerolled
    │   │   ├── ModelRetired     its model deployment is gone; no stage of it begins any more
    │   │   ├── AccountBlocked   the account or resource is blocked; stops everything
    │   │   └── QuotaExhausted   no money or quota is left: no waiting helps
    │   ├── ConversationGone     the conversation was deleted: somebody fenced us
    │   └── HandleExpired        an ID the service has forgotten
    │       └── ContainerGone    a container has ended, and with it what an attempt worked in
    ├── CannotMake               a local stage's file; its stage reports it
    ├── RunStopped               Ctrl-C or a signal
    ├── RunFailed                stages of a run failed; the rest is stored            exit 1
    ├── RunWaiting               all that is left of a run waits for people            exit 3
    └── StageError               one stage, as a run reports it                     exit 1
        ├── StageFailed          with its reason and response
        │   └── ToolFailed       a declared tool failed at the service; never rerolled
        ├── StageBlocked         moderation refused the prompt, the output or the account
        ├── OutputUnusable       paid for, kept, and not what was asked
        │   └── OutputUnreachable paid for, and the service does not hand over all of it
        ├── StageInDoubt         the service left no evidence either way
        ├── StageWaiting         a person must approve something first
        ├── BudgetExceeded       a ceiling was reached before the spend
        └── SpendingClosed       its hour has passed, or the account is blocked: no stage begins any more

Arguments go to `super().__init__` as they came, but for secrets, or an error breaks when it is pickled
between processes.
"""

from __future__ import annotations

from typing import ClassVar

from assetmill.redaction import redact


class AssetmillError(Exception):
    """Base of every error of ours. What it says is told, logged and stored: no secret is in it."""

    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1

    def __init__(self, *said: object) -> None:
        super().__init__(*(redact(part) if isinstance(part, str) else part for part in said))


class InvalidInput(AssetmillError):
    """Say what the person gave, where, and what would be right."""

    exit_code = 2


class InvalidSpec(InvalidInput):
    """A pipeline file, a parameter or a data file does not say something valid."""

    def __init__(self, path: str, line: int | None, message: str, hint: str = "") -> None:
        message, hint = redact(message), redact(hint)
        super().__init__(path, line, message, hint)
        self.path, self.line, self.message, self.hint = path, line, message, hint

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else self.path
        return f"{where}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class InvalidSettings(InvalidInput):
    """The profile, the environment, a credential, the endpoint or the bucket does not work."""


class NotFound(InvalidInput):
    """A run, stage, asset or pipeline of that name is not there."""

    def __init__(self, kind: str, name: str, hint: str = "") -> None:
        name, hint = redact(name), redact(hint)
        super().__init__(kind, name, hint)
        self.kind, self.name, self.hint = kind, name, hint

    def __str__(self) -> str:
        return f"no {self.kind} {self.name!r}" + (f": {self.hint}" if self.hint else "")


class CannotMake(AssetmillError):
    """A file cannot be made here from what is given; it says what to do."""


class PrefectAway(AssetmillError):
    """Prefect's API does not answer, or cannot work; what was paid for is kept."""


class StoreError(AssetmillError):
    """The object store."""


class StoreUnavailable(StoreError):
    """The store still refused after its own retries."""

    retryable = True


class StoreAway(StoreUnavailable):
    """Nothing answers there, or it says that it cannot now: the same request may succeed a moment later."""


class OutageTooLong(StoreUnavailable):
    """The store was away for longer than anything is waited for; to try once more would wait as long."""

    retryable = False


class KeyMissing(StoreError):
    """No object has that key."""


class KeyExists(StoreError):
    """A create-once key is taken."""


class BlobDamaged(StoreError):
    """The bytes under a digest do not match it; they were set aside."""


class ServiceError(AssetmillError):
    """The agent service, as the gateway translates it.

    `code` is the vendor's error code, "" when it gave none; `status` the HTTP status, 0 when none came.
    """

    def __init__(self, message: str, code: str = "", status: int = 0) -> None:
        message = redact(message)
        super().__init__(message, code, status)
        self.message, self.code, self.status = message, code, status

    def __str__(self) -> str:
        marks = ", ".join(mark for mark in (self.code, str(self.status or "")) if mark)
        return f"{self.message} ({marks})" if marks else self.message


class NotSent(ServiceError):
    """Definitely before any spend: the request never left, or was refused before it was accepted."""

    retryable = True


class ServiceAway(NotSent):
    """Nothing answers there at present, or what answers says that it cannot now."""


class Throttled(NotSent):
    """A quota said no; `retry_after_s` is what the service asked for, None when it did not say."""

    def __init__(
        self, message: str, code: str = "", status: int = 429, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, code, status)
        self.args = (self.message, code, status, retry_after_s)
        self.retry_after_s = retry_after_s


class NoCapacity(Throttled):
    """A cheaper lane has no room at present. Nothing was spent, and the normal lane is open."""


class OutcomeUnknown(ServiceError):
    """It may or may not have happened; only the service's own records can tell."""


class Rejected(ServiceError):
    """A definite refusal of this request."""


class PromptBlocked(Rejected):
    """Moderation refused the prompt. The same prompt is never sent again in a loop.

    `categories` are the service's own words for why, () when it gave none.
    """

    def __init__(
        self, message: str, code: str = "", status: int = 0, categories: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, code, status)
        self.args = (self.message, code, status, categories)
        self.categories = categories


class ModelRetired(Rejected):
    """The model behind a deployment is served no more, or there is no such deployment."""


class AccountBlocked(Rejected):
    """The account or resource is blocked, whatever the prompt says: everything stops."""


class QuotaExhausted(Rejected):
    """The account has no money or quota left, which no waiting changes: everything stops."""


class ConversationGone(ServiceError):
    """The conversation was deleted: another worker fenced this attempt."""


class HandleExpired(ServiceError):
    """An ID that the service has forgotten; rebuild it from the stored bytes."""


class ContainerGone(HandleExpired):
    """A container has ended: no later turn can go on in it."""


class StageError(AssetmillError):
    """One stage, as a run reports it."""

    def __init__(self, stage: str, reason: str, response_id: str | None = None) -> None:
        reason = redact(reason)
        super().__init__(stage, reason, response_id)
        self.stage, self.reason, self.response_id = stage, reason, response_id

    def __str__(self) -> str:
        tail = f" (response {self.response_id})" if self.response_id else ""
        return f"stage {self.stage!r}: {self.reason}{tail}"


class StageFailed(StageError):
    """The stage ended without what it had to make."""


class ToolFailed(StageFailed):
    """A tool that the stage declares failed at the service: another draw would meet the same tool."""


class StageBlocked(StageError):
    """Moderation refused: `scope` is the prompt, the output, or the whole account.

    `categories` are the service's own words for why, () when it gave none.
    """

    def __init__(
        self,
        stage: str,
        reason: str,
        response_id: str | None = None,
        scope: str = "prompt",
        categories: tuple[str, ...] = (),
    ) -> None:
        super().__init__(stage, reason, response_id)
        self.args = (stage, self.reason, response_id, scope, categories)
        self.scope, self.categories = scope, categories


class OutputUnusable(StageError):
    """Paid for, kept, and not what was asked."""


class OutputUnreachable(OutputUnusable):
    """Paid for, and the service does not hand over all of it: asked for again, never paid again unasked."""


class StageInDoubt(StageError):
    """The service left no evidence whether the call happened; a person or a policy decides."""


class StageWaiting(StageError):
    """The agent asks for something that a person must approve; the next run goes on from here.

    `asked` says in words what would be done.
    """

    def __init__(
        self, stage: str, reason: str, response_id: str | None = None, asked: tuple[str, ...] = ()
    ) -> None:
        super().__init__(stage, reason, response_id)
        self.args = (stage, self.reason, response_id, asked)
        self.asked = asked


class RunStopped(AssetmillError):
    """The run is being stopped; what was intended is found again by the next run.

    `run_id` is there once the run is sealed.
    """

    exit_code = 130

    def __init__(self, message: str, run_id: str | None = None) -> None:
        message = redact(message)
        super().__init__(message, run_id)
        self.message, self.run_id = message, run_id

    def __str__(self) -> str:
        return self.message


class RunFailed(AssetmillError):
    """A run is sealed and not all of its stages are done; the manifest says which and why."""

    def __init__(self, run_id: str, message: str) -> None:
        message = redact(message)
        super().__init__(run_id, message)
        self.run_id, self.message = run_id, message

    def __str__(self) -> str:
        return f"run {self.run_id}: {self.message}"


class RunWaiting(AssetmillError):
    """A run is sealed, and all that is left of it waits for people; the next run goes on from there."""

    exit_code = 3

    def __init__(self, run_id: str, message: str) -> None:
        message = redact(message)
        super().__init__(run_id, message)
        self.run_id, self.message = run_id, message

    def __str__(self) -> str:
        return f"run {self.run_id}: {self.message}"


class BudgetExceeded(StageError):
    """A ceiling was reached before the spend."""


class SpendingClosed(StageError):
    """No stage may begin to spend any more; what has begun goes on to its end."""
