"""`spend` says what becomes of an attempt that is not over."""

from __future__ import annotations

from assetmill.fingerprint import Fingerprint, digest
from assetmill.records import Intent, RunId
from assetmill.stage.services import Services
from tests.assetmill.cli.terminal import Terminal

FP = Fingerprint("a" * 52)


def test_an_open_attempt_has_a_line_and_a_way_out(services: Services, assetmill: Terminal) -> None:
    assert assetmill("spend") == 0
    assert "resolve" not in assetmill.out
    intent = Intent(
        nonce="n",
        owner="other:1",
        run_id=RunId("run_1"),
        stage="hero",
        attempt=1,
        endpoint="https://scripted.invalid",
        conversation_id="conv_1",
        request_digest=digest(b"r"),
        reserved_usd=0.4,
        created_at=1.0,
        lease_until=2.0,
    )
    services.ledger.write_intent("chain", FP, intent)
    assert assetmill("spend") == 0
    assert "in doubt: hero" in assetmill.out
    assert "`assetmill resolve RUN` decides where nothing does" in assetmill.out
