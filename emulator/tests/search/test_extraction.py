"""Text out of files: the kinds that are read, broken ones, and passages."""

from __future__ import annotations

import contextlib
import io
import itertools
import zipfile

import pytest
from foundry_emulator.search.extraction import MAX_TEXT, UnreadableFile, chunk, extract_text
from hypothesis import given
from hypothesis import strategies as st


def archive(**members: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as zipped:
        for name, text in members.items():
            zipped.writestr(zipfile.ZipInfo(name), text)
    return stream.getvalue()


def pdf(text: str) -> bytes:
    content = f"BT /F1 12 Tf 50 100 Td ({text}) Tj ET".encode()
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R "
        b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
    ]
    body, places = b"%PDF-1.4\n", list[int]()
    for number, part in enumerate(parts, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % len(body)
    return body + b"xref\n0 5\n0000000000 65535 f \n" + table + end


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("a.md", b"# Title\r\nBody", "# Title\nBody"),
        ("a.txt", "\ufeffGrüße".encode(), "Grüße"),
        ("a.txt", "Grüße".encode("utf-16"), "Grüße"),
        ("a.py", b"x = 1\n", "x = 1\n"),
        ("a.json", b'{"a":[1]}', '{\n "a": [\n  1\n ]\n}'),
        ("a.json", b"{broken", "{broken"),
        ("a.html", b"<style>p{}</style><h1>Hi</h1><p>a &amp; b<script>x</script></p>", "Hi\na & b"),
        (
            "a.docx",
            archive(**{"word/document.xml": "<w:p><w:t>One</w:t></w:p><w:p><w:t>T&lt;wo</w:t></w:p>"}),
            "One\nT<wo",
        ),
        (
            "a.pptx",
            archive(**{f"ppt/slides/slide{n}.xml": f"<a:p><a:t>Page {n}</a:t></a:p>" for n in (10, 2)}),
            "Page 2\n\nPage 10",
        ),
        ("a.pdf", pdf("Warm light"), "Warm light"),
    ],
)
def test_text_is_read_by_the_kind_of_file(name: str, data: bytes, text: str) -> None:
    assert extract_text(name, data) == text


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.docx", b"no zip"),
        ("a.docx", archive(other="x")),
        ("a.pptx", archive(**{"word/document.xml": "x"})),
        ("a.pdf", b"no pdf"),
        ("a.pdf", b"%PDF-1.4\ntrailer << /Root 1 0 R >>"),
        ("a.txt", b"\x89PNG\x00\x00"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(UnreadableFile):
        extract_text(name, data)


@given(data=st.binary(max_size=300), kind=st.sampled_from(["docx", "pptx", "txt", "html", "json", "md"]))
def test_any_bytes_give_text_or_a_refusal(data: bytes, kind: str) -> None:
    with contextlib.suppress(UnreadableFile):
        assert len(extract_text(f"a.{kind}", data)) <= MAX_TEXT


@given(
    ends=st.lists(st.sampled_from([" ", ". ", "\n", "\n\n"]), max_size=120),
    size=st.integers(3, 40),
    overlap=st.integers(0, 40),
)
def test_passages_are_short_and_hold_every_word_in_order(ends: list[str], size: int, overlap: int) -> None:
    words = [f"w{place}" for place in range(len(ends))]
    passages = chunk("".join(word + end for word, end in zip(words, ends, strict=True)), size, overlap)
    assert all(0 < len(passage) <= size * 4 for passage in passages)
    held = [word.rstrip(".") for passage in passages for word in passage.split()]
    assert list(dict.fromkeys(held)) == words


def test_passages_overlap_and_end_at_sentences() -> None:
    text = " ".join(f"Sentence number {n} is here." for n in range(60))
    passages = chunk(text, 50, 25)
    assert all(passage.endswith(".") for passage in passages)
    for one, other in itertools.pairwise(passages):
        assert other.split(".")[0] in one
    assert passages[-1].endswith("Sentence number 59 is here.")
