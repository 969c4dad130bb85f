"""A model deployment that is gone: which one it is, and what a person can do about it."""

from __future__ import annotations

from assetmill.errors import ModelRetired
from assetmill.plan.calls import StageCall
from assetmill.settings import Settings
from assetmill.spec.chat_models import load_chat_models
from assetmill.spec.image_models import load_image_models
from assetmill.spec.lifetimes import Lifetime


def deployments_of(call: StageCall) -> frozenset[str]:
    """Return the model deployments that a call needs."""
    return frozenset(name for name in (call.model, call.image_deployment) if name)


def gone(call: StageCall, error: ModelRetired) -> frozenset[str]:
    """Return the deployments that the service says are gone: those it names, else all that the call needs."""
    needed = deployments_of(call)
    said = error.message.replace("`", "'")
    return frozenset(name for name in needed if f"'{name}'" in said) or needed


def advice(deployments: frozenset[str], error: ModelRetired, settings: Settings) -> str:
    """Return what happened, the day by the tables, what replaces each model, and which command tells more."""
    images, chats = load_image_models(settings.tables).rows, load_chat_models(settings.tables)
    provider = settings.foundry.provider
    parts: list[str] = []
    for name in sorted(deployments):
        known = images.get(name) or chats.get(name)
        parts.append(_told(name, known.lifetime if known else None, provider))
    told = ", ".join(parts)
    return f"no such model any more: {told}; `assetmill check --models` says what to change ({error})"


def _told(name: str, lifetime: Lifetime | None, provider: str) -> str:
    day = lifetime.ends_at(provider) if lifetime else None
    use = lifetime.replaced_by(provider) if lifetime else ""
    return name + (f" (ends on {day} at {provider})" if day else "") + (f", use {use}" if use else "")
