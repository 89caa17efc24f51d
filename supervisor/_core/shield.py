"""A shield for a task that anyio has cancelled, and that still has to wait.

Starlette and FastAPI cancel an anyio cancel scope when a client goes away. Such a scope cancels
each task in it again at every step of the loop, until the task has left it. A task that waits there
for a run to settle would be woken at every step, and keep a processor busy. anyio does not cancel a
task inside a shielded scope, so the task waits in one. A cancellation by asyncio itself still gets
through.

anyio is not imported here: where nobody has imported it, no task is in one of its scopes.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from contextlib import AbstractContextManager
from typing import Any, Final

# Loaded with the first scope on an asyncio loop. The package alone may be there for trio.
_BACKEND: Final = "anyio._backends._asyncio"


def shielded() -> AbstractContextManager[object]:
    """Return a context in which anyio does not cancel this task; bound the wait by other means."""
    if _BACKEND not in sys.modules or asyncio.current_task() is None:
        return contextlib.nullcontext()
    anyio: Any = sys.modules["anyio"]
    scope: AbstractContextManager[object] = anyio.CancelScope(shield=True)
    return scope
