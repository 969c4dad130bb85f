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
    rows = {name: images.get(name) or chats.get(name) for name in sorted(deployments)}
    lifetimes = {name: row.lifetime if row else None for name, row in rows.items()}
    told = ", ".join(_told(name, lifetime, provider) for name, lifetime in lifetimes.items())
    uses = [one.replaced_by(provider) for one in lifetimes.values() if one]
    use = next(filter(None, uses), "")
    changes = f", `assetmill migrate --to {use}` shows and makes the change" if use else ""
    says = f"`assetmill check --models` says what to change{changes}"
    return f"no such model any more: {told}; {says} ({error})"


def _told(name: str, lifetime: Lifetime | None, provider: str) -> str:
    day = lifetime.ends_at(provider) if lifetime else None
    use = lifetime.replaced_by(provider) if lifetime else ""
    return name + (f" (ends on {day} at {provider})" if day else "") + (f", use {use}" if use else "")
