"""Warnings about judges: two that would make the same mistakes say no more than one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from assetmill.spec.chat_models import ChatModel
from assetmill.spec.pipeline import LoadedPipeline
from assetmill.spec.reading import Where


def judge_remarks(pipeline: LoadedPipeline) -> Iterator[tuple[int | None, str, str]]:
    """Yield what is doubtful about judges, with the line and a hint.

    A model that no table knows, a deployment of one's own, may be of any family.
    """
    for number, stage in enumerate(pipeline.spec.stages):
        for at, output in enumerate(stage.outputs):
            judge = output.checks.judge if output.checks else None
            where: Where = ("stages", number, "outputs", at, "checks", "judge")
            for family, names in _families(judge.judges or () if judge else (), pipeline.chat_models).items():
                message = (
                    f"stage {stage.name!r}: the judges {' and '.join(names)} are of one family, {family}"
                )
                hint = "take models of different families: these share their mistakes"
                yield pipeline.document.line((*where, "judges")), message, hint


def _families(names: tuple[str, ...], known: Mapping[str, ChatModel]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        if name in known:
            found[known[name].family].append(name)
    return {family: members for family, members in found.items() if len(members) > 1}
