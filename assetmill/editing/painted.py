"""A mask that somebody painted over a picture: kept beside the picture, as what an edit may change."""

from __future__ import annotations

from assetmill.editing.orders import PIPELINE
from assetmill.editing.retouch import masks
from assetmill.editing.retouch.canvas import open_picture
from assetmill.fingerprint import digest
from assetmill.names import safe_name
from assetmill.records import AssetRecord, RunId
from assetmill.stage.derived import LocalFile, LocalStage, run_local
from assetmill.stage.services import Services


def keep_painted(data: bytes, asset: AssetRecord, services: Services, run_id: RunId) -> AssetRecord:
    """Keep a painted mask, white where the picture may change; painting the same again finds the first one.

    Raises:
        InvalidInput: it is no mask of this picture.
    """
    size = open_picture(services.blobs.get(asset.blob), asset.name).size
    masks.mask_from_file(data, "painted", size)
    deciding = {"operation": "painted", "version": 1, "content": digest(data)}
    name = safe_name(f"{asset.name.rpartition('.')[0] or asset.name}-painted.png")
    local = LocalStage(PIPELINE, "painted", "", deciding, (asset.asset_id,))
    record = run_local(local, services, run_id, lambda: ([LocalFile.picture(name, data, size, "mask")], {}))
    return record.outputs[0]
