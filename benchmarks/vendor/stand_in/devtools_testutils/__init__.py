"""Takes the place of the vendor's recording helper: every test runs live, and nothing is recorded."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from typing import Any

Test = Callable[..., Any]


class _Names(type):
    def __getattr__(cls, name: str) -> str:
        return name


class RecordedTransport(metaclass=_Names):
    """Any transport there is: none is recorded."""


def is_live() -> bool:
    return True


def is_live_and_not_recording() -> bool:
    return True


def recorded_by_proxy(*transports: object) -> Any:
    """Leave a test as it is, with or without arguments."""

    def leave(test: Test) -> Test:
        return test

    return transports[0] if len(transports) == 1 and callable(transports[0]) else leave


class AzureRecordedTestCase:
    """What the vendor's test classes inherit."""

    def is_live(self) -> bool:
        return True

    def get_credential(self, client_class: object, *, is_async: bool = False, **_: object) -> Any:
        from azure.identity import DefaultAzureCredential
        from azure.identity.aio import DefaultAzureCredential as AsyncDefaultAzureCredential

        return AsyncDefaultAzureCredential() if is_async else DefaultAzureCredential()


class EnvironmentVariableLoader:
    """Passes settings to a test as keyword arguments: the environment's, or the vendor's defaults."""

    def __init__(self, directory: str, **defaults: str) -> None:
        self._values = {name: os.environ.get(name.upper(), value) for name, value in defaults.items()}

    def __call__(self, test: Test) -> Test:
        @functools.wraps(test)
        def given(*arguments: Any, **named: Any) -> Any:
            return test(*arguments, **{**self._values, **named})

        @functools.wraps(test)
        async def given_later(*arguments: Any, **named: Any) -> Any:
            return await test(*arguments, **{**self._values, **named})

        chosen = given_later if inspect.iscoroutinefunction(inspect.unwrap(test)) else given
        signature = inspect.signature(test)
        asked = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        # pytest takes parameters for fixtures.
        chosen.__signature__ = signature.replace(parameters=asked)  # type: ignore[attr-defined]
        return chosen


def _nothing(*_: object, **__: object) -> None:
    """Clean nothing: there is no recording."""


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return _nothing
