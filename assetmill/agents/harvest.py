"""From a finished response to assets: every file fetched, kept, examined and given its name.

Bytes are stored before anything is decided about them: a picture that is not what was asked was paid for
all the same, and is kept as a candidate.
"""

from __future__ import annotations

import fnmatch
import time
from collections import Counter
from dataclasses import dataclass, replace

from assetmill.agents.outputs import Produced
from assetmill.fingerprint import Digest
from assetmill.names import distinct, safe_name
from assetmill.pictures import EXTENSIONS, PictureDamaged, PictureFacts, examine, sniff
from assetmill.plan.calls import ExpectedOutput, StageCall
from assetmill.records import (
    AssetKind,
    AssetRecord,
    AssetRole,
    BlobRef,
    ResponseRef,
    ServiceHandle,
    make_asset_id,
)
from assetmill.spec.file_kinds import ACCEPTED, UNKNOWN, kind_of, media_type_of
from assetmill.store.blobs import Blobs


@dataclass(frozen=True)
class MadeFile:
    """A file that a response made: stored, examined, not yet named as an output.

    One with a `role` was made on the way, and is never taken for an output.
    """

    name: str
    blob: BlobRef
    facts: PictureFacts | None
    damage: str
    handle: ServiceHandle
    revised_prompt: str = ""
    is_drawn: bool = False
    role: AssetRole | None = None


@dataclass(frozen=True)
class CollectedFiles:
    """Everything a stage made, as assets, and what is wrong with it in words; no problems means accepted.

    `is_short`: of something that was asked for there are too few files.
    """

    assets: tuple[AssetRecord, ...]
    problems: tuple[str, ...]
    is_short: bool = False


def keep_pictures(produced: Produced, blobs: Blobs, endpoint: str, response_id: str) -> dict[int, MadeFile]:
    """Store the pictures of all image calls whose base64 is sound, by the position of the call."""
    made: dict[int, MadeFile] = {}
    ids = Counter(image.call_id for image in produced.images)
    for number, image in enumerate(produced.images, start=1):
        data = image.decode()
        if data is None:
            continue
        facts, damage = _facts(data)
        media_type = facts.media_type if facts else UNKNOWN
        # An ID that is missing or comes twice means no picture: only the response can be asked for it.
        has_id = image.call_id and ids[image.call_id] == 1
        handle = handle_of(
            *(("image_call", image.call_id) if has_id else ("response", response_id)), endpoint
        )
        name = f"image-{number}.{EXTENSIONS.get(media_type, 'bin')}"
        blob = blobs.put(data, media_type)
        made[image.position] = MadeFile(
            name, blob, facts, damage, handle, image.revised_prompt, is_drawn=True
        )
    return made


def keep_on_the_way(
    role: AssetRole, name: str, blob: BlobRef, data: bytes, response: tuple[str, str]
) -> MadeFile:
    """Return a stored picture that is no output: a screenshot, the last frame of one that never came.

    `data` are its bytes; `response` is the ID and the endpoint of the response during which it was made.
    """
    facts, damage = _facts(data)
    return MadeFile(name, blob, facts, damage, handle_of("response", *response), role=role)


def gather(
    call: StageCall,
    files: list[MadeFile],
    produced: Produced,
    made_by: ResponseRef,
    blobs: Blobs,
    *,
    may_write: bool = True,
) -> CollectedFiles:
    """Give the files their names and roles after what the stage must produce.

    `may_write`: the answer's own words may stand for a text or a table that no file holds.
    """
    problems = [f"{file.name}: {file.damage}" for file in files if file.damage and file.role is None]
    free = [file for file in files if file.role is None]
    named, is_short = list[tuple[MadeFile, ExpectedOutput]](), False
    for expected in call.outputs:
        matching = _matching(free, expected, others={other.name for other in call.outputs} - {expected.name})
        if not matching and may_write and expected.kind in {"text", "data"} and produced.text:
            matching = [_written(expected, produced.text, made_by, blobs)]
        taken = matching[: expected.count]
        if len(taken) < expected.count:
            is_short = True
            problems.append(
                f"{expected.name!r}: {len(taken)} of {expected.count} {expected.kind} files were made"
            )
        problems += [text for file in taken for text in _differences(file, expected)]
        named += [(renamed, expected) for renamed in _renamed(taken, expected)]
        # A chart that is shown and saved is there twice: its other name is no candidate.
        kept = {file.blob.digest for file in taken}
        free = [file for file in free if file.blob.digest not in kept]
    if problems or not any(file.is_drawn for file in files):
        # A refusal that the agent overcame by itself is no fault of what it then drew.
        problems += [f"image call refused: {image.error}" for image in produced.images if image.error]
    on_the_way = [file for file in files if file.role is not None]
    return CollectedFiles(_records(call, named, [*free, *on_the_way], made_by), tuple(problems), is_short)


def _records(
    call: StageCall,
    named: list[tuple[MadeFile, ExpectedOutput]],
    free: list[MadeFile],
    made_by: ResponseRef,
) -> tuple[AssetRecord, ...]:
    # Where nothing is named, whatever was saved is the output; a figure that was only shown is not.
    is_saved = any(not is_pseudo(file) for file in free)
    listed: list[tuple[MadeFile, AssetKind, AssetRole]] = []
    listed.extend((file, output.kind, "output") for file, output in named)
    for file in free:
        is_extra = bool(call.outputs) or (is_saved and is_pseudo(file))
        listed.append(
            (file, kind_of(file.blob.media_type), file.role or ("candidate" if is_extra else "output"))
        )
    names = distinct(file.name for file, _, _ in listed)
    parents = tuple(bound.asset_id for bound in call.inputs if bound.asset_id)
    return tuple(
        AssetRecord(
            asset_id=make_asset_id(call.pipeline, call.fingerprint, ordinal),
            name=name,
            kind=kind,
            blob=file.blob,
            stage=call.stage,
            variant=call.variant,
            role=as_role,
            prompt=call.prompt,
            revised_prompt=file.revised_prompt,
            width=file.facts.width if file.facts else None,
            height=file.facts.height if file.facts else None,
            made_by=made_by,
            derived_from=parents,
            handles=(file.handle,),
            created_at=time.time(),
        )
        for ordinal, (name, (file, kind, as_role)) in enumerate(zip(names, listed, strict=True), start=1)
    )


def examined(name: str, data: bytes, handle: ServiceHandle, blobs: Blobs) -> MadeFile:
    """Store a file's bytes and say what they are, whatever its name says."""
    facts, damage = _facts(data) if sniff(data) else (None, "")
    media_type = facts.media_type if facts else media_type_of(name)
    if media_type.startswith("image/") and media_type != "image/svg+xml" and facts is None:
        damage = damage or "not the picture that its name says"
        media_type = UNKNOWN
    return MadeFile(name, blobs.put(data, media_type), facts, damage, handle)


def _facts(data: bytes) -> tuple[PictureFacts | None, str]:
    try:
        return examine(data), ""
    except PictureDamaged as error:
        return None, str(error)


def _matching(files: list[MadeFile], expected: ExpectedOutput, others: set[str]) -> list[MadeFile]:
    """Return the whole files that an output may be, one for each content, the likeliest first.

    The one with its name comes first, those with a name of the `others` last, of the rest those as asked for.
    """

    def unlikeliness(file: MadeFile) -> tuple[bool, bool, bool]:
        return file.name != expected.name, file.name in others, bool(_differences(file, expected))

    fitting = sorted((file for file in files if not file.damage and _fits(file, expected)), key=unlikeliness)
    # One that is there twice keeps its first place and name.
    found = dict[Digest, MadeFile]()
    for file in fitting:
        found.setdefault(file.blob.digest, file)
    return list(found.values())


def _fits(file: MadeFile, expected: ExpectedOutput) -> bool:
    return kind_of(file.blob.media_type) in ACCEPTED[expected.kind] and fnmatch.fnmatchcase(
        file.name, expected.pattern
    )


def _differences(file: MadeFile, expected: ExpectedOutput) -> list[str]:
    facts = file.facts
    if facts is None:
        return []
    wrong: list[str] = []
    if expected.format and facts.format.lower() != expected.format.lower().replace("jpg", "jpeg"):
        wrong.append(f"{file.name} is {facts.format}, not {expected.format}")
    for side, asked, found in (
        ("wide", expected.width, facts.width),
        ("high", expected.height, facts.height),
    ):
        if asked is not None and asked != found:
            wrong.append(f"{file.name} is {found} px {side}, not {asked}")
    if expected.has_alpha is not None and expected.has_alpha != facts.has_alpha:
        wrong.append(f"{file.name} has {'no' if expected.has_alpha else 'an'} alpha channel")
    return wrong


def _renamed(files: list[MadeFile], expected: ExpectedOutput) -> list[MadeFile]:
    """Name one file after its output; of several, drawn ones get a number and others keep their own name."""
    stem, _, extension = expected.name.rpartition(".") if "." in expected.name else (expected.name, "", "")
    found: list[MadeFile] = []
    for number, file in enumerate(files, start=1):
        own = extension or EXTENSIONS.get(file.blob.media_type) or file.name.rpartition(".")[2]
        if expected.count == 1:
            found.append(replace(file, name=safe_name(f"{stem}.{own}")))
        elif file.is_drawn:
            found.append(replace(file, name=safe_name(f"{stem}-{number}.{own}")))
        else:
            found.append(file)
    return found


def _written(expected: ExpectedOutput, text: str, made_by: ResponseRef, blobs: Blobs) -> MadeFile:
    """Make a file of the answer's own words, for a stage that must write."""
    extension = "json" if expected.kind == "data" else "md"
    name = safe_name(expected.name if "." in expected.name else f"{expected.name}.{extension}")
    media_type = {"json": "application/json", "csv": "text/csv"}.get(name.rpartition(".")[2], "text/markdown")
    handle = handle_of("response", made_by.response_id, made_by.endpoint)
    return MadeFile(name, blobs.put(text.encode(), media_type), None, "", handle)


def handle_of(kind: str, service_id: str, endpoint: str, container_id: str | None = None) -> ServiceHandle:
    """Return the service's ID for something that it made just now."""
    return ServiceHandle.model_validate(
        {
            "kind": kind,
            "id": service_id,
            "endpoint": endpoint,
            "container_id": container_id,
            "created_at": time.time(),
        }
    )


def is_pseudo(file: MadeFile) -> bool:
    """Whether a file is called after its own ID: a figure that was shown and not saved."""
    return file.name.startswith(file.handle.id)
