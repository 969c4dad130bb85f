"""What the commands around local stages print."""

from assetmill.documents.models import Json, JsonDocument


class FontsDocument(JsonDocument):
    """The project's fonts; `uses` are the texts of a pipeline with how many letters each font writes."""

    fonts: list[Json]
    uses: list[Json]


class LocalisedDocument(JsonDocument):
    """The stages of a pipeline that need no agent, and whether they were rewritten."""

    pipeline: str
    path: str
    stages: list[Json]
    is_written: bool
