"""What `check` finds, for every way in which a tree can leave its lock."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from assetmill.locking.checking import Problem, check_lock
from assetmill.locking.lockfile import read_lock
from assetmill.locking.models import Lock
from tests.doubles import png
from tests.lockyard import FILES, FOLDER, Yard, grow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    yard = grow(tmp_path_factory.mktemp("yard"))
    yard.make()
    yard.write(yard.locked())
    return yard


@pytest.fixture
def yard(made: Yard, tmp_path: Path) -> Iterator[Yard]:
    """A copy of the tree that a test may change; there is no store beside it."""
    shutil.copytree(made.root, tmp_path / "tree", symlinks=True)
    configs = tmp_path / "tree" / "configs"
    settings = made.settings.model_copy(update={"configs": configs, "home": tmp_path / "no-home"})
    yield Yard(tmp_path / "tree", settings)
    assert not (tmp_path / "no-home").exists(), "the check looked for a store"


def problems(yard: Yard, with_files: bool = True, approvals: int = 0) -> tuple[Problem, ...]:
    return check_lock(
        read_lock(yard.lock_path),
        yard.root,
        lambda _: yard.settings,
        with_files=with_files,
        approvals=approvals,
    )


def brief(found: tuple[Problem, ...]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(problem.kind, problem.stage, problem.changed) for problem in found]


UPSTREAM_OF_ALL = [
    ("stale", "poster[place=beach]", ()),
    ("stale", "poster[place=forest]", ()),
    ("stale", "winter[place=beach]", ()),
    ("stale", "winter[place=forest]", ()),
]


def test_a_tree_that_nobody_touched_is_clean(yard: Yard) -> None:
    assert problems(yard) == ()


def test_a_prompt_is_named_with_its_line(yard: Yard) -> None:
    yard.edit("configs/pipelines/posters.yaml", "Make it winter.", "Make it a hard winter.")
    found = problems(yard)
    assert brief(found) == [
        ("stale", "winter[place=beach]", ("prompt",)),
        ("stale", "winter[place=forest]", ("prompt",)),
    ]
    line = yard.pipeline.read_text().splitlines().index("    prompt: Make it a hard winter.") + 1
    assert found[0].where == f"configs/pipelines/posters.yaml:{line}"
    assert found[0].paths == (f"{FOLDER}/beach-winter.png",)


def test_a_knowledge_file_makes_its_stage_stale_and_all_that_is_made_from_it(yard: Yard) -> None:
    yard.edit("configs/pipelines/brand.md", "Calm", "Loud")
    found = problems(yard)
    assert brief(found) == [("stale", "brief", ("knowledge.brand",)), *UPSTREAM_OF_ALL]
    assert found[1].message == "is made from brief, which is not as locked"


def test_an_input_file_is_named(yard: Yard) -> None:
    (yard.root / "configs/pipelines/logo.png").write_bytes(png(32, 32, "red"))
    assert brief(problems(yard))[:2] == [
        ("stale", "poster[place=beach]", ("inputs.logo.png",)),
        ("stale", "poster[place=forest]", ("inputs.logo.png",)),
    ]


def test_what_changed_in_a_stage_is_told_even_when_the_one_before_it_is_stale_too(yard: Yard) -> None:
    yard.edit("configs/pipelines/posters.yaml", "Draw {{ subject }}", "Paint {{ subject }}")
    yard.edit("configs/pipelines/posters.yaml", "Make it winter.", "Make it a hard winter.")
    last = problems(yard)[-1]
    assert last.changed == ("prompt",)
    assert last.message == "prompt changed; is made from poster[place=forest], which is not as locked"


def test_tool_options_and_models_are_named(yard: Yard) -> None:
    yard.edit(
        "configs/pipelines/posters.yaml",
        "prompt: Make it winter.",
        "model: gpt-4.1\n    prompt: Make it winter.",
    )
    assert brief(problems(yard))[0] == ("stale", "winter[place=beach]", ("model",))


def test_a_new_variant_is_new_and_a_dropped_one_is_left_over(yard: Yard) -> None:
    yard.edit("configs/pipelines/posters.yaml", "[beach, forest]", "[beach, moor]")
    kinds = {(problem.kind, problem.stage) for problem in problems(yard)}
    assert kinds == {
        ("new", "poster[place=moor]"),
        ("new", "winter[place=moor]"),
        ("left_over", "poster[place=forest]"),
        ("left_over", "winter[place=forest]"),
    }


def test_a_missing_and_an_altered_file_are_told_apart(yard: Yard) -> None:
    (yard.root / FOLDER / "beach.png").unlink()
    with (yard.root / FOLDER / "forest.png").open("ab") as file:
        file.write(b"!")
    assert [(p.kind, p.paths) for p in problems(yard)] == [
        ("missing", (f"{FOLDER}/beach.png",)),
        ("altered", (f"{FOLDER}/forest.png",)),
    ]
    assert problems(yard, with_files=False) == ()


def test_a_link_in_the_place_of_a_file_is_no_file(yard: Yard) -> None:
    path = yard.root / FOLDER / "beach.png"
    path.rename(yard.root / "elsewhere.png")
    path.symlink_to(yard.root / "elsewhere.png")
    assert [problem.kind for problem in problems(yard)] == ["altered"]


def test_a_pointer_of_git_lfs_counts_as_its_file(yard: Yard) -> None:
    path = f"{FOLDER}/beach.png"
    sha = read_lock(yard.lock_path).asset[path].sha256
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha}\nsize 1\n"
    (yard.root / path).write_text(pointer)
    assert problems(yard) == ()
    (yard.root / path).write_text(pointer.replace(sha, sha[::-1]))
    assert [problem.kind for problem in problems(yard)] == ["altered"]


def test_a_pipeline_that_cannot_be_planned_hides_no_other_problem(yard: Yard) -> None:
    yard.pipeline.write_text("name: posters\nstages: 5\n")
    (yard.root / FOLDER / "beach.png").unlink()
    assert [problem.kind for problem in problems(yard)] == ["invalid", "missing"]


def test_a_block_taken_out_by_hand_is_missed(yard: Yard) -> None:
    lock = read_lock(yard.lock_path)
    kept = {path: asset for path, asset in lock.asset.items() if not path.endswith("/beach.png")}
    found = check_lock(lock.changed(asset=kept), yard.root, lambda _: yard.settings)
    assert ("new", "poster[place=beach]") in {(problem.kind, problem.stage) for problem in found}


def test_approval_is_asked_for_only_on_request(yard: Yard) -> None:
    found = problems(yard, approvals=1)
    assert [problem.paths[0] for problem in found] == [f"{FOLDER}/{name}" for name in FILES]
    assert {problem.kind for problem in found} == {"unapproved"}


def test_what_an_update_would_cost_is_said_without_a_store(yard: Yard) -> None:
    yard.edit("configs/pipelines/posters.yaml", "Make it winter.", "Make it a hard winter.")
    costs = [problem.cost.expected for problem in problems(yard) if problem.cost]
    assert len(costs) == 2
    assert all(0 < cost < 1 for cost in costs)


def test_an_empty_lock_matches_any_tree(yard: Yard) -> None:
    assert check_lock(Lock(), yard.root, lambda _: yard.settings) == ()
