"""The harness: scenes, metrics, plan, execution and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.api import analyze, evaluate

__all__ = ["analyze", "evaluate"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # imported on first use: listing plug-ins must not load torch
        from bench import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
