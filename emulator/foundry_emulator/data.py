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
            "modelPublisher": one.get("publisher", "OpenAI"),
            "capabilities": {} if _draws(one) else {"chat_completion": "true"},
            "sku": {"name": "GlobalStandard", "capacity": 100},
        }
        for one in _read("deployments.toml")["deployment"]
    ]


def _draws(one: Json) -> bool:
    return "image" in one["model"] or "direct" in one


def direct_models() -> list[Json]:
    """Return the image models that are called themselves, each with its name and what it takes."""
    return [
        {"model": one["model"], **one["direct"]}
        for one in _read("deployments.toml")["deployment"]
        if "direct" in one
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
