"""Run AutoGen teams so that they can be stopped: at once, in order, within a deadline.

```python
async with Supervisor() as sup:
    result = await sup.stream(team, "Write a haiku")   # a TaskResult, also after Ctrl-C
```

`docs/reference.md` lists the public names, and `docs/design.md` has the map of the modules: folders
are floors, and an import goes only downward. A name with a leading underscore is private.

Importing this package loads neither AutoGen nor uvloop. So it is fast, and `run` can install its
signal handlers before those slow imports. It loads none of its own modules either, until a name is
used: `python -m supervisor exec` must stay small, and does not need asyncio.
"""

from __future__ import annotations

TYPE_CHECKING = False  # not from `typing`, whose import takes longer than everything here
if TYPE_CHECKING:
    from typing import Any

    from supervisor import checkpoints
    from supervisor._core.errors import (
        HandedOff,
        Quarantined,
        SettingsError,
        Stopped,
        SupervisorError,
        UsageError,
    )
    from supervisor._core.events import Rung, StopRequest
    from supervisor._core.run import Run
    from supervisor._core.settings import Ladder
    from supervisor._core.tool_call import current_call
    from supervisor._process.stdin import read_input
    from supervisor._runner import run
    from supervisor._supervisor.facade import Supervisor
    from supervisor._supervisor.nesting import current
    from supervisor._supervisor.supervise import supervise

    __version__: str

__all__ = [
    "HandedOff",
    "Ladder",
    "Quarantined",
    "Run",
    "Rung",
    "SettingsError",
    "StopRequest",
    "Stopped",
    "Supervisor",
    "SupervisorError",
    "UsageError",
    "__version__",
    "checkpoints",
    "current",
    "current_call",
    "read_input",
    "run",
    "supervise",
]

_LAZY = {
    "HandedOff": "supervisor._core.errors",
    "Ladder": "supervisor._core.settings",
    "Quarantined": "supervisor._core.errors",
    "Run": "supervisor._core.run",
    "Rung": "supervisor._core.events",
    "SettingsError": "supervisor._core.errors",
    "StopRequest": "supervisor._core.events",
    "Stopped": "supervisor._core.errors",
    "Supervisor": "supervisor._supervisor.facade",
    "SupervisorError": "supervisor._core.errors",
    "UsageError": "supervisor._core.errors",
    "current": "supervisor._supervisor.nesting",
    "current_call": "supervisor._core.tool_call",
    "read_input": "supervisor._process.stdin",
    "run": "supervisor._runner",
    "supervise": "supervisor._supervisor.supervise",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from supervisor._process_manager import refuse_process_manager

    refuse_process_manager()
    found = globals()[name] = _load(name)
    return found


def _load(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("autogen-supervisor")
    from importlib import import_module

    if name == "checkpoints":
        return import_module("supervisor.checkpoints")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
