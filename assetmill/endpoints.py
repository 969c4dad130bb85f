"""What was learnt of an endpoint: what it can be asked for, and whether it keeps what a fence rests on."""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

from typing import Literal

from assetmill.records import Stored, Way

EndpointFeature = Literal["image_file", "image_call"]
"""Input pictures by file ID; by the ID of an earlier image call."""

Ability = Literal[
    "background",
    "stream",
    "foreground",
    "metadata",
    "listing",
    "image_file",
    "image_url",
    "image_data",
    "image_small",
    "image_call",
    "container_listing",
    "container_citation",
    "stream_pictures",
    "picture_read",
    "background_reattach",
    "stream_reattach",
    "flex",
]
"""What an endpoint can be asked for: ways of posting, a lane, what it lists and echoes, forms of pictures,
how the files of a container are told of, whether a stream that was cut goes on."""


class EndpointRefusal(Stored):
    """An endpoint takes no input of this form, as it said itself; nobody asks it again."""

    schema_version: Literal[1] = 1
    endpoint: str
    feature: EndpointFeature
    reason: str
    created_at: float


class EndpointAbility(Stored):
    """What an endpoint was seen to do or to refuse, and by what; the newest one counts."""

    schema_version: Literal[1] = 1
    endpoint: str
    ability: Ability
    holds: bool
    evidence: str
    created_at: float


class EndpointProbe(Stored):
    """What an endpoint was seen to keep of the assumptions that a fence rests on, in one way of posting."""

    schema_version: Literal[1] = 1
    endpoint: str
    kept: dict[str, bool]
    created_at: float
    way: Way = "background"

    @property
    def allows_fence(self) -> bool:
        """Whether every assumption held, and none was left out."""
        is_whole = self.way == "background" or any(name.startswith("A6") for name in self.kept)
        return bool(self.kept) and is_whole and all(self.kept.values())
