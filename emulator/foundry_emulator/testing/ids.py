"""Names of parametrised tests: the same in every process, whatever their values hold."""

from __future__ import annotations

LONGEST = 60
"""Characters or bytes of a value that is its own name in a test's ID."""


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name long values after their argument.

    A whole file in an ID says nothing and may hold the time it was made; two processes of pytest-xdist that
    collect different IDs end the whole run.
    """
    return argname if isinstance(val, bytes | str) and len(val) > LONGEST else None
