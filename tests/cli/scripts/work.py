"""What the scripts of this folder have in common: a model that works for a minute, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from autogen_core.models import LLMMessage

from supervisor.testing import ScriptedModel, calls


async def dig() -> str:
    """Dig for a minute."""
    await think(())
    return "A hole."


async def think(_: Sequence[LLMMessage]) -> str:
    """Take a minute, and say so first."""
    print("at work", flush=True)
    await asyncio.sleep(60)
    return "Done."


def digging() -> ScriptedModel:
    """Return a model that calls `dig`."""
    return ScriptedModel([calls("dig"), "Done."])


def thinking() -> ScriptedModel:
    """Return a model that takes its time."""
    return ScriptedModel(think)
