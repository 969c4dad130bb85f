"""A name's media type: the same with and without the tables of the system."""

from __future__ import annotations

import mimetypes

import pytest

from assetmill.spec.file_kinds import UNKNOWN, media_type_of

SUFFIXES = (
    "png",
    "jpeg",
    "jpg",
    "gif",
    "svg",
    "json",
    "csv",
    "txt",
    "html",
    "pdf",
    "PNG",
    "webp",
    "md",
    "zip",
)
STEMS = ("a.", ".", "..", "b/.", "b/a.", "data:,a.", "http://x/a.", "a.tar.", "")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_media_type_is_the_standard_librarys(suffix: str) -> None:
    names = [f"{stem}{suffix}" for stem in STEMS]
    assert [media_type_of(name) for name in names] == [
        mimetypes.guess_type(name)[0] or UNKNOWN for name in names
    ]
