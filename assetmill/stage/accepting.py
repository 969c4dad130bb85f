"""A stage with terms of acceptance: its draws are paid like stages of their own, checked, and one is chosen.

The choice is a stage record under the call's own fingerprint, which holds the checks and costs nothing
itself; it is what plans, locks and later stages find. Why so: docs/decisions/0007-checks.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from assetmill import progress
from assetmill.checks.examining import examine_file
from assetmill.checks.judging import (
    judge_call,
    questions_call,
    read_judgement,
    view_for_judge,
    with_questions,
)
from assetmill.checks.looks import difference_hash
from assetmill.checks.specimen import Specimen
from assetmill.errors import BudgetExceeded, OutputUnusable, StageBlocked, StageError, StageFailed, StoreError
from assetmill.names import distinct
from assetmill.plan.calls import Acceptance, StageCall
from assetmill.progress import ProgressReporter, StageEvent
from assetmill.records import (
    AssetRecord,
    BlobRef,
    CheckResult,
    RunId,
    StageRecord,
    Verdict,
    make_asset_id,
)
from assetmill.spec.output_checks import ChecksSpec, JudgeCheck
from assetmill.stage.candidates import Candidate, candidate_of, known_candidates, look_up
from assetmill.stage.repeats import LIMIT, draws_subject
from assetmill.stage.services import Services

RunOne = Callable[[StageCall], StageRecord]
"""Runs one call through the money protocol; see `engine.run_stage`."""


@dataclass(frozen=True)
class Seen:
    """One draw with what the checks said of it. `fault` is why it was not accepted, "" when it was."""

    candidate: Candidate
    results: tuple[CheckResult, ...] = ()
    judged: tuple[StageRecord, ...] = ()
    fault: str = ""

    @property
    def score(self) -> float:
        """The judge's score where there is one, else the mean of the scores that there are; 1 without any."""
        judged = [one.score for one in self.results if one.check == "judge" and one.score is not None]
        found = judged or [one.score for one in self.results if one.score is not None]
        return sum(found) / len(found) if found else 1.0

    @property
    def is_scored(self) -> bool:
        """Whether any check has given it a score."""
        return any(one.score is not None for one in self.results)


def run_accepted(
    call: StageCall, terms: Acceptance, services: Services, run_id: RunId, run: RunOne
) -> StageRecord:
    """Return the choice among a stage's draws, making those that are still needed.

    Draws of earlier runs are checked again for nothing before another one is paid. A run makes at most
    `best_of + reroll` of them; the next run that somebody starts may make as many more, and after that only
    one that is told to pay again.

    Raises:
        OutputUnusable: no draw passed; all of them are kept.
        StageBlocked: the prompt or the account was refused, which no further draw would change.
        StageError, StoreError, RunStopped: see `engine.run_stage`.
    """
    with services.alone(call.fingerprint):
        if record := services.ledger.read_stage(call.pipeline, call.fingerprint):
            _tell(call, run_id, "reused", record)
            return record
        return _Choosing(call, terms, services, run_id, run).choose()


@dataclass
class _Choosing:
    call: StageCall
    terms: Acceptance
    services: Services
    run_id: RunId
    run: RunOne
    seen: list[Seen] = field(default_factory=list[Seen])
    questions: dict[str, StageRecord] = field(default_factory=dict[str, StageRecord])
    """What was made of the prompt, by the model that made it."""

    def choose(self) -> StageRecord:
        started_at = self.services.clock()
        try:
            self._draw()
        except BudgetExceeded as error:
            if not self._accepted():
                raise BudgetExceeded(self.call.label, "; ".join([*self._faults(), error.reason])) from error
        finally:
            best = max(self._accepted(), key=lambda one: (one.score, -one.candidate.number), default=None)
            for one in self.seen:
                if one is not best:
                    self.services.neighbours.release(self.run_id, self._owner(one.candidate))
        if best is None:
            raise self._refusal()
        record = self.services.ledger.commit(self._record(best, started_at))
        _tell(self.call, self.run_id, "finished", record)
        return record

    def _draw(self) -> None:
        """Look at what is there, then finish what was begun, then make what is missing."""
        unfinished: list[Candidate] = []
        number = made = 0
        for candidate in known_candidates(self.call, self.services.ledger):
            number = candidate.number + 1
            made += candidate.is_of(self.run_id)
            if self._is_enough():
                continue
            # What another run spoiled may be made again by this one, which somebody started after it.
            if candidate.record or (candidate.is_spoiled and candidate.is_of(self.run_id)):
                self._look(candidate)
            else:
                unfinished.append(candidate)
        allowed = self.terms.best_of + self.terms.reroll
        for candidate in unfinished:
            if self._is_enough():
                return
            # One of this run's own is counted already.
            made += not candidate.is_of(self.run_id)
            if made > allowed:
                return
            self._make(candidate.number)
        while not self._is_enough() and made < allowed:
            if not self._may_draw():
                return
            self._make(number)
            number, made = number + 1, made + 1

    def _refusal(self) -> OutputUnusable:
        """Return the error of a run that accepts no draw, which is noted under the choice's own name."""
        made = f"{len(self.seen)} draws, none accepted" if len(self.seen) > 1 else "not accepted"
        told = f"{made}: {'; '.join(self._faults())}"
        runs = [verdict.run_id for verdict in self._refusals()]
        if self.run_id not in runs and any(one.candidate.is_of(self.run_id) for one in self.seen):
            verdict = Verdict(
                kind="failed",
                error=OutputUnusable.__name__,
                reason=told,
                run_id=self.run_id,
                kept=tuple(_refused(self.seen)),
                cost_usd=0.0,  # its draws have the spend
                created_at=self.services.clock(),
            )
            self.services.ledger.write_verdict(
                self.call.pipeline, self.call.fingerprint, len(runs) + 1, verdict
            )
        elif len(runs) >= LIMIT:
            named = self.services.named(self.run_id, self.call.label, runs[-1])
            told += (
                f". {len(runs)} runs paid for draws and none was accepted: accept one with `assetmill "
                "accept`, change its prompt, model or checks, or pay for more: `assetmill run --pay-again` "
                f"or `assetmill resolve {named} --retry`; --give-up draws no more"
            )
        return OutputUnusable(self.call.label, told, self._response_id())

    def _may_draw(self) -> bool:
        """Whether a draw more may be paid for, after other runs that paid for some and took none.

        Raises:
            StageFailed: a person gave the stage up.
        """
        runs = len([verdict for verdict in self._refusals() if verdict.run_id != self.run_id])
        place = self.call.pipeline, self.call.fingerprint
        word = self.services.ledger.read_approval(*place, draws_subject(runs)) if runs else None
        if word and not word.is_granted:
            reason = f"given up, says {word.decided_by}: change something about it to make it anew"
            raise StageFailed(self.call.label, reason)
        return runs < LIMIT or word is not None or self.services.may_repeat(self.run_id)

    def _refusals(self) -> Iterator[Verdict]:
        """Yield what is noted of such runs: no attempt of its own has this name."""
        for number in itertools.count(1):
            place = self.call.pipeline, self.call.fingerprint
            if (verdict := self.services.ledger.read_verdict(*place, number)) is None:
                return
            yield verdict

    def _is_enough(self) -> bool:
        return len(self.seen) >= self.terms.best_of and bool(self._accepted())

    def _accepted(self) -> list[Seen]:
        return [one for one in self.seen if not one.fault]

    def _make(self, number: int) -> None:
        """Make a draw, unless what came of it forbids any other."""
        one = candidate_of(self.call, number)
        try:
            with progress.part_of(self.call.label, f"draw {number + 1}"):
                self.run(one)
        except StageError as error:
            candidate = look_up(self.call, number, self.services.ledger)
            # A refused prompt is refused again; only a picture that was refused may come out otherwise.
            is_final = isinstance(error, StageBlocked) and error.scope != "output"
            if is_final or not candidate.is_spoiled:
                raise
        self._look(look_up(self.call, number, self.services.ledger))

    def _look(self, candidate: Candidate) -> None:
        """Check a draw; one that was spoiled is its own fault."""
        if candidate.record is None:
            verdict = candidate.attempt.verdict if candidate.attempt else None
            if verdict is None:
                raise StoreError(
                    f"draw {candidate.number + 1} of {self.call.label!r} ended and cannot be read"
                )
            if self._is_blocked_for_good(verdict.error, verdict.reason):
                raise StageBlocked(self.call.label, verdict.reason, verdict.response_id, "prompt")
            self.seen.append(Seen(candidate, fault=verdict.reason))
            return
        results = list(self._examined(candidate, candidate.record))
        judged: list[StageRecord] = []
        if not _faults_of(results):
            for records, result in self._judged(candidate, candidate.record):
                judged += records
                results.append(result)
        fault = "; ".join(_faults_of(results))
        if fault:
            self.services.neighbours.release(self.run_id, self._owner(candidate))
        self.seen.append(Seen(candidate, tuple(results), tuple(judged), fault))
        self._say(candidate, results, fault)

    @staticmethod
    def _is_blocked_for_good(error: str, reason: str) -> bool:
        return error == StageBlocked.__name__ and "refused the prompt" in reason

    def _examined(self, candidate: Candidate, record: StageRecord) -> Iterator[CheckResult]:
        for checks, asset in self._checked(record):
            specimen = Specimen(asset, self.services.blobs.get(asset.blob))

            def claim(
                specimen: Specimen, own: int, checks: ChecksSpec = checks
            ) -> tuple[AssetRecord, int] | None:
                check = checks.not_duplicate
                if check is None:
                    return None
                owner = self._owner(candidate)
                return self.services.neighbours.claim(
                    self.run_id, owner, specimen.asset, own_hash=own, check=check, hash_of=self._hash_of
                )

            yield from examine_file(checks, specimen, claim)

    def _judged(
        self, candidate: Candidate, record: StageRecord
    ) -> Iterator[tuple[list[StageRecord], CheckResult]]:
        for checks, asset in self._checked(record):
            if checks.judge:
                judge = self._asking(checks.judge)
                view = self._view(asset)
                judged: list[StageRecord] = []
                for model in judge.models(candidate.call.model):
                    with progress.part_of(self.call.label, f"judge of draw {candidate.number + 1}"):
                        judged.append(self.run(judge_call(candidate.call, asset, judge, view, model)))
                yield judged, read_judgement(judged, asset, judge)

    def _asking(self, judge: JudgeCheck) -> JudgeCheck:
        """Return a judge with its questions: made from the prompt by its first model, once for all draws."""
        if not judge.is_from_prompt:
            return judge
        model = judge.models(self.call.model)[0]
        if model not in self.questions:
            with progress.part_of(self.call.label, "questions"):
                self.questions[model] = self.run(questions_call(self.call, model))
        return with_questions(judge, self.questions[model])

    def _view(self, asset: AssetRecord) -> BlobRef | None:
        view = view_for_judge(Specimen(asset, self.services.blobs.get(asset.blob)))
        return self.services.blobs.put(view, "image/png") if view else None

    def _checked(self, record: StageRecord) -> Iterator[tuple[ChecksSpec, AssetRecord]]:
        """Yield each file of an output with its checks: outputs come first and in the order of the call."""
        made = iter([asset for asset in record.outputs if asset.role == "output"])
        for number, expected in enumerate(self.call.outputs):
            checks = self.terms.checks[number] if number < len(self.terms.checks) else None
            for _ in range(expected.count):
                asset = next(made, None)
                if asset and checks:
                    yield checks, asset

    def _hash_of(self, asset: AssetRecord) -> int | None:
        data = self.services.blobs.find(asset.blob)
        specimen = Specimen(asset, data or b"")
        return None if isinstance(specimen.examined, str) else difference_hash(specimen)

    def _owner(self, candidate: Candidate) -> str:
        return f"{self.call.fingerprint}/{candidate.number}"

    def _faults(self) -> list[str]:
        return [f"draw {one.candidate.number + 1}: {one.fault}" for one in self.seen if one.fault]

    def _response_id(self) -> str | None:
        records = [one.candidate.record for one in self.seen if one.candidate.record]
        return records[-1].made_by[-1].response_id if records and records[-1].made_by else None

    def _say(self, candidate: Candidate, results: list[CheckResult], fault: str) -> None:
        unchecked = [
            f"{one.check} not checked: {one.message}" for one in results if one.state == "not_checked"
        ]
        words = ([f"not accepted: {fault}"] if fault else []) + [f"warning: {text}" for text in unchecked]
        if words:
            message = f"draw {candidate.number + 1} {'; '.join(words)}"
            ProgressReporter(self.call.label, self.run_id).waiting(message)

    def _record(self, best: Seen, started_at: float) -> StageRecord:
        chosen = best.candidate.record
        if chosen is None:
            raise StoreError(f"the chosen draw of {self.call.label!r} has no record")
        parts = [one.candidate.cost_usd(self.run_id) for one in self.seen]
        beside = [*(record for one in self.seen for record in one.judged), *self.questions.values()]
        parts += [record.cost_usd if record.run_id == self.run_id else 0.0 for record in beside]
        return chosen.model_copy(
            update={
                "fingerprint": self.call.fingerprint,
                "deciding": self.call.deciding(),
                "run_id": self.run_id,
                "outputs": tuple(self._outputs(best, chosen)),
                "cost_usd": None if None in parts else round(sum(part or 0.0 for part in parts), 8),
                "started_at": started_at,
                "finished_at": self.services.clock(),
                "checks": best.results,
                "draws": tuple(one.candidate.call.fingerprint for one in self.seen),
            }
        )

    def _outputs(self, best: Seen, chosen: StageRecord) -> Iterator[AssetRecord]:
        """Yield what was chosen, then everything else that was paid for, with the reason against it."""
        others = [(one, asset) for one in self.seen if one is not best for asset in _assets(one.candidate)]
        names = distinct(asset.name for asset in (*chosen.outputs, *(asset for _, asset in others)))
        yield from (asset.model_copy(update={"name": next(names)}) for asset in chosen.outputs)
        for ordinal, (one, asset) in enumerate(others, start=1):
            reason = one.fault or _against(one, best)
            changes: dict[str, object] = {"name": next(names)}
            if one.candidate.record is None:
                # What a verdict keeps has an ID that only a commit would make good: this one is.
                own = make_asset_id(self.call.pipeline, self.call.fingerprint, ordinal)
                changes["asset_id"] = own
            yield _candidate(asset, reason).model_copy(update=changes)


def _refused(seen: Iterable[Seen]) -> Iterator[AssetRecord]:
    """Yield the files of draws that were finished and refused, with the reason."""
    for one in seen:
        if one.fault and one.candidate.record:
            yield from (_candidate(asset, one.fault) for asset in one.candidate.record.outputs)


def _candidate(asset: AssetRecord, reason: str) -> AssetRecord:
    role = "candidate" if asset.role == "output" else asset.role
    return asset.model_copy(update={"role": role, "rejected": reason[:1000]})


def _assets(candidate: Candidate) -> tuple[AssetRecord, ...]:
    if candidate.record:
        return candidate.record.outputs
    verdict = candidate.attempt.verdict if candidate.attempt else None
    return verdict.kept if verdict else ()


def _faults_of(results: list[CheckResult]) -> list[str]:
    return [
        f"{one.output}: {one.check}" + (f": {one.message}" if one.message else "")
        for one in results
        if one.state == "failed"
    ]


def _tell(call: StageCall, run_id: RunId, event: progress.StageEventKind, record: StageRecord) -> None:
    seconds = record.finished_at - record.started_at if event == "finished" else 0.0
    unchecked = [one.check for one in record.checks if one.state == "not_checked"]
    message = f"not checked: {', '.join(dict.fromkeys(unchecked))}" if unchecked else ""
    progress.emit(StageEvent(event, call.label, run_id, seconds, record.cost_usd, message=message))


def _against(one: Seen, best: Seen) -> str:
    """Return, for people, why a draw that passed was not taken."""
    taken = f"draw {best.candidate.number + 1}"
    if not one.is_scored and not best.is_scored:
        return f"it passed, and {taken}, which came first, was taken"
    own, more = f"{one.score:.2f}", f"{best.score:.2f}"
    if one.score == best.score:
        return f"it scored {own}; {taken} scored the same, came first and was taken"
    return f"it scored {own}; {taken} scored {more if more > own else 'a little more'} and was taken"
