"""Proxies that the environment names are told of, nonsense by the variable's name, and no password ever."""

from __future__ import annotations

import pytest

from assetmill.cli.proxies import proxy_findings

SPARED = {"NO_PROXY": "127.0.0.1,localhost"}


def test_without_a_proxy_there_is_nothing_to_say() -> None:
    assert list(proxy_findings({"NO_PROXY": "x", "HTTP_PROXY": ""})) == []


def test_a_proxy_is_named_without_its_password() -> None:
    (told,) = proxy_findings({"https_proxy": "http://me:secret@proxy.example:3128", **SPARED})
    assert (told.state, told.message) == ("ok", "https_proxy sends requests through proxy.example:3128")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("http://proxy.example:port", "its port is no number"),
        ("ftp://proxy.example", "names a ftp: address"),
        ("http://", "names no host"),
        ("not a proxy", "names no host"),
    ],
)
def test_nonsense_is_a_problem_of_its_variable(value: str, words: str) -> None:
    (told,) = proxy_findings({"HTTPS_PROXY": value, **SPARED})
    assert told.state == "problem"
    assert told.message.startswith("HTTPS_PROXY ")
    assert words in told.message
    assert "HTTPS_PROXY" in told.advice


def test_a_proxy_for_this_machine_itself_is_warned_of() -> None:
    told = list(proxy_findings({"HTTP_PROXY": "proxy.example:3128", "NO_PROXY": "example.com"}))
    assert [finding.state for finding in told] == ["ok", "warning"]
    assert told[1].advice == "export NO_PROXY=127.0.0.1,localhost"
