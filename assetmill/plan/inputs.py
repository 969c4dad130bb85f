"""A stage's inputs with their digests: outputs of stages before, stored assets, local files, addresses."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from assetmill.fingerprint import canonical, digest
from assetmill.pictures import MOST_PIXELS
from assetmill.plan.calls import BoundInput, BoundKnowledge, InputRole
from assetmill.plan.localfiles import blob_of_file
from assetmill.plan.slots import Pen, Slot, is_open
from assetmill.records import AssetId, AssetRecord, BlobRef, StageRecord
from assetmill.spec.axes import slug
from assetmill.spec.checks import SAFE_NAME
from assetmill.spec.knowledge import knowledge_files
from assetmill.spec.pipeline import InputSpec, LoadedPipeline
from assetmill.spec.reading import Problems, Where

if TYPE_CHECKING:
    from assetmill.looking import Form

Assets = Callable[[AssetId], AssetRecord | None]
Fetch = Callable[[str], Path]

PICTURES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})


class _Found(NamedTuple):
    """What an input means, before it has its role."""

    name: str
    blob: BlobRef
    asset_id: AssetId | None = None
    path: str | None = None


@dataclass
class Inputs:
    """Finds the inputs of one plan's stages; every file and knowledge set is digested once.

    `warnings` fills with what of a picture gets lost.
    """

    pipeline: LoadedPipeline
    assets: Assets
    fetch: Fetch | None
    slots: Mapping[str, Slot]
    warnings: dict[str, None] = field(default_factory=dict[str, None])
    _files: dict[str, BlobRef] = field(default_factory=dict[str, BlobRef])
    _faults: dict[str, str] = field(default_factory=dict[str, str])
    _forms: dict[str, Form | None] = field(default_factory=dict[str, "Form | None"])
    _sets: dict[str, BoundKnowledge] = field(default_factory=dict[str, BoundKnowledge])

    def bound(self, pen: Pen, records: Mapping[str, StageRecord]) -> Iterator[BoundInput]:
        """Yield a slot's inputs in the order of the file; a draft leaves out those from stages before."""
        names: set[tuple[str, str]] = set()
        for number, entry in enumerate(pen.slot.spec.inputs):
            where: Where = ("inputs", number)
            for found in self._found(entry, where, pen, records):
                role = _role(entry, found.blob, where, pen)
                if found.path and role != "container_file":
                    self._check_picture(found.path, where, pen)
                name = found.name if SAFE_NAME.fullmatch(found.name) else slug(found.name)
                if (role, name) in names:
                    pen.problem(where, f"two inputs are called {name!r}", "give one of them a `name`")
                names.add((role, name))
                yield BoundInput(name, role, found.blob, found.asset_id, found.path)

    def sources(self, pen: Pen, records: Mapping[str, StageRecord]) -> Iterator[tuple[int, BoundInput]]:
        """Yield what a local stage works on, each with the number of its entry in the stage's `given`."""
        for number, entry in enumerate(pen.slot.spec.given):
            where: Where = ("inputs", number) if number < len(pen.slot.spec.inputs) else ("make",)
            for found in self._found(entry, where, pen, records):
                if found.path and found.blob.media_type in PICTURES:
                    self._check_picture(found.path, where, pen)
                    self._check_pixels(found.path, where, pen)
                yield number, BoundInput(found.name, "source", found.blob, found.asset_id, found.path)

    def font(self, path: Path, name: str, where: Where, pen: Pen) -> BoundInput | None:
        """Return a font's file as an input; None when it cannot be read, which is noted."""
        blob = self._blob(path, where, pen)
        return blob and BoundInput(name, "font", blob, None, str(path))

    def reference(self, path: Path, name: str, where: Where, pen: Pen) -> BoundInput | None:
        """Return a style kit's picture as an input; None when it is none, which is noted."""
        blob = self._blob(path, where, pen)
        if blob is not None and blob.media_type not in PICTURES:
            pen.problem(where, f"{str(path)!r} is no picture")
            return None
        if blob is None:
            return None
        self._check_picture(str(path), where, pen)
        return BoundInput(name, "picture", blob, None, str(path))

    def knowledge_set(self, name: str, problems: Problems) -> BoundKnowledge:
        """Return a knowledge set with its files digested."""
        if name not in self._sets:
            files = tuple(self._knowledge_files(name, problems))
            pairs = [[file.name, file.blob.digest] for file in files]
            self._sets[name] = BoundKnowledge(name, digest(canonical(pairs)), files)
        return self._sets[name]

    def _knowledge_files(self, name: str, problems: Problems) -> Iterator[BoundInput]:
        patterns = self.pipeline.spec.knowledge[name]
        for path in knowledge_files(self.pipeline, name, patterns, problems):
            try:
                yield BoundInput(path.name, "container_file", blob_of_file(path), path=str(path))
            except (OSError, ValueError) as error:
                problems.add(("knowledge", name), f"cannot read {str(path)!r}: {_reason(error)}")

    def _found(
        self, entry: InputSpec, where: Where, pen: Pen, records: Mapping[str, StageRecord]
    ) -> Iterator[_Found]:
        if entry.from_ is not None:
            if not pen.is_draft:
                yield from self._from_upstream(entry, where, pen, records)
            return
        source = pen.write((*where, "source"), entry.file or entry.asset or entry.url or "")
        if pen.is_draft and is_open(source):
            return
        name = pen.write((*where, "name"), entry.name) if entry.name else ""
        if entry.asset is not None:
            if asset := self._asset(source, where, pen):
                yield _Found(name or asset.name, asset.blob, asset_id=asset.asset_id)
            return
        path = self._path(source, entry, where, pen)
        if path and (blob := self._blob(path, where, pen)):
            yield _Found(name or path.name, blob, path=str(path))

    def _from_upstream(
        self, entry: InputSpec, where: Where, pen: Pen, records: Mapping[str, StageRecord]
    ) -> Iterator[_Found]:
        glob = pen.write((*where, "output"), entry.output)
        found = [
            (label, asset)
            for label in pen.slot.upstream[str(entry.from_)]
            for asset in records[label].outputs
            if asset.role == "output" and fnmatch.fnmatchcase(asset.name, glob)
        ]
        if not found:
            pen.problem(where, f"stage {entry.from_!r} has no output {glob!r}")
        names = [asset.name for _, asset in found]
        for label, asset in found:
            name = asset.name
            if entry.name and len(found) == 1:
                name = pen.write((*where, "name"), entry.name)
            elif names.count(name) > 1:
                name = f"{slug(self.slots[label].variant.replace('=', '-'))}-{name}"
            yield _Found(name, asset.blob, asset_id=asset.asset_id)

    def _asset(self, source: str, where: Where, pen: Pen) -> AssetRecord | None:
        try:
            asset = self.assets(AssetId(source))
        except ValueError:
            asset = None
        if asset is None:
            pen.problem(where, f"no asset {source[:120]!r} in this store")
        return asset

    def _path(self, source: str, entry: InputSpec, where: Where, pen: Pen) -> Path | None:
        if entry.url is None:
            return self.pipeline.find_file(source)
        if not source.startswith("https://"):
            pen.problem(where, f"not an https address: {source[:120]!r}")
        elif self.fetch is None:
            pen.problem(where, "an address cannot be fetched here", "give a `file:` or an `asset:`")
        else:
            return self.fetch(source)
        return None

    def _check_picture(self, path: str, where: Where, pen: Pen) -> None:
        """Note a picture that cannot be taken: a plan looks at its structure, who sends it decodes it."""
        if path not in self._faults:
            from assetmill.taking import fault_of_picture  # few pipelines are given a file

            try:
                data = Path(path).read_bytes()
                self._faults[path] = fault_of_picture(data)
                self._note_losses(path, data)
            except OSError as error:
                self._faults[path] = _reason(error)
        if fault := self._faults[path]:
            pen.problem(where, f"{path!r} cannot be used as a picture: {fault}")

    def _check_pixels(self, path: str, where: Where, pen: Pen) -> None:
        """Note a picture that is too large to be worked on; its head tells."""
        if self._faults[path]:
            return
        if path not in self._forms:
            from assetmill.taking import form_of

            self._forms[path] = form_of(Path(path).read_bytes())
        form = self._forms[path]
        if form and form.width * form.height > MOST_PIXELS:
            size = f"{form.width}x{form.height} pixels"
            most = f"more than the {MOST_PIXELS:,} that can be held"
            pen.problem(where, f"{path!r} has {size}, {most}", "scale it down first")

    def _note_losses(self, path: str, data: bytes) -> None:
        from assetmill.taking import lost_on_the_way

        if lost := lost_on_the_way(data):
            said = f"{path}: the service is given it as it is; in what it draws, {'; '.join(lost)}"
            self.warnings[said] = None

    def _blob(self, path: Path, where: Where, pen: Pen) -> BlobRef | None:
        key = str(path)
        if key not in self._files:
            try:
                self._files[key] = blob_of_file(path)
            except (OSError, ValueError) as error:
                pen.problem(where, f"cannot read {key!r}: {_reason(error)}")
                return None
        return self._files[key]


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _role(entry: InputSpec, blob: BlobRef, where: Where, pen: Pen) -> InputRole:
    is_picture = blob.media_type in PICTURES
    if entry.as_:
        if entry.as_ != "container_file" and not is_picture:
            pen.problem(where, f"{blob.media_type} cannot be a {entry.as_}")
        return entry.as_
    runs_code = pen.slot.spec.tool("code_interpreter") is not None
    if is_picture and (pen.slot.spec.drawing or not runs_code):
        return "picture"
    if not runs_code:
        pen.problem(where, f"no tool reads {blob.media_type}", "add the tool code_interpreter")
    return "container_file"
