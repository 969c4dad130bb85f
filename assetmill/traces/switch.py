"""What the environment says of traces: whether they go anywhere, in which words, and whether with prompts."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from functools import cache
from typing import Literal

from assetmill.errors import InvalidSettings
from assetmill.traces import words

Signal = Literal["traces", "metrics"]
SIGNALS: tuple[Signal, ...] = ("traces", "metrics")

_CONVENTION, _OPT_IN = "ASSETMILL_GENAI_CONVENTION", "OTEL_SEMCONV_STABILITY_OPT_IN"
_NEWEST = "gen_ai_latest_experimental"
_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


def is_on(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether anything is sent: somebody named where to, and what the extra brings is installed."""
    return any(sends(signal, environ) for signal in SIGNALS)


def sends(signal: Signal, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether spans or figures are sent. An exporter without an address would try this machine."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    name = signal.upper()
    if environ.get(f"OTEL_{name}_EXPORTER", "").strip().lower() == "none":
        return False
    address = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get(f"OTEL_EXPORTER_OTLP_{name}_ENDPOINT")
    return bool(address) and is_installed()


@cache
def is_installed() -> bool:
    """Whether this installation has what the extra brings."""
    # Many a cluster sets the address for all that runs there: that must not stop who has not the extra.
    try:
        return importlib.util.find_spec(_EXPORTER) is not None
    except ModuleNotFoundError:
        return False


def convention(environ: Mapping[str, str] = os.environ) -> words.Convention:
    """Return the version of the conventions whose names are used.

    Raises:
        InvalidSettings: it is none that is known.
    """
    named = environ.get(_CONVENTION)
    if not named:
        wanted = {word.strip() for word in environ.get(_OPT_IN, "").split(",")}
        return words.NEWEST if _NEWEST in wanted else words.CONVENTION
    if named not in words.CONVENTIONS:
        raise InvalidSettings(f"{_CONVENTION}={named!r}: one of {', '.join(words.CONVENTIONS)}")
    return words.CONVENTIONS[words.CONVENTIONS.index(named)]


def tells_content(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether somebody allows prompts, and words of the service that may repeat them, in traces."""
    return environ.get(_CONTENT, "").strip().lower() == "true"
