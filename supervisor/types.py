"""The types in public signatures, for annotations of your own.

```python
from supervisor.types import Event, Runnable


async def show(team: Runnable) -> None: ...
```

Each is loaded when it is first used, because some of them load AutoGen.
"""

from __future__ import annotations

TYPE_CHECKING = False  # not from `typing`, which is slow to import
if TYPE_CHECKING:
    from typing import Any

    from supervisor._autogen.adapter import AnyToken, Runnable, Task
    from supervisor._autogen.messages import Event
    from supervisor._autogen.token import SupervisedToken
    from supervisor._autogen.upstream.workers import RuntimeHost, Servable
    from supervisor._checkpoints.settings import Durability
    from supervisor._core.run_state import Phase
    from supervisor._core.settings import Children
    from supervisor._core.tool_call import ToolCall
    from supervisor._process.stdin import TokenLike

__all__ = [
    "AnyToken",
    "Children",
    "Durability",
    "Event",
    "Phase",
    "Runnable",
    "RuntimeHost",
    "Servable",
    "SupervisedToken",
    "Task",
    "TokenLike",
    "ToolCall",
]

_LAZY = {
    "AnyToken": "supervisor._autogen.adapter",
    "Children": "supervisor._core.settings",
    "Durability": "supervisor._checkpoints.settings",
    "Event": "supervisor._autogen.messages",
    "Phase": "supervisor._core.run_state",
    "Runnable": "supervisor._autogen.adapter",
    "RuntimeHost": "supervisor._autogen.upstream.workers",
    "Servable": "supervisor._autogen.upstream.workers",
    "SupervisedToken": "supervisor._autogen.token",
    "Task": "supervisor._autogen.adapter",
    "TokenLike": "supervisor._process.stdin",
    "ToolCall": "supervisor._core.tool_call",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(_LAZY[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
