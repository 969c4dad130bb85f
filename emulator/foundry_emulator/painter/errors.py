"""The one error of the image tool, in the words of the service."""

from __future__ import annotations


class ImageToolError(Exception):
    """A request that the image tool cannot carry out; `code` is the wire error's code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
