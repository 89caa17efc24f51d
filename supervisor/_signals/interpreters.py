"""Interactive interpreters: whether somebody works at a prompt, or in a notebook, of this process.

What that person has made is in the process's memory, and whoever presses Ctrl-C there wants the
prompt back. So a supervisor does not end such a process by default.

Nothing is imported to find out. What counts:

- `python -i`, or `PYTHONINSPECT`: the prompt comes once the script has ended;
- a prompt that is there, or was: Python's own, `code.interact()`, IPython, a Jupyter kernel, and
  what is built on these all set `sys.ps1`;
- `python -m asyncio`, which from Python 3.13 on does not set it at a terminal;
- a marimo notebook, as marimo itself says.
"""

from __future__ import annotations

import sys
from typing import Any


def is_interactive() -> bool:
    """Return whether the process is an interactive interpreter, or will be one at its end."""
    flags = sys.flags
    return bool(flags.interactive or flags.inspect or hasattr(sys, "ps1")) or (
        _is_asyncio_prompt() or _is_marimo()
    )


def is_in_kernel() -> bool:
    """Return whether the process is a Jupyter kernel, which sets handlers of SIGINT by itself."""
    ipython: Any = sys.modules.get("IPython")
    ask = getattr(ipython, "get_ipython", None)
    return getattr(ask(), "kernel", None) is not None if callable(ask) else False


def _is_asyncio_prompt() -> bool:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return getattr(spec, "name", None) == "asyncio.__main__"


def _is_marimo() -> bool:
    marimo: Any = sys.modules.get("marimo")
    ask = getattr(marimo, "running_in_notebook", None)
    return bool(ask()) if callable(ask) else False
