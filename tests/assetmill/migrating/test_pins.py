"""What must change where: each place in which a model can stand, and what its options become."""

from __future__ import annotations

from pathlib import Path

import pytest

from assetmill.errors import InvalidInput, InvalidSpec
from tests.assetmill.migrating.conftest import Project

DRAW = """\
  - name: hero
    prompt: Draw a lamp.
    tools: [{type: image_generation%s}]
    outputs: [{name: hero.png}]
"""
HERO = "stages:\n" + DRAW
SAME = {f"quality:{word}": word for word in ("low", "medium", "high")}


def test_a_pin_of_the_tool_is_changed_where_it_stands(project: Project) -> None:
    project.write("poster", HERO % ", model: gpt-image-1.5, quality: low")
    found = project.propose("gpt-image-2", answers=SAME)
    assert project.changes(found) == [
        "-    tools: [{type: image_generation, model: gpt-image-1.5, quality: low}]",
        "+    tools: [{type: image_generation, model: gpt-image-2, quality: low}]",
    ]


def test_a_named_pipeline_gets_a_pin_of_its_own_and_the_profile_stays(project: Project) -> None:
    project.write("poster", HERO % ", quality: low")
    found = project.propose("gpt-image-2", "poster", answers=SAME)
    assert project.changes(found) == ["+defaults:", "+  image_model: gpt-image-2", "+"]


def test_the_whole_project_changes_its_profile_once(project: Project) -> None:
    project.write("poster", HERO % ", quality: low")
    project.write("card", HERO % ", quality: low")
    found = project.propose("gpt-image-2", answers=SAME)
    assert project.changes(found) == [
        '-image_model = "gpt-image-1.5"  # until December',
        '+image_model = "gpt-image-2"  # until December',
    ]
    assert [one.pipeline.name for one in found.pipelines] == ["card", "poster"]


def test_a_profile_that_a_variable_overrides_is_left_alone(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("poster", HERO % ", quality: low")
    project.profile.write_text('[foundry]\nimage_model = "gpt-image-2"\n')
    fixed = project.settings.model_copy(
        update={"foundry": project.settings.foundry.model_copy(update={"image_model": "gpt-image-1.5"})}
    )
    monkeypatch.setattr(type(project), "settings", fixed)
    found = project.propose("gpt-image-2", answers=SAME)
    assert project.changes(found) == ["+defaults:", "+  image_model: gpt-image-2", "+"]


def test_the_default_of_a_parameter_is_a_pin(project: Project) -> None:
    parameters = "parameters:\n  painter: {default: gpt-image-1.5}\n"
    project.write("poster", parameters + HERO % ", model: '{{ painter }}', quality: low")
    found = project.propose("gpt-image-2", answers=SAME)
    assert project.changes(found) == [
        "-  painter: {default: gpt-image-1.5}",
        "+  painter: {default: gpt-image-2}",
    ]


def test_only_stages_with_that_model_go_over(project: Project) -> None:
    other = DRAW.replace("hero", "sketch") % ", model: gpt-image-1-mini, quality: low"
    project.write("poster", HERO % ", quality: low" + other)
    found = project.propose("gpt-image-2", "poster", only_from="gpt-image-1-mini", answers=SAME)
    assert [line for line in project.changes(found) if "gpt" in line] == [
        "-    tools: [{type: image_generation, model: gpt-image-1-mini, quality: low}]",
        "+    tools: [{type: image_generation, model: gpt-image-2, quality: low}]",
    ]
    assert found.pipelines[0].changed == ("sketch",)


def test_a_default_that_others_keep_is_not_changed(project: Project) -> None:
    """One stage of two has the model: the shared word of quality stays, the stage gets its own."""
    both = DRAW % "" + DRAW.replace("hero", "sketch") % ", model: gpt-image-1-mini"
    project.write("poster", "defaults:\n  quality: low\nstages:\n" + both)
    answers = {"quality:low": "medium"}
    found = project.propose("gpt-image-2", "poster", only_from="gpt-image-1-mini", answers=answers)
    assert project.changes(found)[-1] == (
        "+    tools: [{type: image_generation, quality: medium, model: gpt-image-2}]"
    )
    assert len(project.changes(found)) == 2


def test_a_word_with_as_many_tokens_takes_its_place(project: Project) -> None:
    text = "defaults: {image_model: gpt-image-2, quality: medium}\n" + HERO % ""
    project.write("poster", text)
    found = project.propose("gpt-image-2.5-flare", "poster")
    assert project.changes(found)[1] == "+defaults: {image_model: gpt-image-2.5-flare, quality: high}"
    assert any("1,756 tokens" in note for note in found.notes)


def test_a_word_that_means_something_else_is_asked_for_with_its_prices(project: Project) -> None:
    project.write("poster", HERO % "")
    assert not project.propose("gpt-image-2", "poster").files
    (question,) = project.answers.open.values()
    assert question.key == "quality:medium"
    assert [choice.answer for choice in question.choices] == ["low", "medium", "high"]
    assert "1,056 tokens of a 1024x1024 picture with gpt-image-1.5" in str(question)
    assert "medium (1,756 tokens, $0.0527 for 1024x1024)" in str(question)
    with pytest.raises(InvalidInput, match="choose one of low, medium, high"):
        project.propose("gpt-image-2", "poster", answers={"quality:medium": "best"})


def test_the_words_of_a_parameter_keep_their_meaning(project: Project) -> None:
    """Whoever asks for `high` by a form goes on to ask for `high`."""
    parameters = "parameters:\n  care: {default: low, enum: [low, high]}\n"
    project.write(
        "poster", parameters + 'defaults:\n  quality: "{{ care }}"\n' + HERO % ", model: gpt-image-2"
    )
    found = project.propose("gpt-image-2.5-flare", "poster")
    assert """+  quality: '{{ {"low": "low", "high": "max"}[care] }}'""" in project.changes(found)
    call = found.pipelines[0].after.calls["hero"]
    assert (call.tools[0]["quality"], call.tools[0]["model"]) == ("low", "gpt-image-2.5-flare")


def test_sizes_are_asked_for_where_the_model_has_them_not(project: Project) -> None:
    project.write("poster", HERO % ", model: gpt-image-2, size: 1600x1200, quality: low")
    project.propose("gpt-image-1.5", "poster", answers={"quality:low": "low"})
    (question,) = project.answers.open.values()
    assert (question.key, question.choices[0].answer) == ("size:1600x1200", "1536x1024")
    answers = {"quality:low": "low", "size:1600x1200": "1024x1024"}
    found = project.propose("gpt-image-1.5", "poster", answers=answers)
    assert found.pipelines[0].after.calls["hero"].tools[0]["size"] == "1024x1024"


def test_an_option_that_the_model_does_not_take_is_left_out_and_told(project: Project) -> None:
    project.write("poster", HERO % ", input_fidelity: high, quality: low")
    found = project.propose("gpt-image-2", "poster", answers=SAME)
    assert "+    tools: [{type: image_generation, quality: low}]" in project.changes(found)
    assert "input_fidelity high is left out: gpt-image-2 does not take the option" in found.notes


def test_a_word_of_fidelity_that_is_missing_is_asked_for(project: Project) -> None:
    project.write("poster", HERO % ", input_fidelity: high, quality: low")
    answers = {**SAME, "input_fidelity:high": "leave-out"}
    project.propose("gpt-image-1-mini", "poster", answers=SAME)
    assert list(project.answers.open) == ["input_fidelity:high"]
    found = project.propose("gpt-image-1-mini", "poster", answers=answers)
    assert "input_fidelity" not in found.pipelines[0].after.calls["hero"].tools[0]


def test_a_deployment_with_a_name_of_its_own_is_asked_for(project: Project) -> None:
    project.profile.write_text('[foundry]\nimage_model = "gpt-image-1.5"\nimage_deployment = "art"\n')
    project.write("poster", HERO % ", quality: low")
    project.propose("gpt-image-2", answers=SAME)
    assert list(project.answers.open) == ["deployment:art"]
    found = project.propose("gpt-image-2", answers={**SAME, "deployment:art": "art2"})
    assert '+image_deployment = "art2"' in project.changes(found)
    found = project.propose("gpt-image-2", answers=SAME, deployment="art3")
    assert '+image_deployment = "art3"' in project.changes(found)


def test_a_chat_model_changes_every_stage_and_no_picture(project: Project) -> None:
    project.write("poster", HERO % "" + "  - name: words\n    prompt: Say it.\n    model: gpt-5.4-mini\n")
    found = project.propose("gpt-6-luna")
    assert project.changes(found) == [
        "-    model: gpt-5.4-mini",
        "+    model: gpt-6-luna",
        '-model = "gpt-5.6-luna"',
        '+model = "gpt-6-luna"',
    ]
    before, after = (
        side.calls["hero"].tools for side in (found.pipelines[0].before, found.pipelines[0].after)
    )
    assert before == after


def test_a_model_that_reasons_asks_how_much(project: Project) -> None:
    project.write("poster", "defaults:\n  model: gpt-4.1-mini\n" + HERO % "")
    project.propose("gpt-5.4-mini", "poster")
    assert list(project.answers.open) == ["reasoning:unset"]
    found = project.propose("gpt-5.4-mini", "poster", answers={"reasoning:unset": "low"})
    assert project.changes(found) == [
        "-  model: gpt-4.1-mini",
        "+  model: gpt-5.4-mini",
        "+  reasoning: low",
    ]
    assert found.pipelines[0].after.calls["hero"].effort == "low"


def test_an_effort_is_left_out_on_ones_word_alone(project: Project) -> None:
    project.write("poster", "defaults:\n  reasoning: {effort: low}\n" + HERO % "")
    project.propose("gpt-4.1-mini", "poster")
    assert list(project.answers.open) == ["reasoning:low"]
    found = project.propose("gpt-4.1-mini", "poster", answers={"reasoning:low": "leave-out"})
    assert found.pipelines[0].after.calls["hero"].effort is None


@pytest.mark.parametrize(
    ("judge", "note"),
    [
        ("{rubric: A lamp.}", "the judge of hero has the stage's model"),
        ("{rubric: A lamp., model: gpt-5}", "poster.yaml:6: the judge of hero stays with gpt-5"),
    ],
)
def test_a_judge_does_not_go_over_unseen(project: Project, judge: str, note: str) -> None:
    project.write("poster", (HERO % "").replace("hero.png}", f"hero.png, checks: {{judge: {judge}}}}}"))
    notes = project.propose("gpt-6-luna", "poster").notes
    assert any(note in said for said in notes)


def test_stages_that_do_not_go_over_keep_their_fingerprints(project: Project) -> None:
    other = "  - name: words\n    prompt: Say it.\n" + DRAW.replace("hero", "own") % ", model: gpt-image-2"
    project.write("poster", HERO % ", quality: low" + other)
    (one,) = project.propose("gpt-image-2", "poster", answers=SAME).pipelines
    assert one.changed == ("hero",)
    for label in ("words", "own"):
        assert one.before.calls[label].fingerprint == one.after.calls[label].fingerprint


def test_nothing_changes_twice(project: Project) -> None:
    project.write("poster", HERO % ", quality: low")
    for file in project.propose("gpt-image-2", "poster", answers=SAME).files:
        file.path.write_bytes(file.after)
    again = project.propose("gpt-image-2", "poster")
    assert (again.pipelines, again.files, project.answers.open) == ((), (), {})


def test_rows_that_decide_the_model_are_for_a_person(project: Project) -> None:
    axes = "axes:\n  kind: [{name: a, model: gpt-image-1.5}, {name: b, model: gpt-image-2}]\n"
    text = HERO.replace("hero.png", "'{{ kind.name }}.png'") % ", model: '{{ kind.model }}', quality: low"
    project.write("poster", axes + text)
    with pytest.raises(InvalidSpec, match=r"poster\.yaml:\d+: the rows decide the model") as caught:
        project.propose("gpt-image-2", "poster", answers=SAME)
    assert caught.value.line


@pytest.mark.parametrize(
    ("name", "says"),
    [("gpt-image-3", "did you mean 'gpt-image-"), ("FLUX.2-pro", "no model of the image tool")],
)
def test_a_model_that_no_stage_can_have_is_refused(project: Project, name: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        project.propose(name)


def test_no_file_outside_of_the_project_is_changed(project: Project, tmp_path: Path) -> None:
    project.write("poster", HERO % ", quality: low")
    with pytest.raises(InvalidInput, match="outside of the project") as caught:
        project.propose("gpt-image-2", "poster", answers=SAME, root=tmp_path / "home")
    assert "+  image_model: gpt-image-2" in str(caught.value)
