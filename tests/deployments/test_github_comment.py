"""The comment on a pull request: with pictures where `gh` can attach, else a link. `gh` is a fake."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.deployments.github_runner import Runner, documents, script

BOT, WRITER = "github-actions[bot]", "pictures-writer"
WRITERS = "writers-token"
OURS = "<!-- assetmill -->\nolder"
NEW = 900
"""The number of the first comment that the fake makes."""

GH = """#!{python}
# Keeps comments in a file and writes down what it was asked; reads no network.
import json, os, sys
home = os.environ["HOME"]
state = json.load(open(home + "/forge.json"))
args = sys.argv[1:]
body = ""
if "--body-file" in args:
    body = open(args[args.index("--body-file") + 1]).read()
if "--field" in args:
    body = open(args[args.index("--field") + 1].partition("@")[2]).read()
token = os.environ.get("GH_TOKEN", "")
with open(home + "/calls", "a") as out:
    out.write(json.dumps({{"args": args, "token": token, "host": os.environ.get("GH_HOST")}}) + "\\n")
def add(login):
    state["comments"].append({{"id": state["next"], "login": login, "body": body}})
    state["next"] += 1
    json.dump(state, open(home + "/forge.json", "w"))
if args[:2] == ["api", "user"]:
    print({writer!r}); sys.exit()
if args[:3] == ["pr", "comment", "--help"]:
    print("--attach file" if state["version"] >= 2.99 else "--body text"); sys.exit()
if "--paginate" in args:
    logins = [{bot!r}, os.environ["WRITER"]]
    for one in state["comments"]:
        if one["login"] in logins and one["body"].startswith("<!-- assetmill -->"):
            print(one["id"], one["login"], sep="\\t")
    sys.exit()
if args[:2] == ["pr", "comment"]:
    if state["upload"] == "refused":
        sys.exit(1)
    add({writer!r})
    sys.exit(1 if state["upload"] == "breaks off" else 0)
method = args[args.index("--method") + 1]
number = args[3 + 1].rpartition("/")[2]
if method == "POST":
    add({bot!r})
else:
    state["comments"] = [one for one in state["comments"] if str(one["id"]) != number or method == "PATCH"]
    for one in state["comments"]:
        if str(one["id"]) == number:
            one["body"] = body
    json.dump(state, open(home + "/forge.json", "w"))
"""


class Forge:
    """A fake `gh` with the comments that it keeps, and the step that writes them."""

    def __init__(self, folder: Path) -> None:
        self.report = folder / "report"
        self.report.mkdir()
        (self.report / "comment.md").write_text("### assetmill check\n")
        self.runner = Runner(folder / "runner", self.report)
        self.home = self.runner.folder
        (self.home / "bin/gh").write_text(GH.format(python=sys.executable, writer=WRITER, bot=BOT))
        (self.home / "bin/gh").chmod(0o755)

    def pictures(self, *names: str) -> None:
        (self.report / "pictures").mkdir()
        for name in names:
            (self.report / "pictures" / name).write_bytes(b"RIFF")
        shown = "".join(f"![Before]({name})\n" for name in names)
        (self.report / "pictures" / "pictures.md").write_text(shown)

    def __call__(
        self,
        *comments: tuple[str, str],
        version: float = 2.99,
        upload: str = "works",
        token: str = WRITERS,
        server: str = "https://github.com",
    ) -> Sequence[Mapping[str, Any]]:
        """Write the comment beside those of (login, body) and return those that are there then."""
        known = [{"id": number, "login": who, "body": body} for number, (who, body) in enumerate(comments)]
        state = {"comments": known, "next": NEW, "version": version, "upload": upload}
        (self.home / "forge.json").write_text(json.dumps(state))
        done = self.runner(
            script("assets.yml", "comment", "Write the comment, or write it anew"),
            GH_TOKEN="runs-token",
            ATTACHMENT_TOKEN=token,
            SERVER_URL=server,
            REPOSITORY="a/b",
            PULL_REQUEST="7",
            RUN_URL="https://example.com/run",
        )
        assert done.returncode == 0, done.stderr
        self.said = done.stdout
        return json.loads((self.home / "forge.json").read_text())["comments"]

    def calls(self, *words: str) -> list[dict[str, Any]]:
        lines = (self.home / "calls").read_text().splitlines()
        return [call for call in map(json.loads, lines) if call["args"][: len(words)] == list(words)]


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    return Forge(tmp_path)


LINK = "[Pictures before and after](https://example.com/run#artifacts)\n"


def test_pictures_are_attached_and_the_comment_before_goes(forge: Forge) -> None:
    forge.pictures("001-before.webp", "001-after.webp", "001-change.webp")
    others = [("somebody", OURS), (BOT, "a comment of another workflow")]
    found = forge((BOT, OURS), *others, (WRITER, OURS))
    assert [one["login"] for one in found] == ["somebody", BOT, WRITER]
    body = found[-1]["body"]
    assert body.startswith("<!-- assetmill -->\n### assetmill check\n")
    assert ("![Before](001-before.webp)" in body, body.endswith(LINK)) == (True, True)
    (call,) = [call for call in forge.calls("pr", "comment") if "--help" not in call["args"]]
    assert call["token"] == WRITERS
    assert call["args"] == [
        *("pr", "comment", "7", "--repo", "a/b", "--body-file", "body.md"),
        *("--attach", "001-after.webp", "--attach", "001-before.webp", "--attach", "001-change.webp"),
    ]
    assert all(call["token"] == "runs-token" for call in forge.calls("api", "--silent"))


@pytest.mark.parametrize(
    "situation",
    [
        {"token": ""},
        {"version": 2.98},
        {"upload": "refused"},
        {"upload": "breaks off"},
        {"server": "https://git.example.com", "upload": "refused"},
    ],
    ids=["no token", "old gh", "refused", "half uploaded", "Enterprise Server"],
)
def test_without_attachments_there_is_one_comment_with_a_link(
    forge: Forge, situation: Mapping[str, Any]
) -> None:
    forge.pictures("001-before.webp")
    found = forge((BOT, OURS), **situation)
    assert found == [{"id": 0, "login": BOT, "body": f"<!-- assetmill -->\n### assetmill check\n\n{LINK}"}]
    host = situation.get("server", "https://github.com").removeprefix("https://")
    assert {call["host"] for call in forge.calls("api")} == {host}


def test_a_first_comment_is_posted_and_one_of_the_writer_is_taken_back(forge: Forge) -> None:
    found = forge((WRITER, OURS))
    assert [(one["id"], one["login"]) for one in found] == [(NEW, BOT)]


def test_pictures_for_which_a_comment_has_no_room_are_linked(forge: Forge) -> None:
    forge.pictures("001-before.webp")
    (forge.report / "comment.md").write_text("x" * 65_400)
    (found,) = forge((BOT, OURS))
    assert ("![Before]" in found["body"], "no room for its pictures" in forge.said) == (False, True)


def test_a_fork_gets_no_job_that_comments_and_its_summary_needs_no_token() -> None:
    job = documents()["assets.yml"]["jobs"]["comment"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"]
    steps = documents()["check/action.yml"]["runs"]["steps"]
    assert "GITHUB_STEP_SUMMARY" in steps[-1]["run"]
    assert "TOKEN" not in str(steps)
