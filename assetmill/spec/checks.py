"""What the models cannot say: names that must exist, cycles, templates, files, outputs that no tool makes."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from assetmill.errors import InvalidSpec, NotFound
from assetmill.spec.contradictions import Asked, Makers, contradictions, schema_faults
from assetmill.spec.direct import check_direct
from assetmill.spec.image_models import parse_size
from assetmill.spec.knowledge import knowledge_files
from assetmill.spec.parameters import check_definitions
from assetmill.spec.pipeline import IDENTIFIER, LoadedPipeline, OutputSpec, StageSpec
from assetmill.spec.reading import Problems, Where, nearest
from assetmill.spec.styles import load_style
from assetmill.spec.templates import Template, TemplateProblem, compile_template
from assetmill.spec.tools import TOOLS, FileSearch, Function

UPSTREAM = ("text", "data", "outputs", "variants")
"""What a template may take of a stage before."""

RESERVED = frozenset(
    {"stages", "inputs", "range", "loop", "self", "true", "false", "none", "not", "and", "or"}
)
REJECTION = "rejection"
"""What a stage that needs approval knows of the picture that was rejected before: `rejection.reason`."""
SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}")


def variable_name(stage: str) -> str:
    """Return the name under which templates know a stage: `size-variants` is `stages.size_variants`."""
    return stage.replace("-", "_")


def template_of(source: str) -> Template | None:
    """Return a template, None when it is not valid: that is reported once, by `check_pipeline`."""
    try:
        return compile_template(source)
    except TemplateProblem:
        return None


def upstream_of(pipeline: LoadedPipeline) -> Mapping[str, tuple[str, ...]]:
    """Return for each stage those whose outputs it sees, by input or template, in the order of the file."""
    words = _stage_words(pipeline)
    return {stage.name: _upstream(words, stage) for stage in pipeline.spec.stages}


def _stage_words(pipeline: LoadedPipeline) -> Mapping[str, str]:
    return {variable_name(stage.name): stage.name for stage in pipeline.spec.stages}


def _upstream(words: Mapping[str, str], stage: StageSpec) -> tuple[str, ...]:
    named = {entry.from_ for entry in stage.given if entry.from_}
    for _, source in stage.texts():
        if "stages" in source and (template := template_of(source)):
            attributes = template.attributes("stages")
            named |= {words.get(variable_name(word), word) for word in attributes}
    return tuple(name for name in words.values() if name in named) if named else ()


def check_pipeline(pipeline: LoadedPipeline, problems: Problems) -> None:
    """Note everything that is wrong beyond the shape of the file."""
    spec = pipeline.spec
    check_definitions(spec.parameters, problems)
    if spec.schedules:
        from assetmill.spec.schedules import check_schedules  # few files have any

        check_schedules(spec.schedules, spec.parameters, problems)
    _check_names(pipeline, problems)
    _check_axes(pipeline, problems)
    _check_knowledge(pipeline, problems)
    words = _stage_words(pipeline)
    for number, stage in enumerate(spec.stages):
        where: Where = ("stages", number)
        _check_links(pipeline, stage, where, problems)
        _check_templates(pipeline, stage, where, words, problems)
        _check_tools(pipeline, stage, where, problems)
        check_direct(stage, where, problems)
        _check_styles(pipeline, stage, where, problems)
        _check_inputs(stage, where, problems)
        _check_outputs(stage, where, problems)
        _check_approval(pipeline, stage, where, problems)
    _check_cycles(pipeline, words, problems)


def _check_names(pipeline: LoadedPipeline, problems: Problems) -> None:
    spec = pipeline.spec
    seen: set[str] = set()
    for number, stage in enumerate(spec.stages):
        word = variable_name(stage.name)
        if word in seen:
            problems.add(("stages", number, "name"), f"two stages are called {stage.name!r}")
        seen.add(word)
    for section, names in (("parameters", spec.parameters), ("axes", pipeline.axes)):
        for name in names:
            place = pipeline.axes[name][1] if section == "axes" else (section, name)
            if not re.match(IDENTIFIER, name) or name in RESERVED or keyword.iskeyword(name):
                hint = "lower-case letters, digits and _, beginning with a letter; not a reserved word"
                problems.add(place, f"{name!r} cannot be the name of {_a(section)}", hint)


def _check_axes(pipeline: LoadedPipeline, problems: Problems) -> None:
    parameters = pipeline.spec.parameters
    for name, (axis, place) in pipeline.axes.items():
        if name in parameters:
            problems.add(place, f"{name!r} is both a parameter and an axis")
        if axis.parameter is not None and axis.parameter not in parameters:
            hint = nearest(axis.parameter, parameters)
            problems.add(place, f"axis {name!r}: unknown parameter {axis.parameter!r}", hint)
        template = template_of(axis.rows) if axis.rows else None
        for word in sorted(template.names - set(parameters)) if template else ():
            hint = nearest(word, parameters)
            problems.add(place, f"axis {name!r}: template names an unknown variable {word!r}", hint)


def _a(section: str) -> str:
    return "a parameter" if section == "parameters" else "an axis"


def _check_knowledge(pipeline: LoadedPipeline, problems: Problems) -> None:
    for name, patterns in pipeline.spec.knowledge.items():
        if not re.match(IDENTIFIER.replace("_]", "_-]"), name):
            problems.add(("knowledge", name), f"{name!r} cannot be the name of a knowledge set")
        knowledge_files(pipeline, name, patterns, problems)


def _check_links(pipeline: LoadedPipeline, stage: StageSpec, where: Where, problems: Problems) -> None:
    names = [other.name for other in pipeline.spec.stages]
    for need in stage.needs:
        if need not in names:
            problems.add((*where, "needs"), f"stage {stage.name!r} needs an unknown stage {need!r}",
                         nearest(need, names))  # fmt: skip
    for number, entry in enumerate(stage.given):
        if entry.from_ is not None and entry.from_ not in names:
            place = (*where, *_place_of(stage, number, entry.from_))
            problems.add(place,
                         f"stage {stage.name!r} takes from an unknown stage {entry.from_!r}",
                         nearest(entry.from_, names))  # fmt: skip
    for name, axis in stage.for_each.items():
        if name not in pipeline.axes:
            problems.add((*where, "for_each"), f"unknown axis {name!r}", nearest(name, pipeline.axes))
        elif axis is not None and pipeline.axes[name][0] != axis:
            problems.add(
                (*where, "for_each", name), f"axis {name!r} is defined twice", "put it under `axes:`"
            )


def _place_of(stage: StageSpec, number: int, word: str) -> Where:
    """Return where a stage names one that it takes from: an input, or the first entry of `make` that does."""
    if number < len(stage.inputs):
        return ("inputs", number, "from")
    return ("make", next(n for n, one in enumerate(stage.make) if word in dict(one.sources)))


def _check_templates(
    pipeline: LoadedPipeline, stage: StageSpec, where: Where, words: Mapping[str, str], problems: Problems
) -> None:
    known = _known_variables(frozenset(pipeline.spec.parameters), frozenset(pipeline.axes))
    if stage.needs_approval:
        known |= {REJECTION}
    for place, source in _all_texts(pipeline, stage):
        spot = place[1:] if place[:1] == ("/",) else (*where, *place)
        try:
            template = compile_template(source)
        except TemplateProblem as error:
            problems.add_in_text(spot, source, error.line, error.message)
            continue
        for name in sorted(template.names - known):
            line = 1 + source[: max(source.find(name), 0)].count("\n")
            message = f"template names an unknown variable {name!r}"
            hint = nearest(name, known)
            problems.add_in_text(spot, source, line, f"{message}" + (f" ({hint})" if hint else ""))
        for word in sorted(template.attributes("stages")):
            if variable_name(word) not in words:
                problems.add(spot, f"template names an unknown stage {word!r}", nearest(word, words))
        if stage.needs_approval and (unknown := template.attributes(REJECTION) - {"reason"}):
            problems.add(spot, f"a rejection has no {min(unknown)!r}", "it has a `reason`")
        for path in sorted(template.paths):
            if path[0] == "stages" and len(path) > 2 and path[2] not in UPSTREAM:
                problems.add(spot, f"a stage has no {path[2]!r}", nearest(path[2], UPSTREAM))


@lru_cache(maxsize=8)
def _known_variables(parameters: frozenset[str], axes: frozenset[str]) -> frozenset[str]:
    return parameters | axes | {"stages", "inputs"}


def _all_texts(pipeline: LoadedPipeline, stage: StageSpec) -> Iterable[tuple[Where, str]]:
    yield from stage.texts()
    for key in ("instructions", "size", "quality"):
        if text := getattr(pipeline.spec.defaults, key):
            yield ("/", "defaults", key), text


def _check_tools(pipeline: LoadedPipeline, stage: StageSpec, where: Where, problems: Problems) -> None:
    # Several functions or servers make sense in one stage, several image tools do not.
    names = [tool.wire()["name"] if isinstance(tool, Function) else tool.type for tool in stage.tools]
    for name, count in Counter(n for n in names if n != "mcp").items():
        if count > 1:
            problems.add((*where, "tools"), f"stage {stage.name!r} has the tool {name!r} twice")
    for number, tool in enumerate(stage.tools):
        if not isinstance(tool, FileSearch):
            continue
        for name in tool.knowledge:
            if name not in pipeline.spec.knowledge:
                problems.add((*where, "tools", number, "knowledge"), f"unknown knowledge set {name!r}",
                             nearest(name, pipeline.spec.knowledge))  # fmt: skip
        if not pipeline.spec.knowledge:
            problems.add((*where, "tools", number), "file_search has nothing to search", "add `knowledge:`")
    choices = {*TOOLS, "auto", "required", "none"}
    if stage.tool_choice is not None and stage.tool_choice not in choices | set(names):
        problems.add((*where, "tool_choice"), f"unknown tool_choice {stage.tool_choice!r}",
                     nearest(stage.tool_choice, choices))  # fmt: skip


def _check_styles(pipeline: LoadedPipeline, stage: StageSpec, where: Where, problems: Problems) -> None:
    for number, name in enumerate(stage.style):
        if "{" in name:
            continue  # known when it is bound
        try:
            kit = load_style(name, pipeline.configs)
        except (NotFound, InvalidSpec) as error:
            problems.add((*where, "style", number), str(error))
            continue
        if kit.references and not stage.drawing:
            message = f"style kit {name!r} has reference pictures, which no tool of stage {stage.name!r} sees"
            problems.add((*where, "style", number), message, "add image_generation")


def _check_inputs(stage: StageSpec, where: Where, problems: Problems) -> None:
    for number, entry in enumerate(stage.inputs):
        place = (*where, "inputs", number)
        if entry.as_ == "mask" and not stage.tool("image_generation"):
            problems.add(place, "a mask needs the tool image_generation")
        if entry.as_ == "container_file" and not stage.tool("code_interpreter"):
            problems.add(place, "a container file needs the tool code_interpreter")
        if entry.url is not None and not entry.url.startswith("https://") and "{" not in entry.url:
            problems.add(place, f"not an https address: {entry.url!r}")


def _check_outputs(stage: StageSpec, where: Where, problems: Problems) -> None:
    makers = {"image_generation", "image_model", "code_interpreter"} & {tool.type for tool in stage.tools}
    names = Counter(output.name for output in stage.outputs)
    for number, output in enumerate(stage.outputs):
        place = (*where, "outputs", number)
        is_answer = output.kind == "data" and stage.json_schema is not None
        if output.kind != "text" and not makers and not is_answer:
            problems.add(place, f"no tool of stage {stage.name!r} makes {output.name!r}",
                         "add image_generation or code_interpreter")  # fmt: skip
        elif "code_interpreter" not in makers and makers and output.kind != "picture":
            problems.add(place, f"{min(makers)} makes pictures, not {output.kind!r}", "add code_interpreter")
        if names[output.name] > 1:
            problems.add(place, f"two outputs are called {output.name!r}")
        if "{" not in output.name and not SAFE_NAME.fullmatch(output.name):
            problems.add(place, f"{output.name!r} is not a safe file name", "letters, digits, `.`, `_`, `-`")
        if output.size and "{" not in output.size and not parse_size(output.size):
            problems.add(place, f"{output.size!r} is not a size", "write WIDTHxHEIGHT, as 1200x630")
        elif makers or output.kind == "text" or is_answer:
            for key, message, hint in contradictions(_asked(output), _makers(stage)):
                problems.add((*place, key), message, hint)
    _check_calls(stage, where, problems)
    if stage.json_schema is not None:
        _check_schema(stage.json_schema, (*where, "schema"), problems)


def _check_approval(pipeline: LoadedPipeline, stage: StageSpec, where: Where, problems: Problems) -> None:
    if not stage.needs_approval:
        return
    if REJECTION in pipeline.spec.parameters or REJECTION in pipeline.axes:
        message = f"stage {stage.name!r} knows a rejection by the name {REJECTION!r}, which is taken"
        problems.add(where, message, "give the parameter or the axis another name")
    if stage.approval and not stage.drawing and not stage.outputs:
        problems.add((*where, "approval"), f"stage {stage.name!r} makes no file that could be approved")


def _makers(stage: StageSpec) -> Makers:
    image = stage.drawing
    known = image.model_dump(exclude_none=True) if image else None
    return Makers(known, stage.tool("code_interpreter") is not None)


def _asked(output: OutputSpec) -> Asked:
    return Asked(
        kind=output.kind,
        name=output.name,
        count=output.count,
        pattern=output.pattern or "",
        format=output.format or "",
        size=output.size or "",
        alpha=output.alpha,
        checks=output.checks,
    )


def _check_calls(stage: StageSpec, where: Where, problems: Problems) -> None:
    """Note where the stage may not call its tools often enough for what it must make."""
    made = [output for output in stage.outputs if output.kind != "text"]
    if not made or not stage.tools:
        return
    if stage.tool_choice == "none":
        problems.add(
            (*where, "tool_choice"), f"without a tool nothing makes {made[0].name!r}", "leave it out"
        )
    wanted = sum(output.count for output in made)
    is_drawn = _makers(stage).only_draws
    if is_drawn and stage.max_tool_calls is not None and stage.max_tool_calls < wanted:
        message = f"{wanted} pictures need as many calls, and {stage.max_tool_calls} are allowed"
        problems.add((*where, "max_tool_calls"), message, "allow more")


def _check_schema(schema: Mapping[str, Any], where: Where, problems: Problems) -> None:
    if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
        problems.add(where, "a schema describes an object with properties", "type: object")
        return
    # Imported here: most pipelines have no schema, and it takes a while.
    import jsonschema

    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except (jsonschema.SchemaError, RecursionError) as error:
        message = error.message if isinstance(error, jsonschema.SchemaError) else "it is nested too deeply"
        problems.add(where, f"not a JSON schema: {message[:300]}")
        return
    for fault in schema_faults(schema):
        problems.add(where, f"the service refuses it: {fault}", "or leave the outer object open")


def _check_cycles(pipeline: LoadedPipeline, words: Mapping[str, str], problems: Problems) -> None:
    edges = {stage.name: (*stage.needs, *_upstream(words, stage)) for stage in pipeline.spec.stages}
    if cycle := find_cycle(edges):
        names = [stage.name for stage in pipeline.spec.stages]
        problems.add(
            ("stages", names.index(cycle[0]), "name"), f"stages wait for each other: {' -> '.join(cycle)}"
        )


def find_cycle(edges: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return a cycle as names with the first repeated at the end, () when there is none."""
    done: set[str] = set()
    for start in edges:
        path: list[str] = []
        on_path: set[str] = set()
        stack = [(start, iter(edges[start]))] if start not in done else []
        if stack:
            path.append(start)
            on_path.add(start)
        while stack:
            name, ahead = stack[-1]
            step = next((other for other in ahead if other in edges and other not in done), None)
            if step is None:
                stack.pop()
                done.add(name)
                on_path.discard(path.pop())
            elif step in on_path:
                return (*path[path.index(step) :], step)
            else:
                stack.append((step, iter(edges[step])))
                path.append(step)
                on_path.add(step)
    return ()
