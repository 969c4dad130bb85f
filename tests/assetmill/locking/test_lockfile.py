"""The lock file as text: what it says, what git makes of it, and what a hostile one cannot do."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assetmill.errors import InvalidSpec
from assetmill.locking.lockfile import ask_for_union, format_lock, parse_lock, read_lock, write_lock
from assetmill.locking.models import Lock, LockedAsset, LockedFolder, LockedStage, PlanRef, Scalar
from tests.lockyard import git

FP = "a" * 52
PLAN = PlanRef(
    pipeline="posters", profile="local", parameters={"subject": "a mug", "count": 2, "is_dark": True}
)


def asset(name: str = "a.png", **changes: object) -> LockedAsset:
    seed = f"{sum(map(ord, name)):x}"
    fields: dict[str, object] = {
        "stage": f"poster[name={name}]",
        "output": name,
        "kind": "picture",
        "media_type": "image/png",
        "pixels": "1024x1024",
        "asset_id": f"ast_00000000_{FP}_00",
        "deciding": {"prompt": f"{seed:0>10}", "model": "0123456789", "tools.image_generation": "9876543210"},
        "fingerprint": FP,
        "stage_cost_usd": 0.0123,
        "size_bytes": 12,
        "sha256": f"{seed:0>64}",
    }
    return LockedAsset.model_validate({**fields, **changes})


def lock_of(*names: str, folder: str = "public") -> Lock:
    assets = {f"{folder}/{name}": asset(name, fingerprint=_fp(name), asset_id=_id(name)) for name in names}
    return Lock(folder={folder: LockedFolder(plan=PLAN)}, asset=assets)


def _fp(name: str) -> str:
    letters = "".join(chr(ord("a") + int(digit, 16)) for digit in name.encode().hex())
    return (letters + "z" * 52)[:52]


def _id(name: str) -> str:
    return f"ast_00000000_{_fp(name)}_00"


texts = st.text(max_size=40)
keys = st.text(min_size=1, max_size=12)


@given(
    parameters=st.dictionaries(keys, st.one_of(texts, st.integers(-(2**40), 2**40), st.booleans())),
    text=texts,
    label=keys,
    cost=st.none() | st.floats(0, 1e6),
)
def test_a_lock_reads_back_as_it_was_written(
    parameters: dict[str, Scalar], text: str, label: str, cost: float | None
) -> None:
    plan = PlanRef(pipeline="posters", profile="local", parameters=parameters)
    lock = Lock(
        folder={"public/a": LockedFolder(only=["poster"], plan=plan)},
        stage={f"public/a:{label}": LockedStage(deciding={text: "0"}, text=text, data="{}", fingerprint=FP)},
        asset={"public/a/a.png": asset(stage_cost_usd=cost, approved="Ada, 2026-11-22")},
    )
    assert parse_lock(format_lock(lock).encode()) == lock


def test_every_value_stands_on_a_line_of_its_own() -> None:
    lock = lock_of("a.png").changed(
        stage={"public:brief": LockedStage(deciding={}, text="two\nlines\r\n\x00", fingerprint=FP)}
    )
    text = format_lock(lock)
    assert len(text.splitlines()) == text.count("\n")
    assert parse_lock(text.encode()) == lock


def test_blocks_are_sorted_whatever_their_order_was() -> None:
    forward, backward = lock_of("a.png", "b.png", "c.png"), lock_of("c.png", "b.png", "a.png")
    assert format_lock(forward) == format_lock(backward)


NAMES = [f"{letter}{number}.png" for letter in "abc" for number in range(3)]


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        ([], ["a0.png"], ["a1.png"]),
        (["b0.png"], ["a0.png", "a1.png"], ["a2.png"]),
        (["a0.png", "c0.png"], ["b0.png", "b2.png"], ["b1.png", "a1.png", "c1.png"]),
        (["a0.png"], ["b0.png", "b1.png"], ["b0.png", "b1.png"]),
        (NAMES[:4], NAMES[4:6], NAMES[6:]),
    ],
)
def test_branches_that_add_assets_merge(
    tree: Path, base: list[str], ours: list[str], theirs: list[str]
) -> None:
    path = tree / "assets.lock"
    write_lock(path, lock_of(*base))
    assert ask_for_union(path)
    _commit(tree, "base")
    git(tree, "checkout", "-q", "-b", "other")
    write_lock(path, lock_of(*base, *theirs))
    _commit(tree, "theirs")
    git(tree, "checkout", "-q", "main")
    write_lock(path, lock_of(*base, *ours))
    _commit(tree, "ours")
    if set(ours) != set(theirs):
        git(tree, "merge", "-q", "--no-edit", "other")
    assert read_lock(path) == lock_of(*base, *ours, *theirs)


def test_branches_that_add_folders_of_one_pipeline_merge(tree: Path) -> None:
    path = tree / "assets.lock"
    write_lock(path, Lock())
    ask_for_union(path)
    _commit(tree, "base")
    git(tree, "checkout", "-q", "-b", "other")
    # The plans are equal to the last letter.
    sides = [lock_of("a.png", folder="public/a"), lock_of("b.png", folder="public/b")]
    for branch, side in zip(("other", "main"), sides, strict=True):
        git(tree, "checkout", "-q", branch)
        write_lock(path, side)
        _commit(tree, branch)
    git(tree, "merge", "-q", "--no-edit", "other")
    both = read_lock(path)
    assert (both.folder, both.asset) == (
        sides[0].folder | sides[1].folder,
        sides[0].asset | sides[1].asset,
    )


def test_two_changes_of_one_asset_are_named_with_their_line(tree: Path) -> None:
    path = tree / "assets.lock"
    before = lock_of("a.png", "b.png")
    write_lock(path, before)
    ask_for_union(path)
    _commit(tree, "base")
    for branch, digit in (("other", "1"), ("main", "2")):
        git(tree, "checkout", "-q", "-B", branch, "main")
        changed = before.asset["public/a.png"].model_copy(update={"sha256": digit * 64})
        write_lock(path, before.changed(asset={**before.asset, "public/a.png": changed}))
        git(tree, "add", "-A")
        git(tree, "commit", "-q", "-m", branch)
        git(tree, "checkout", "-q", "main") if branch == "other" else None
    git(tree, "merge", "-q", "--no-edit", "other")
    with pytest.raises(InvalidSpec, match="keep one of the blocks") as raised:
        read_lock(path)
    assert raised.value.line is not None
    assert "sha256" in path.read_text().splitlines()[raised.value.line - 1]


def _commit(tree: Path, message: str) -> None:
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "--allow-empty", "-m", message)


def test_gitattributes_keeps_what_it_had_and_is_written_once(tree: Path) -> None:
    attributes = tree / ".gitattributes"
    attributes.write_text("*.png binary")
    assert ask_for_union(tree / "assets.lock")
    assert attributes.read_text() == "*.png binary\nassets.lock merge=union text eol=lf\n"
    assert not ask_for_union(tree / "assets.lock")


def test_gitattributes_of_any_letters_is_kept_and_a_link_is_left(tree: Path) -> None:
    attributes = tree / ".gitattributes"
    attributes.write_bytes(b"caf\xe9.png binary\n")
    assert ask_for_union(tree / "assets.lock")
    assert attributes.read_bytes().startswith(b"caf\xe9.png binary\nassets.lock ")
    attributes.rename(tree / "elsewhere")
    attributes.symlink_to("elsewhere")
    assert not ask_for_union(tree / "assets.lock")
    assert attributes.is_symlink()


def test_outside_a_git_tree_no_gitattributes_is_written(tmp_path: Path) -> None:
    assert not ask_for_union(tmp_path / "assets.lock")
    assert list(tmp_path.iterdir()) == []


GOOD = format_lock(lock_of("a.png"))
HEADER = '[asset."public/a.png"]'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (HEADER, '[asset."public/../../a.png"]', "has the part '..'"),
        (HEADER, '[asset."/etc/passwd"]', "has the part ''"),
        (HEADER, '[asset."C:\\\\a.png"]', "not inside a folder"),
        (HEADER, '[asset."public/.git/hooks/post-checkout"]', "has the part '.git'"),
        (HEADER, '[asset."public/con.png"]', "has the part 'con.png'"),
        (HEADER, '[asset."public/a\\u0000.png"]', "has the part"),
        (HEADER, '[asset."other/a.png"]', "in no folder"),
        (HEADER, '[asset."a.png"]', "not inside a folder"),
        ('[folder."public"]', '[folder.".github"]', "has the part '.github'"),
        ("size_bytes = 12", "size_bytes = -1", "size_bytes"),
        ("size_bytes = 12", 'size_bytes = "12"', "size_bytes"),
        ("size_bytes = 12", "size_bytes = 12\nextra = 1", "extra"),
        ("size_bytes = 12", 'size_bytes = 12\n"a\\n::b" = 1', '"a\\n::b": Extra'),
        ('kind = "picture"', 'kind = "virus"', "kind"),
        ("stage_cost_usd = 0.0123", "stage_cost_usd = nan", "stage_cost_usd"),
        ("stage_cost_usd = 0.0123", "stage_cost_usd = -1e308", "stage_cost_usd"),
        (
            HEADER,
            f'[stage."public:x"]\ndeciding = {{}}\nfingerprint = "{FP}"\ndata = "["\n\n{HEADER}',
            "not JSON",
        ),
        ("version = 1", "version = 2\nother = 5", "has version 2: a newer assetmill"),
        ("version = 1", "version = 0", "version"),
        ("version = 1", "version = true", "version"),
        ("version = 1", "", "has no `version`"),
        ("version = 1", "version = 1\n>>>>>>> b", "merge conflict"),
        ("version = 1", "version = 1\nasset = 3", "asset"),
        ("sha256 = ", "sha256 = 1 # ", "sha256"),
        ('media_type = "image/png"', 'media_type = "image/png\\r\\nX: y"', "media_type"),
        ("version = 1", "<<<<<<< HEAD\nversion = 1", "merge conflict"),
        (HEADER, f"{HEADER}\n{HEADER}", "twice"),
    ],
)
def test_a_hostile_lock_is_refused_with_its_line(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(InvalidSpec) as raised:
        parse_lock(GOOD.replace(old, new, 1).encode())
    assert message in str(raised.value)
    assert raised.value.line is not None or "\\u" in new or "version" in message or "asset" in message


def test_the_line_of_a_wrong_value_is_that_value() -> None:
    with pytest.raises(InvalidSpec) as raised:
        parse_lock(GOOD.replace("size_bytes = 12", "size_bytes = 1.5").encode())
    assert raised.value.line == GOOD.splitlines().index("size_bytes = 12") + 1


def test_paths_that_differ_only_by_case_are_refused() -> None:
    lock = lock_of("a.png")
    both = {**lock.asset, "public/A.png": asset("A.png", fingerprint=_fp("A"), asset_id=_id("A"))}
    with pytest.raises(InvalidSpec, match="one file on some systems"):
        parse_lock(format_lock(lock.changed(asset=both)).encode())


def test_blocks_of_one_stage_must_agree() -> None:
    first, second = asset("a.png", stage="s"), asset("b.png", stage="s", fingerprint="b" * 52)
    lock = lock_of().changed(asset={"public/a.png": first, "public/b.png": second})
    with pytest.raises(InvalidSpec, match="do not agree"):
        parse_lock(format_lock(lock).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe",
        b"[" * 100_000,
        b"a = " + b"[" * 50_000,
        b"a = " + b"{a=" * 5000,
        b"x" * 300,
        b"a.b" * 3000,
    ],
)
def test_what_is_no_toml_is_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(InvalidSpec):
        parse_lock(data)


@given(cut=st.integers(0, len(GOOD)), junk=st.text(max_size=5))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_damage_gives_a_lock_or_an_error_of_ours(cut: int, junk: str) -> None:
    with contextlib.suppress(InvalidSpec):
        parse_lock((GOOD[:cut] + junk + GOOD[cut + 3 :]).encode())


def test_a_lock_that_is_not_there_says_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="assetmill lock PIPELINE"):
        read_lock(tmp_path / "assets.lock")


def test_names_of_the_cases_are_distinct() -> None:
    assert len({_fp(name) for name in NAMES}) == len(NAMES)
    assert all(a != b for a, b in itertools.pairwise(sorted(NAMES)))


@pytest.mark.parametrize("ends", ["\r\n", "\n"])
def test_an_editor_of_another_system_does_no_harm(ends: str) -> None:
    assert parse_lock(b"\xef\xbb\xbf" + GOOD.replace("\n", ends).encode()) == lock_of("a.png")
