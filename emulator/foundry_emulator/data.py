"""Reads the dated data that lies beside the code."""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import Any

from foundry_emulator.jsons import Json


@functools.cache
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((resources.files("foundry_emulator") / name).read_text("utf-8"))


def prices() -> Json:
    """Return the price list of the bill."""
    return _read("prices.toml")


def deployments() -> list[Json]:
    """Return the model deployments in wire form."""
    return [
        {
            "type": "ModelDeployment",
            "name": one["model"],
            "modelName": one["model"],
            "modelVersion": one["version"],
            "modelPublisher": "OpenAI",
            "capabilities": {} if "image" in one["model"] else {"chat_completion": "true"},
            "sku": {"name": "GlobalStandard", "capacity": 100},
        }
        for one in _read("deployments.toml")["deployment"]
    ]


def dated_model(deployment: str) -> str:
    """Return the model that answers for a deployment, with the date of its version."""
    known = next((one for one in deployments() if one["name"] == deployment), None)
    return f"{known['modelName']}-{known['modelVersion']}" if known else deployment


def context_window(deployment: str) -> int:
    """Return how many tokens a deployment's model reads at most."""
    known = {one["model"]: one for one in _read("deployments.toml")["deployment"]}
    return int(known.get(deployment, {}).get("context_window", 128_000))


def has_flex(deployment: str) -> bool:
    """Return whether a deployment's model takes requests with `service_tier: flex`."""
    known = {one["model"]: one for one in _read("deployments.toml")["deployment"]}
    return bool(known.get(deployment, {}).get("flex"))
