"""Runs AutoGen teams so that they can be stopped: at once, in order, within a deadline.

```python
async with Supervisor() as sup:
    result = await sup.stream(team, "Write a haiku")   # a TaskResult, also after Ctrl-C
```

The house, from the top; an import goes only downward:

    edges       runner testing/                           supervisor.run(main); for users' tests
    conductor   _supervisor _body _facts _voice _process  drives the ladder, shares the bridge
    hands       autogen/                                  the only part that knows AutoGen
                bridge watchdog tasks executor            one outside thing each: signals, time,
                exits log autopsy terminal                tasks, threads, ends, words, stdin
    rules       ladder                                    pure: facts and the time in, steps out
    words       settings errors events                    data only

Importing this package loads neither AutoGen nor uvloop: it is fast, and under `run` the signal
handlers stand before those slow imports.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if (Path(__file__).parent / "supervisord.py").exists():
    raise ImportError(
        "the distribution 'supervisor' (a process manager) is installed in this environment, and "
        "its package has the same name as that of 'autogen-supervisor'; give each an environment "
        "of its own: uninstall 'supervisor' here, then reinstall 'autogen-supervisor'"
    )

from supervisor.errors import Quarantined, SettingsError, Stopped, SupervisorError, UsageError
from supervisor.events import Rung, StopRequest
from supervisor.settings import Ladder

if TYPE_CHECKING:
    from supervisor._supervisor import Supervisor
    from supervisor.autogen.run import Run
    from supervisor.runner import run
    from supervisor.terminal import read_input

__all__ = [
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
    "read_input",
    "run",
]

_LAZY = {
    "Run": "supervisor.autogen.run",
    "Supervisor": "supervisor._supervisor",
    "read_input": "supervisor.terminal",
    "run": "supervisor.runner",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return found
