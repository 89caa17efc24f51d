"""Waiting on in a task that anyio has cancelled.

An anyio cancel scope (Starlette and FastAPI cancel one when a client goes away) cancels each task
in it again at every step of the loop, until the task has left the scope. One that has to wait for a
run to settle would be woken at every step, and take a whole processor for it. anyio spares a task
that is in a shielded scope of its own; so that is where it waits. What asyncio itself cancels comes
through.

anyio is not imported here: where nobody has, no task is in a scope of its.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from contextlib import AbstractContextManager
from typing import Any, Final

# For it is loaded with the first scope in a loop of asyncio's; the package itself may be for trio.
_BACKEND: Final = "anyio._backends._asyncio"


def shielded() -> AbstractContextManager[object]:
    """Within it anyio does not cancel this task; the waiting must have another bound."""
    if _BACKEND not in sys.modules or asyncio.current_task() is None:
        return contextlib.nullcontext()
    anyio: Any = sys.modules["anyio"]
    scope: AbstractContextManager[object] = anyio.CancelScope(shield=True)
    return scope
