"""What the commands around local stages print."""

from assetmill.documents.models import Json, JsonDocument


class FontsDocument(JsonDocument):
    """The project's fonts; `uses` are the texts of a pipeline with how many letters each font writes."""

    fonts: list[Json]
    uses: list[Json]


class CompletionDocument(JsonDocument):
    """What a shell reads to offer names at TAB."""

    shell: str
    script: str


class LogsDocument(JsonDocument):
    """What happened in a run and when; each event has `at`, `label` and `message`."""

    run_id: str
    events: list[Json]


class LocalisedDocument(JsonDocument):
    """The stages of a pipeline that need no agent, and whether they were rewritten."""

    pipeline: str
    path: str
    stages: list[Json]
    is_written: bool
