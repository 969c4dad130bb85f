"""Models of what few pipeline files have: imported and built when a file has it, not at every start."""

from __future__ import annotations

import importlib
from functools import cached_property
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema


class _Later:
    """Reads a value as the type of that name in a module; what is wrong with it is told as usual."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    @cached_property
    def _type(self) -> Any:
        return getattr(importlib.import_module(self._module), self._name)

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self._type)

    def _read(self, value: Any) -> Any:
        return self._adapter.validate_python(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        # Inside another schema: only there a model gets a name among the definitions.
        whole = core_schema.no_info_before_validator_function(self._read, self._adapter.core_schema)
        return handler(whole)


def later(module: str, name: str) -> Any:
    """Return what stands in an annotation for a type that is imported when a value of it is read."""
    return Annotated[Any, _Later(module, name)]
