"""Short forms: what may stand in a file for a whole value, as it is read and as JSON Schema tells it."""

# No postponed annotations here: pydantic would compile and evaluate the text of each at every start.

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import ByteSize, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

Form = Mapping[str, Any]
"""The JSON Schema of a short form."""

TEXT: Form = {"type": "string"}
TEXTS: Form = {"type": "array", "items": TEXT}
NUMBER: Form = {"type": "number"}
WHOLE_NUMBER: Form = {"type": "integer"}


class ShortForms:
    """In an annotation: `read` makes the whole value of a short one, and leaves everything else as it is.

    Both are said in one place, because an editor marks as wrong what the schema does not know.
    """

    def __init__(self, read: Callable[[Any], Any], *forms: Form) -> None:
        self._read, self._forms = read, forms

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        whole = handler(schema)
        return {"anyOf": [*self._told(whole), *(whole.get("anyOf") or [whole])]}

    def _told(self, whole: Form) -> tuple[Form, ...]:
        return self._forms


class OneOrMore(ShortForms):
    """Lets one value of a type stand for a list of one."""

    def __init__(self, kind: type) -> None:
        super().__init__(lambda value: [value] if isinstance(value, kind) else value)

    def _told(self, whole: Form) -> tuple[Form, ...]:
        return (whole["items"],)


Bytes = Annotated[ByteSize, ShortForms(lambda value: value, TEXT)]
"""A number of bytes, or as `120 kB`."""
