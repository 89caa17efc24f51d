"""Debuggers: whether one is at work here, and whether Ctrl-C belongs to it.

Somebody who looks at a program at a breakpoint wants it to stay there, and presses Ctrl-C for the
debugger. So the ladder's clock is paused while a debugger is there, and Ctrl-C does what it would
do without us: at a prompt it raises KeyboardInterrupt, which the prompt catches; elsewhere it goes
to the handler that was found.

What counts as a debugger:

- *pdb, and all that is built on `bdb.Bdb`* (IPython's, pytest's). Its frames are on a thread's
  stack at its prompt, and all the time under `python -m pdb`; or it traces frames of that stack.
  The outermost frame does not count: a debugger that was told to go on leaves its trace function
  there. The trace function of another thread cannot be read, its frames can. From Python 3.14 on
  it may use `sys.monitoring` instead.
- *pydevd* (debugpy, VS Code, PyCharm), while its client is connected.
- *a process that traces this one* (gdb). The kernel gives it the signals before they arrive here,
  so those that do arrive are for the program, and count.

Coverage and profilers trace as well, and do not count. Nothing is imported to find out: a debugger
that is not imported is not at work.

Where it falls short: the stacks of all threads are read at each look while a debugger is imported
(`doctest` imports pdb), and CPython 3.11 can crash where another thread leaves a frame at that
moment. It was seen twice in tests, and never in a program; `tests/conftest.py` hides `bdb`.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final

_Handler = Callable[[int, FrameType | None], Any]

# Private by name, public by its documentation.
_current_frames: Final[Callable[[], Mapping[int, FrameType]]] = getattr(sys, "_current_frames")  # noqa: B009

_PROMPTS: Final = frozenset({"pdb", "IPython"})
"""Packages whose `interaction()` is a prompt, also where nothing is traced (post mortem)."""


def is_attached() -> bool:
    """Return whether one is at a prompt or attached, in any thread, without asking the kernel."""
    if _is_pydevd_connected() or _is_monitoring():
        return True
    return _is_imported() and any(map(_is_debugged, _current_frames().values()))


def is_traced() -> bool:
    """Return whether another process traces this one."""
    try:
        with open("/proc/self/status", "rb") as status:  # noqa: PTH123 - as fast as can be
            return next(
                (int(it.split()[1]) != 0 for it in status if it[:10] == b"TracerPid:"), False
            )
    except OSError:  # not Linux
        return False


def owns_ctrl_c() -> bool:
    """Return whether Ctrl-C is a debugger's; from any thread."""
    if _is_pydevd_connected() or _is_monitoring():
        return True
    # The handler first: at its prompt pdb puts back what stood before its own.
    return _is_imported() and (_is_bdbs(signal.getsignal(signal.SIGINT)) or _is_main_debugged())


def ctrl_c_handler(found: Any) -> _Handler | None:
    """Return the handler of Ctrl-C where it is a debugger's; else None. In the main thread.

    Args:
        found: The handler that stood before ours.
    """
    if not owns_ctrl_c():
        return None
    frame = _main_frame() if _is_imported() else None
    is_at_prompt = frame is not None and _has(frame, _is_prompt)
    return found if callable(found) and not is_at_prompt else signal.default_int_handler


def _is_pydevd_connected() -> bool:
    pydevd = sys.modules.get("pydevd")
    if pydevd is None:
        return False
    ask = getattr(pydevd, "_is_attached", None)  # as debugpy asks; PyCharm's has a mark
    return bool(ask() if callable(ask) else getattr(pydevd, "connected", False))


def _is_monitoring() -> bool:
    monitoring: Any = getattr(sys, "monitoring", None)
    tool = monitoring.get_tool(monitoring.DEBUGGER_ID) if monitoring is not None else None
    return tool is not None and tool.startswith("bdb")  # others misuse that number


def _is_imported() -> bool:
    """Return whether a debugger on `bdb` is loaded: pytest imports `bdb` for an exception only."""
    base = getattr(sys.modules.get("bdb"), "Bdb", None)
    return base is not None and bool(base.__subclasses__())


def _main_frame() -> FrameType | None:
    return _current_frames().get(threading.main_thread().ident or 0)


def _is_main_debugged() -> bool:
    frame = _main_frame()
    return frame is not None and _is_debugged(frame)


def _is_debugged(frame: FrameType) -> bool:
    return _has(frame, lambda it: _module(it) == "bdb" or _is_prompt(it) or _is_stepped(it))


def _has(innermost: FrameType, is_one: Callable[[FrameType], bool]) -> bool:
    frame: FrameType | None = innermost
    while frame is not None:
        if is_one(frame):
            return True
        frame = frame.f_back
    return False


def _is_prompt(frame: FrameType) -> bool:
    name = frame.f_code.co_name
    if name == "interaction":
        return _module(frame).partition(".")[0] in _PROMPTS
    return name.startswith(("dispatch_", "trace_dispatch")) and _module(frame) == "bdb"


def _is_stepped(frame: FrameType) -> bool:
    return frame.f_back is not None and _is_bdbs(frame.f_trace)


def _is_bdbs(function: Any) -> bool:
    return isinstance(getattr(function, "__self__", None), sys.modules["bdb"].Bdb)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))
