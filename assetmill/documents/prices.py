"""What commands print of models and their prices."""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

from assetmill.documents.models import Json, JsonDocument


class PriceListDocument(JsonDocument):
    """Dollars per million tokens by model; null is unknown."""

    as_of: str
    chat: dict[str, Json]
    image: dict[str, Json]


class PriceChangesDocument(JsonDocument):
    """What a public price list says otherwise than the project's."""

    source: str
    read: str
    compared: int
    changes: list[Json]


class ModelsDocument(JsonDocument):
    """How long the models live that the project uses; `near` counts those that end soon."""

    within_days: int
    near: int
    models: list[Json]
