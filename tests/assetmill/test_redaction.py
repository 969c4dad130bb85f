"""A secret that got into an answer, an error or an address is told to nobody and stored nowhere."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from assetmill import errors, redaction
from assetmill.agents.foundry_wire import read_body
from assetmill.cli.main import call
from assetmill.errors import AssetmillError, InvalidSettings, InvalidSpec, Rejected, StageFailed
from assetmill.fingerprint import Fingerprint
from assetmill.records import RunId, Verdict
from assetmill.redaction import MARK, redact, redact_json, remember, remember_environment
from assetmill.settings import Settings, load_settings
from assetmill.store.ledger import Ledger
from assetmill.store.memory import MemoryStore

SECRET = "canary-77aa"


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what a test made known."""
    monkeypatch.setattr(redaction, "_known", set[str]())


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("no answer from https://ada:pw@host:9000/x?y=1", "no answer from https://***@host:9000/x?y=1"),
        ("at https://token@host/x", "at https://***@host/x"),
        ("https://a.blob/c/x.png?sv=1&sig=aB%3D&se=2", "https://a.blob/c/x.png?sv=1&sig=***&se=2"),
        ("https://f/api?code=abc==", "https://f/api?code=***"),
        ("s3://b/k?X-Amz-Signature=00ff&X-Amz-Date=1", "s3://b/k?X-Amz-Signature=***&X-Amz-Date=1"),
        ("postgresql+asyncpg://u:p@127.0.0.1/db", "postgresql+asyncpg://***@127.0.0.1/db"),
        ("write to ada@example.com, see https://x/y@2", "write to ada@example.com, see https://x/y@2"),
        ("a seed of key=3", "a seed of key=3"),
    ],
)
def test_passwords_leave_addresses_and_the_rest_stays(said: str, told: str) -> None:
    assert redact(said) == told
    assert redact(told) == told


def test_a_known_secret_goes_in_every_form(tmp_path: Path) -> None:
    remember([f'{SECRET}"\r'])
    for form in (f'{SECRET}"\r', json.dumps(f'{SECRET}"\r'), repr(f'{SECRET}"\r'), f'{SECRET}"'):
        assert SECRET not in redact(f"illegal value {form}")
    body = {"a": [f'x {SECRET}" y', 1, None], "b": {"c": f'{SECRET}"'}}
    assert redact_json(body) == {"a": [f"x {MARK} y", 1, None], "b": {"c": MARK}}


def test_short_values_are_words_not_secrets() -> None:
    remember(["", "a", "local"])
    assert redact("a local file") == "a local file"


def test_variables_with_a_secrets_name_are_known() -> None:
    remember_environment({"AZURE_CLIENT_SECRET": SECRET, "SHELL": "/bin/shell"})
    assert redact(f"{SECRET} in /bin/shell") == f"{MARK} in /bin/shell"


def everything() -> list[AssetmillError]:
    """One of each error with a secret in what it says."""
    said, found = f"at https://u:{SECRET}@h: {SECRET}", list[AssetmillError]()
    kinds: list[Any] = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    for kind in kinds:
        if issubclass(kind, InvalidSpec):
            found.append(kind("p.yaml", 3, said, said))
        elif issubclass(kind, errors.StageError):
            found.append(kind("scene", said))
        elif issubclass(kind, errors.RunFailed | errors.RunWaiting):
            found.append(kind("run_1", said))
        elif issubclass(kind, errors.NotFound):
            found.append(kind("asset", said, said))
        elif issubclass(kind, AssetmillError):
            found.append(kind(said))
    return found


@pytest.mark.parametrize("number", range(len(everything())))
def test_no_error_says_a_secret(number: int) -> None:
    remember([SECRET])
    error = everything()[number]
    for seen in (error, pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert SECRET not in f"{seen} {seen!r} {vars(seen)}"
        assert type(seen) is type(error)
        assert str(seen) == str(error)


def test_an_error_keeps_what_is_no_secret() -> None:
    assert str(Rejected("no such model", "not_found", 404)) == "no such model (not_found, 404)"
    assert StageFailed("scene", "no picture", "resp_1").reason == "no picture"


def settings(folder: Path, text: str, **variables: str) -> Settings:
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "profiles" / "local.toml").write_text(text)
    return load_settings("local", {"ASSETMILL_CONFIGS": str(folder), **variables})


@pytest.mark.parametrize("tail", ["\r", "\n", "\r\n", "\x00", "\x7f", "\tx"])
def test_a_header_with_a_control_character_is_never_sent(tmp_path: Path, tail: str) -> None:
    found = settings(tmp_path, '[mcp.docs.headers]\nX-Key = "env:DOCS_KEY"\n', DOCS_KEY=SECRET + tail)
    with pytest.raises(InvalidSettings, match=r"X-Key .* has the control character") as refused:
        found.mcp_headers("docs")
    assert SECRET not in str(refused.value)
    assert ("Windows line ends" in str(refused.value)) == (tail in {"\r", "\n", "\r\n"})


def test_an_answer_with_a_header_in_it_is_kept_without(tmp_path: Path) -> None:
    settings(tmp_path, '[mcp.docs.headers]\nX-Key = "env:DOCS_KEY"\n', DOCS_KEY=SECRET)
    body = {"id": "resp_1", "status": "completed", "output": [{"error": f"Illegal header value b'{SECRET}'"}]}
    assert read_body(body).body["output"] == [{"error": f"Illegal header value b'{MARK}'"}]


@pytest.mark.parametrize("name", ["ASSETMILL_ENDPOINT", "ASSETMILL_STORE_URL", "ASSETMILL_MODEL"])
def test_a_setting_from_a_file_with_windows_line_ends_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidSettings, match=rf"{name} has the control character '\\r'.*Windows"):
        settings(tmp_path, "", **{name: "https://example.com\r"})


@pytest.mark.parametrize(
    "address",
    [
        f"https://ada:{SECRET}@example.com/api",
        f"https://{SECRET}@example.com",
        f"https://example.com/?sig={SECRET}",
    ],
)
@pytest.mark.parametrize("name", ["ASSETMILL_ENDPOINT", "ASSETMILL_STORE_ENDPOINT_URL"])
def test_an_address_with_credentials_is_refused_and_not_said(tmp_path: Path, name: str, address: str) -> None:
    with pytest.raises(InvalidSettings, match="credentials do not belong there") as refused:
        settings(tmp_path, "", **{name: address})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("is_json", [False, True])
def test_the_command_line_says_no_secret(
    is_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://ada:{SECRET}@127.0.0.1:9/api?sig={SECRET}")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{SECRET}-aws")
    arguments = [*(["--json"] if is_json else []), "--profile", f"{SECRET}-aws"]
    monkeypatch.setattr("sys.argv", ["assetmill", "doctor", *arguments])
    call(["doctor", *arguments])
    call(["run", "--budget", f"{SECRET}-aws", "x"])
    call(["doctor", *arguments[:-2]])
    said = capsys.readouterr()
    assert MARK in said.out
    assert SECRET not in said.out + said.err


FP = Fingerprint("ab" * 32)


def verdict(reason: str) -> Verdict:
    return Verdict(kind="abandoned", error="mcp", reason=reason, run_id=RunId("run_1"), created_at=1.0)


def test_a_record_is_stored_without_the_secret_that_a_tool_gave_back() -> None:
    remember([SECRET])
    store = MemoryStore()
    stored = Ledger(store).write_verdict("card", FP, 1, verdict(f"the server said {SECRET}"))
    assert stored.reason == f"the server said {MARK}"
    [key] = [head.key for head in store.list("v1/")]
    assert SECRET.encode() not in store.get(key)


def test_a_record_that_could_not_be_read_again_is_stored_as_it_is() -> None:
    remember(["abandoned"])
    assert Ledger(MemoryStore()).write_verdict("card", FP, 1, verdict("x")).kind == "abandoned"
