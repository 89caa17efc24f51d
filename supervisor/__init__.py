"""Runs AutoGen teams so that they can be stopped: at once, in order, within a deadline.

```python
async with Supervisor() as sup:
    result = await sup.stream(team, "Write a haiku")   # a TaskResult, also after Ctrl-C
```

The house, from the top; an import goes only downward:

    edges       runner testing/ __main__                  supervisor.run(main), for users' tests,
                                                          the command line
    conductor   _supervisor _course _body _facts _voice   drives the ladder, shares the bridge,
                _process _report _results _guests         tells who is still at work
                _offspring _garbage
    hands       autogen/                                  the only part that knows AutoGen
                bridge watchdog guard tasks executor      one outside thing each: signals, time,
                exits log autopsy terminal parent         tasks, threads, ends, words, stdin, PID 1,
                interruption notify masks                 what blocks the loop, probes, signals held
                shield                                    waiting on where anyio has cancelled
                processes kin table halting               children: who they are, their end
                adoption last_look debuggers clock        orphans, the last moment, debuggers, time
    rules       ladder                                    pure: facts and the time in, steps out
    words       settings errors events                    data only

Importing this package loads neither AutoGen nor uvloop: it is fast, and under `run` the signal
handlers stand before those slow imports. It loads none of its own modules either, before one is
asked for: `python -m supervisor exec` is to be small, and has nothing to do with asyncio.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # as `typing` has it, whose import takes longer than all of this
if TYPE_CHECKING:
    from typing import Any

if os.path.exists(os.path.join(os.path.dirname(__file__), "supervisord.py")):  # noqa: PTH110, PTH118, PTH120 - as above, of pathlib
    raise ImportError(
        "the distribution 'supervisor' (a process manager) is installed in this environment, and "
        "its package has the same name as that of 'autogen-supervisor'; give each an environment "
        "of its own: uninstall 'supervisor' here, then reinstall 'autogen-supervisor'"
    )

if TYPE_CHECKING:
    from supervisor._supervisor import Supervisor
    from supervisor.autogen.run import Run
    from supervisor.errors import Quarantined, SettingsError, Stopped, SupervisorError, UsageError
    from supervisor.events import Rung, StopRequest
    from supervisor.runner import run
    from supervisor.settings import Ladder
    from supervisor.terminal import read_input

    __version__: str

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
    "__version__",
    "read_input",
    "run",
]

_LAZY = {
    "Ladder": "supervisor.settings",
    "Quarantined": "supervisor.errors",
    "Run": "supervisor.autogen.run",
    "Rung": "supervisor.events",
    "SettingsError": "supervisor.errors",
    "StopRequest": "supervisor.events",
    "Stopped": "supervisor.errors",
    "Supervisor": "supervisor._supervisor",
    "SupervisorError": "supervisor.errors",
    "UsageError": "supervisor.errors",
    "read_input": "supervisor.terminal",
    "run": "supervisor.runner",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        found = version("autogen-supervisor")
    elif name in _LAZY:
        from importlib import import_module

        found = getattr(import_module(_LAZY[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
