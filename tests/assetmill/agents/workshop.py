"""What the tests of tools share: services on doubles, and functions that agents may call."""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from assetmill.agents.gateway import ResponseRequest
from assetmill.settings import Foundry, Settings
from assetmill.stage.services import Services
from assetmill.store.memory import MemoryStore
from tests.doubles import Body, ScriptedGateway, message_item

FUNCTIONS = textwrap.dedent(
    '''
    """Functions that agents of these tests call."""
    from __future__ import annotations

    import time
    from pathlib import Path
    from typing import Literal

    HERE = Path(__file__).parent


    def stock(sku: str, unit: Literal["pieces", "boxes"] = "pieces") -> dict[str, object]:
        """Say how many of an article are in stock.

        Not for the agent.
        """
        with (HERE / "ran.txt").open("a") as file:
            file.write(sku + "\\n")
        return {"sku": sku, "count": 7, "unit": unit}


    async def price(sku: str) -> str:
        return f"{sku} costs 9 dollars"


    def broken(sku: str) -> str:
        raise LookupError(f"no {sku}")


    def leaving(sku: str) -> str:
        raise SystemExit(3)


    def slow(sku: str) -> str:
        time.sleep(0.15)
        return "late"


    def meet(me: str, other: str) -> str:
        (HERE / me).touch()
        while not (HERE / other).exists():
            time.sleep(0.01)
        return f"met {other}"


    def endless(sku: str) -> str:
        return sku * 300_000


    def untyped(sku):
        return sku


    def wide(*skus: str) -> str:
        return ""


    def odd(sku: object = object()) -> object:
        return object()
    '''
)


def function_tool(name: str, **changes: Any) -> Body:
    own = {"function": f"shop:{name}", "timeout_s": changes.pop("timeout_s", 5.0)}
    return {"type": "function", "name": name, "assetmill": own, **changes}


def function_call(name: str, arguments: Any, call_id: str = "call_1") -> Body:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": text}


def by_turn(*turns: Sequence[Body]) -> Callable[[ResponseRequest], Sequence[Body]]:
    """Script the output of each turn; the last one is repeated."""

    def script(request: ResponseRequest) -> Sequence[Body]:
        return turns[min(int(request.metadata["assetmill_turn"]), len(turns)) - 1]

    return script


def outputs_of(request: ResponseRequest) -> list[Any]:
    """Return the functions' outputs in a request, read as JSON where they are."""
    texts = [item["output"] for item in request.input if item["type"] == "function_call_output"]
    return [json.loads(text) if text[:1] in "[{" else text for text in texts]


class Shop:
    """A store, a service and a folder of functions; `process` starts a new process on them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.backend, self.gateway = folder, MemoryStore(), ScriptedGateway()
        self.gateway.script = by_turn([message_item("done")])
        (folder / "shop.py").write_text(FUNCTIONS)

    def process(self, **settings: Any) -> Services:
        fields = {"profile": "test", "home": self.folder, "configs": self.folder, **settings}
        foundry = Foundry(settle_s=0.01, lease_s=0.05)
        made = Settings.model_validate({"foundry": foundry, **fields})
        services = Services(made, self.backend, lambda _settings, _wait: self.gateway)
        services.wait = lambda seconds: time.sleep(min(seconds, 0.001))
        return services
