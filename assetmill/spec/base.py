"""What all models of a pipeline file share."""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

from pydantic import BaseModel, ConfigDict


class SpecModel(BaseModel):
    """A part of what a person writes: a key that it does not know is refused, nothing changes it later."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)
