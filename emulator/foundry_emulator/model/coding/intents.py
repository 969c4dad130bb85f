"""Which pieces of code a request leads to, in the order in which they have to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from foundry_emulator.model.coding import (
    archive,
    charts,
    compose,
    convert,
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
from foundry_emulator.model.coding.job import Job

Writer = Callable[[Job], str | None]

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


def writers(job: Job) -> list[Writer]:
    """Return what has to be written for the request, in order; empty when it asks for no code that is known.

    Only the choice is made here: each writer is asked again when its turn comes, with what was made by then.
    """
    if fenced.write(job):
        return [fenced.write]
    chosen: list[Writer] = [sums.write_times_table] if sums.write_times_table(job) else []
    if charts.write(job):
        chosen.append(charts.write)
    elif not (compose.asked(job.text) and job.pictures()) and tables.write(job):
        chosen.append(tables.write)
    chosen += [writer for writer in _picture_writers(job) if writer(job)]
    if not chosen:
        chosen += [writer for writer in ALONE if writer(job)][:1]
    if texts.write(job) and not (chosen and tables.write in chosen):
        chosen.append(texts.write)
    if archive.write(job) or (chosen and archive.asked(job.text)):
        chosen.append(archive.write)
    return chosen


def _picture_writers(job: Job) -> Iterator[Writer]:
    joined = compose.asked(job.text) and not sheet.asked(job.text)
    laid_over = overlay.asked(job.text)
    for writer in PICTURE_WORK:
        if writer is convert.write and (sizes.asked(job.text) or joined or laid_over):
            continue
        if writer is compose.write and (not joined or laid_over):
            continue
        if writer is sizes.write and ((joined or laid_over) and not _sizes_by_verb(job)):
            continue
        yield writer


def _sizes_by_verb(job: Job) -> bool:
    return sizes.asked(job.text) and any(
        verb in job.text.lower() for verb in ("resiz", "crop", "variant", "thumbnail")
    )
