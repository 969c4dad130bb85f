"""What a stage or an output says of its reviewers: `approval: required`, or who, how many and until when."""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from assetmill.spec.base import SpecModel
from assetmill.spec.schedules import seconds_of
from assetmill.spec.short_forms import TEXT, ShortForms
from assetmill.spec.tools import Names


class ApprovalSpec(SpecModel):
    """Whose approval the pictures need before a stage after them may have them.

    `by` names groups of reviewers, whose words alone count; left out, every reviewer's does. `count` of them
    must approve. Pictures on which nobody has decided `within` that time are then what `else` says.
    """

    by: Names = ()
    count: int = Field(default=1, ge=1, le=20)
    within: Annotated[float | None, ShortForms(seconds_of, TEXT)] = Field(default=None, gt=0, le=366 * 86400)
    else_: Literal["reject", "approve"] | None = Field(default=None, alias="else")

    @model_validator(mode="after")
    def _has_a_time(self) -> Self:
        if self.else_ is not None and self.within is None:
            raise ValueError("`else` needs a time: write `within: 3d` beside it")
        return self

    @property
    def late(self) -> Literal["reject", "approve"]:
        """What becomes of pictures on which nobody has decided in time."""
        return self.else_ or "reject"


def _as_terms(value: Any) -> Any:
    if value == "required":
        return {}
    if isinstance(value, str):
        raise ValueError("write `required`, or who approves: `{by: [brand], count: 2, within: 3d}`")
    return value


ApprovalTerms = Annotated[ApprovalSpec | None, ShortForms(_as_terms, {"const": "required"})]
