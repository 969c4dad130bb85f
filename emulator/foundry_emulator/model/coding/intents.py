"""Which pieces of code a request leads to, in the order in which they have to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from foundry_emulator.model.coding import (
    archive,
    charts,
    compose,
    convert,
    curves,
    fenced,
    found,
    overlay,
    palette,
    sheet,
    sizes,
    sums,
    tables,
    texts,
)
from foundry_emulator.model.coding.request import CodeRequest

Writer = Callable[[CodeRequest], str | None]

PICTURE_WORK: tuple[Writer, ...] = (
    sizes.write,
    overlay.write,
    palette.write,
    convert.write,
    compose.write,
    sheet.write,
)
"""Makes pictures of pictures; several may be asked for at once, and the sheet shows what the others made."""

ALONE: tuple[Writer, ...] = (sums.write, found.write)
"""Work out an answer; tried one after the other when nothing else applies."""


def writers(request: CodeRequest) -> list[Writer]:
    """Return what has to be written for the request, in order; empty when it asks for no code that is known.

    Only the choice is made here: each writer is asked again when its turn comes, with what was made by then.
    """
    if fenced.write(request):
        return [fenced.write]
    chosen: list[Writer] = [sums.write_times_table] if sums.write_times_table(request) else []
    if charts.write(request):
        chosen.append(charts.write)
    elif curves.write(request):
        return [*chosen, curves.write]
    elif not (compose.asked(request.text) and request.pictures()) and tables.write(request):
        chosen.append(tables.write)
    chosen += [writer for writer in _picture_writers(request) if writer(request)]
    if not chosen:
        chosen += [writer for writer in ALONE if writer(request)][:1]
    if texts.write(request) and not (chosen and tables.write in chosen):
        chosen.append(texts.write)
    if archive.write(request) or (chosen and archive.asked(request.text)):
        chosen.append(archive.write)
    return chosen


def _picture_writers(request: CodeRequest) -> Iterator[Writer]:
    joined = compose.asked(request.text) and not sheet.asked(request.text)
    laid_over = overlay.asked(request.text)
    for writer in PICTURE_WORK:
        if writer is convert.write and (sizes.asked(request.text) or joined or laid_over):
            continue
        if writer is compose.write and (not joined or laid_over):
            continue
        if writer is sizes.write and ((joined or laid_over) and not _sizes_by_verb(request)):
            continue
        yield writer


def _sizes_by_verb(request: CodeRequest) -> bool:
    return sizes.asked(request.text) and any(
        verb in request.text.lower() for verb in ("resiz", "crop", "variant", "thumbnail")
    )
