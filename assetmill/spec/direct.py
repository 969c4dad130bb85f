"""What a stage may not say whose image model is called itself: there is no agent to say it to."""

from __future__ import annotations

from assetmill.spec.pipeline import StageSpec
from assetmill.spec.reading import Problems, Where

_FOR_AGENTS = ("instructions", "model", "reasoning", "image_deployment", "tool_choice", "max_tool_calls")


def check_direct(stage: StageSpec, where: Where, problems: Problems) -> None:
    """Note what contradicts a direct call, before anything is planned or paid."""
    if not stage.tool("image_model"):
        return
    if others := sorted({tool.type for tool in stage.tools} - {"image_model"}):
        message = f"stage {stage.name!r} calls an image model itself: no agent is there to use {others[0]}"
        problems.add((*where, "tools"), message, "give the other tools a stage of their own")
    for key in _FOR_AGENTS:
        if getattr(stage, key) is not None:
            hint = "name it `deployment` under the tool" if key == "image_deployment" else "leave it out"
            problems.add((*where, key), f"{key} is for an agent, and {stage.name!r} has none", hint)
    if stage.json_schema is not None:
        problems.add((*where, "schema"), "an image model answers with a picture, not with data", "")
    _check_outputs(stage, where, problems)


def _check_outputs(stage: StageSpec, where: Where, problems: Problems) -> None:
    wanted = sum(output.count for output in stage.outputs)
    if wanted > 1:
        hint = "use for_each, best_of or another stage"
        problems.add((*where, "outputs"), f"one call draws one picture, not {wanted}", hint)
    for number, output in enumerate(stage.outputs):
        place = (*where, "outputs", number)
        if output.alpha or (output.checks and output.checks.alpha):
            hint = "cut it out in a stage with code_interpreter"
            problems.add((*place, "alpha"), "an image model that is called itself draws no alpha", hint)
        judge = output.checks.judge if output.checks else None
        if judge and not (judge.model or judge.judges):
            message = "the stage has no agent whose model could judge"
            problems.add((*place, "checks", "judge"), message, "name its `model`")
