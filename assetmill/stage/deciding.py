"""A person's word on what an attempt has kept: it becomes the stage's result, and nothing is paid again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from assetmill.agents.outputs import read_response
from assetmill.errors import InvalidInput, KeyMissing
from assetmill.fingerprint import Fingerprint
from assetmill.names import distinct, safe_name
from assetmill.plan.calls import ExpectedOutput, StageCall
from assetmill.records import AssetRecord, AssetRole, Decision, StageRecord, make_asset_id
from assetmill.stage.candidates import known_candidates
from assetmill.stage.services import Services
from assetmill.store.kept import KeptAsset
from assetmill.store.ledger import Ledger


def accept(chosen: KeptAsset, call: StageCall | None, services: Services, decided_by: str) -> StageRecord:
    """Make a kept file its stage's output, beside what its attempt made as it was asked.

    `call` is the stage as its pipeline asks for it now, None where that is no longer known.

    Raises:
        InvalidInput: the stage has its output already, or its attempt is not over.
    """
    _check_open(chosen.pipeline, chosen.fingerprint, services.ledger)
    siblings = _siblings(chosen, services.ledger)
    return _commit(siblings, chosen, call, services, decided_by)


def accept_partial(
    pipeline: str, fp: Fingerprint, call: StageCall | None, services: Services, decided_by: str
) -> StageRecord:
    """Make what the newest attempt has kept its stage's output, though something is missing.

    Raises:
        InvalidInput: the stage has its output already, nothing was kept, or its attempt is not over.
    """
    _check_open(pipeline, fp, services.ledger)
    kept = list(services.ledger.kept.of_stage(pipeline, fp))
    if not kept:
        raise InvalidInput("its attempts have kept nothing that could be accepted")
    newest = max(one.attempt for one in kept)
    siblings = [replace(one, pipeline=pipeline) for one in kept if one.attempt == newest]
    return _commit(siblings, None, call, services, decided_by)


def choose(record: StageRecord, call: StageCall, services: Services, decided_by: str) -> StageRecord:
    """Make a draw that checks refused the choice among a stage's draws.

    Raises:
        InvalidInput: the stage has its choice already.
    """
    _check_open(call.pipeline, call.fingerprint, services.ledger)
    draws = tuple(one.call.fingerprint for one in known_candidates(call, services.ledger))
    reason = next((one.rejected for one in record.outputs if one.rejected), "its checks had not accepted it")
    return services.ledger.commit(
        record.model_copy(
            update={
                "fingerprint": call.fingerprint,
                "deciding": call.deciding(),
                "finished_at": services.clock(),
                "draws": draws,
                "decision": _decision("accepted", record.outputs, reason, services, decided_by),
            }
        )
    )


def _siblings(chosen: KeptAsset, ledger: Ledger) -> list[KeptAsset]:
    found = ledger.kept.of_stage(chosen.pipeline, chosen.fingerprint)
    return [one for one in found if one.attempt == chosen.attempt]


def _check_open(pipeline: str, fp: Fingerprint, ledger: Ledger) -> None:
    if record := ledger.read_stage(pipeline, fp):
        names = ", ".join(asset.name for asset in record.outputs if asset.role == "output")
        raise InvalidInput(
            f"stage {record.label!r} has its output already: {names}; `edit` or export this one"
        )


def _commit(
    siblings: Sequence[KeptAsset],
    chosen: KeptAsset | None,
    call: StageCall | None,
    services: Services,
    decided_by: str,
) -> StageRecord:
    first = siblings[0]
    verdict, pipeline, fp = first.verdict, first.pipeline, first.fingerprint
    if verdict is None:
        raise InvalidInput(
            "its attempt is not over: run the pipeline again first, or see `assetmill resolve`"
        )
    outputs = tuple(_outputs(siblings, chosen, call))
    taken = [chosen.asset] if chosen else [one.asset for one in siblings if one.asset.role == "output"]
    made_by = next((one.asset.made_by for one in siblings if one.asset.made_by), None)
    return services.ledger.commit(
        StageRecord(
            pipeline=pipeline,
            stage=first.asset.stage,
            variant=first.asset.variant,
            fingerprint=fp,
            deciding=call.deciding() if call else {},
            attempt=first.attempt,
            run_id=verdict.run_id,
            made_by=(made_by,) if made_by else (),
            outputs=outputs,
            text=_text(pipeline, fp, first.attempt, services.ledger),
            cost_usd=verdict.cost_usd,
            started_at=min(one.asset.created_at for one in siblings),
            finished_at=services.clock(),
            decision=_decision(
                "accepted" if chosen else "partial", taken, verdict.reason, services, decided_by
            ),
        )
    )


def _decision(
    kind: Literal["accepted", "partial"],
    taken: Sequence[AssetRecord],
    reason: str,
    services: Services,
    decided_by: str,
) -> Decision:
    return Decision(
        kind=kind,
        decided_by=decided_by,
        reason=reason,
        assets=tuple(asset.asset_id for asset in taken),
        created_at=services.clock(),
    )


def _outputs(
    siblings: Sequence[KeptAsset], chosen: KeptAsset | None, call: StageCall | None
) -> list[AssetRecord]:
    """Return what was kept as the stage's outputs, in the order of the call; candidates come after."""
    target = _target(siblings, chosen, call)
    placed: list[tuple[AssetRecord, AssetRole, str]] = []
    for one in siblings:
        asset, role = one.asset, one.asset.role
        if chosen and asset.asset_id == chosen.asset.asset_id:
            placed.append((asset, "output", _called(asset, target)))
        elif chosen and target and role == "output" and _is_of(asset, target):
            placed.append((asset, "candidate", asset.name))  # the chosen one takes its place
        elif role == "output" and chosen and target is None and call is None:
            placed.append((asset, "candidate", asset.name))
        else:
            placed.append((asset, role, asset.name))
    wanted = [output.name for output in call.outputs] if call else []
    placed.sort(
        key=lambda one: (one[1] != "output", wanted.index(one[2]) if one[2] in wanted else len(wanted))
    )
    names = distinct(name for _, _, name in placed)
    first = siblings[0]
    return [
        asset.model_copy(
            update={
                "asset_id": make_asset_id(first.pipeline, first.fingerprint, number),
                "name": name,
                "role": role,
                "rejected": "" if role == "output" else asset.rejected,
            }
        )
        for number, (name, (asset, role, _)) in enumerate(zip(names, placed, strict=True), start=1)
    ]


def _target(
    siblings: Sequence[KeptAsset], chosen: KeptAsset | None, call: StageCall | None
) -> ExpectedOutput | None:
    """Return the output that the chosen file is to be: its own, else one that nothing was made for."""
    if chosen is None or call is None or not call.outputs:
        return None
    if own := next((one for one in call.outputs if _is_of(chosen.asset, one)), None):
        return own
    made = [one.asset for one in siblings if one.asset.role == "output"]
    free = [one for one in call.outputs if not any(_is_of(asset, one) for asset in made)]
    fitting = [one for one in (free or call.outputs) if one.kind == chosen.asset.kind]
    return (fitting or free or list(call.outputs))[0]


def _is_of(asset: AssetRecord, output: ExpectedOutput) -> bool:
    stem = output.name.rpartition(".")[0] or output.name
    return asset.role == "output" and (asset.name.rpartition(".")[0] or asset.name) == stem


def _called(asset: AssetRecord, target: ExpectedOutput | None) -> str:
    if target is None:
        return asset.name
    stem, extension = target.name.rpartition(".")[0] or target.name, asset.name.rpartition(".")[2]
    return safe_name(f"{stem}.{extension}")


def _text(pipeline: str, fp: Fingerprint, attempt: int, ledger: Ledger) -> str:
    """Return the words of the attempt's newest response, which later stages may read."""
    newest = ledger.newest_attempt(pipeline, fp)
    turns = len(newest.turns) if newest and newest.number == attempt else 1
    try:
        return read_response(json.loads(ledger.read_raw(pipeline, fp, attempt, turns))).text
    except KeyMissing:
        return ""
