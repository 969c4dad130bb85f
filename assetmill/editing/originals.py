"""What the service is given of an asset: the asset itself, or a copy that it can work on, and the mask."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PIL import Image

from assetmill.editing.adopting import read_file
from assetmill.editing.orders import (
    PIPELINE,
    EditOrder,
    Subject,
    drawn_size,
    image_model,
    is_picture,
    result_name,
)
from assetmill.editing.retouch import masks
from assetmill.editing.retouch.canvas import as_seen, open_picture, save_png
from assetmill.editing.retouch.frame import framed, framed_mask, is_one_shape, sheet_size, window_in
from assetmill.errors import InvalidInput
from assetmill.fingerprint import digest
from assetmill.history.assets import AssetFinder, local_file
from assetmill.looking import Form, Look
from assetmill.pictures import PictureDamaged
from assetmill.progress import ProgressReporter
from assetmill.records import AssetRecord, RunId, StageRecord
from assetmill.spec.image_models import parse_size
from assetmill.stage.derived import Facts, LocalFile, LocalStage, run_local
from assetmill.stage.services import Services
from assetmill.taking import Taken, foreign_format, losses, take, way_out


def prepare_subject(
    order: EditOrder, asset: AssetRecord, finder: AssetFinder, services: Services, run_id: RunId
) -> tuple[Subject, list[StageRecord]]:
    """Return what is edited, and the records of what had to be made for it.

    Raises:
        InvalidInput: a mask that does not fit the picture.
    """
    data = services.blobs.get(asset.blob)
    if not is_picture(asset):
        if foreign := foreign_format(data[:256], asset.blob.media_type):
            raise InvalidInput(f"{asset.name!r} cannot be edited: {way_out(foreign)}")
        return Subject(asset, None, has_alpha=False, given=asset), []
    picture = open_picture(data, asset.name)
    taken = _taken(data, asset.name)
    form = Look(taken.data).form
    if order.is_masked:
        _check_lossless(form, asset.name)
    subject = Subject(
        asset, picture.size, has_alpha=picture.mode == "RGBA", given=asset, profile=form.profile
    )
    worker = _Preparing(order, asset, picture, as_seen(data, asset.name), finder, services, run_id)
    records: list[StageRecord] = []
    sheet = worker.sheet()
    lost = losses(form)
    # A camera's own turn shows as another size or not at all, and what else is odd as anything.
    if form.turn != 1 or lost or taken.behind_bytes or sheet != picture.size:
        said = () if order.is_masked else lost
        records.append(worker.frame(sheet, said, is_converted=bool(lost)))
        if said:
            ProgressReporter(records[-1].label, run_id).waiting(f"warning: {'; '.join(said)}")
        subject = replace(subject, given=records[-1].outputs[0], window=window_in(picture.size, sheet))
    if order.is_masked:
        mask, wire = worker.masks(sheet)
        records += [mask] if wire is mask else [mask, wire]
        subject = replace(subject, own_mask=mask.outputs[0], mask=wire.outputs[0])
    return subject, records


def _taken(data: bytes, name: str) -> Taken:
    try:
        return take(data)
    except PictureDamaged as error:
        raise InvalidInput(f"{name!r} is not a whole picture: {error}") from error


def _check_lossless(form: Form, name: str) -> None:
    """Refuse a mask where what it promises to keep could not be kept as it is stored."""
    kept = replace(form, profile="") if form.mode in {"RGB", "RGBA", "P"} else form
    if lost := losses(kept):
        words = "; ".join(lost)
        raise InvalidInput(
            f"{name!r}: a mask keeps what is outside it as it is stored, and in an edit {words}."
            " Convert the picture yourself and edit that, or leave the mask out"
        )


@dataclass(frozen=True)
class _Preparing:
    """One picture and the order for it."""

    order: EditOrder
    asset: AssetRecord
    picture: Image.Image
    seen: Image.Image
    """The same in sRGB: what the service is given, which asks for no profile."""

    finder: AssetFinder
    services: Services
    run_id: RunId

    def sheet(self) -> tuple[int, int]:
        """Return the size of what the service is given.

        A masked edit must come back pixel on pixel, so the picture is laid on a sheet of the drawn shape.
        """
        size = self.picture.size
        if not self.order.is_masked:
            return size
        shape = parse_size(drawn_size(self.order, image_model(self.order, self.services.settings), size))
        return size if shape is None or is_one_shape(size, shape) else sheet_size(size, shape)

    def frame(self, sheet: tuple[int, int], lost: tuple[str, ...], *, is_converted: bool) -> StageRecord:
        """Keep what the service is given in the picture's place, and what of the picture it has lost."""

        def make() -> tuple[list[LocalFile], Facts]:
            data = save_png(framed(self.seen, sheet), like=self.seen)
            name = result_name(self.asset, suffix="sheet", extension="png")
            return [LocalFile.picture(name, data, sheet, "prepared")], {"lost": list(lost)} if lost else {}

        deciding = {
            "operation": "frame",
            "version": 1,
            "content": self.asset.blob.digest,
            "size": list(sheet),
            **({"colours": "sRGB", "lost": list(lost)} if is_converted else {}),
        }
        local = LocalStage(PIPELINE, "frame", "", deciding, (self.asset.asset_id,))
        return run_local(local, self.services, self.run_id, make)

    def masks(self, sheet: tuple[int, int]) -> tuple[StageRecord, StageRecord]:
        """Return the mask of the picture and that of its sheet, which may be the same."""
        source, mask = self._mask()
        own = self._keep(source, mask, self.picture.size)
        if sheet == self.picture.size:
            return own, own
        return own, self._keep({**source, "sheet": list(sheet)}, framed_mask(mask, sheet), sheet)

    def _keep(self, source: Facts, mask: Image.Image, size: tuple[int, int]) -> StageRecord:
        def make() -> tuple[list[LocalFile], Facts]:
            name = result_name(self.asset, suffix="mask", extension="png")
            share = 1 - mask.histogram()[0] / (mask.width * mask.height)
            data = {"editable_percent": round(100 * share, 3)}
            return [LocalFile.picture(name, masks.wire_mask(mask), size, "mask")], data

        deciding = {"operation": "mask", "version": 1, **source, "size": list(size)}
        local = LocalStage(
            PIPELINE, "mask", "sheet" if "sheet" in source else "", deciding, (self.asset.asset_id,)
        )
        return run_local(local, self.services, self.run_id, make)

    def _mask(self) -> tuple[Facts, Image.Image]:
        """Return what decides the mask, and the mask."""
        size, order = self.picture.size, self.order
        if order.box is not None:
            return {"box": order.box.replace(" ", "")}, masks.mask_from_box(order.box, size)
        if order.mask is None:
            return {"alpha": self.asset.blob.digest}, masks.mask_from_alpha(self.picture, self.asset.name)
        path = local_file(order.mask)
        if path is not None:
            data, name = read_file(path), path.name
        else:
            found = self.finder.find(order.mask)
            data, name = self.services.blobs.get(found.blob), found.name
        return {"file": digest(data)}, masks.mask_from_file(data, name, size)
