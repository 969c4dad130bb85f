"""What commands print of models and their prices."""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

from pydantic import Field

from assetmill.documents.models import Json, JsonDocument


class PriceListDocument(JsonDocument):
    """Dollars per million tokens by model; null is unknown."""

    as_of: str
    chat: dict[str, Json]
    image: dict[str, Json]


class PriceChangesDocument(JsonDocument):
    """What a public price list says otherwise than the project's, and the endpoint of its models' ends."""

    source: str
    read: str
    compared: int
    changes: list[Json]
    models: list[Json] = Field(default_factory=list[Json])


class MigratedDocument(JsonDocument):
    """What changes for another model, its sample with both sides of every row, and the files written.

    Of `run_before` and `run_after`, `cost_usd` is null while a part is unknown. `sample_expected` has the
    sample's pictures by the price list, and the rest as the `seen` of its `stages` that have run took it.
    """

    to: str
    pipelines: list[Json]
    notes: list[str]
    files: list[str]
    sample_cost: Json
    sample_expected: Json
    spent_usd: float | None
    rows: list[Json]
    pages: dict[str, str]
    written: list[str]


class ModelsDocument(JsonDocument):
    """How long the models live that the project uses; `near` counts those that end soon."""

    within_days: int
    near: int
    models: list[Json]
