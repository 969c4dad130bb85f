"""Which of the files that came are outputs, and which are listed beside them."""

from __future__ import annotations

from assetmill.agents.harvest import MadeFile, gather
from assetmill.agents.outputs import read_response
from assetmill.plan.calls import ExpectedOutput
from assetmill.records import ResponseRef, ServiceHandle
from assetmill.store.blobs import Blobs
from assetmill.store.memory import MemoryStore
from tests.doubles import stage_call

MADE_BY = ResponseRef(
    response_id="resp_1", conversation_id="conv_1", endpoint="https://e",
    agent_name="a", agent_version="1", model="m",
)  # fmt: skip
NOTHING_ELSE = read_response({"output": []})


def made(name: str, data: bytes, blobs: Blobs) -> MadeFile:
    handle = ServiceHandle(kind="container_file", id=f"cfile_{name}", endpoint="https://e", created_at=1.0)
    return MadeFile(name, blobs.put(data, "text/csv"), None, "", handle)


def test_the_same_bytes_under_a_second_name_are_no_candidate() -> None:
    """A chart that is shown and saved comes twice: what counts is the content, not the file that holds it."""
    blobs = Blobs(MemoryStore())
    files = [made("sales.csv", b"a,b\n", blobs), made("cfile_9.csv", b"a,b\n", blobs)]
    call = stage_call(outputs=(ExpectedOutput("data", "sales.csv"),))
    found = gather(call, files, NOTHING_ELSE, MADE_BY, blobs)
    assert found.problems == ()
    assert [(asset.name, asset.role) for asset in found.assets] == [("sales.csv", "output")]


def test_other_bytes_under_another_name_are_a_candidate() -> None:
    blobs = Blobs(MemoryStore())
    files = [made("sales.csv", b"a,b\n", blobs), made("costs.csv", b"c,d\n", blobs)]
    call = stage_call(outputs=(ExpectedOutput("data", "sales.csv"),))
    found = gather(call, files, NOTHING_ELSE, MADE_BY, blobs)
    assert [(asset.name, asset.role) for asset in found.assets] == [
        ("sales.csv", "output"),
        ("costs.csv", "candidate"),
    ]


def test_one_content_fills_one_place_of_several() -> None:
    blobs = Blobs(MemoryStore())
    files = [made("a.csv", b"a,b\n", blobs), made("b.csv", b"a,b\n", blobs)]
    call = stage_call(outputs=(ExpectedOutput("data", "part.csv", count=2),))
    assert gather(call, files, NOTHING_ELSE, MADE_BY, blobs).problems == (
        "'part.csv': 1 of 2 data files were made",
    )


def test_a_file_takes_the_place_that_it_fits_best() -> None:
    """One without its own name takes no other's, and one that came twice keeps its first place and name."""
    blobs = Blobs(MemoryStore())
    files = [
        made("image-1.csv", b"drawn\n", blobs),
        made("parts.csv", b"parts\n", blobs),
        made("totals.csv", b"totals\n", blobs),
        made("cfile_77.csv", b"drawn\n", blobs),
    ]
    wanted = ("report.csv", "totals.csv", "parts.csv")
    call = stage_call(outputs=tuple(ExpectedOutput("data", name) for name in wanted))
    found = gather(call, files, NOTHING_ELSE, MADE_BY, blobs)
    contents = {asset.name: blobs.get(asset.blob) for asset in found.assets}
    assert contents == {"report.csv": b"drawn\n", "totals.csv": b"totals\n", "parts.csv": b"parts\n"}
