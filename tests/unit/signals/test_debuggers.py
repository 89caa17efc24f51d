"""What is a debugger, and what is none."""

from __future__ import annotations

import bdb
import cProfile
import signal
import sys
import threading
from types import FrameType, ModuleType
from typing import Any

import pytest

from supervisor._signals import debuggers


class Debugger(bdb.Bdb):
    """One that asks at each line what is known of it, and lets the program run on."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = list[tuple[bool, bool]]()

    def user_line(self, frame: FrameType) -> None:
        """At a prompt, as it were."""
        self.seen.append((debuggers.is_attached(), debuggers.owns_ctrl_c()))
        assert debuggers.ctrl_c_handler(_found) is signal.default_int_handler
        self.set_continue()


def _found(*_: object) -> None:
    """A handler that stood before ours."""


def _debugged(debugger: Debugger) -> None:
    debugger.set_trace(sys._getframe())
    assert debugger.seen


@pytest.fixture(autouse=True)
def _trace() -> Any:
    """Puts back what coverage has set."""
    before = sys.gettrace()
    yield
    sys.settrace(before)


def test_without_one_there_is_none() -> None:
    """Whether or not `bdb` is imported."""
    assert not debuggers.is_attached()
    assert not debuggers.owns_ctrl_c()
    assert debuggers.ctrl_c_handler(_found) is None


def test_a_debugger_at_its_prompt() -> None:
    """Ctrl-C raises what its prompt catches."""
    debugger = Debugger()
    _debugged(debugger)
    assert debugger.seen == [(True, True)]


def test_a_debugger_that_has_let_go_is_none() -> None:
    """Though its mark stays on the outermost frame."""
    _debugged(Debugger())
    sys.settrace(None)
    assert not debuggers.is_attached()


def test_a_debugger_around_the_program() -> None:
    """`python -m pdb`: Ctrl-C is what it would be without us."""
    seen = list[Any]()
    handler = debuggers.ctrl_c_handler
    names = {"seen": seen, "debuggers": debuggers, "handler": handler, "found": _found}
    look = "seen.append((debuggers.is_attached(), debuggers.owns_ctrl_c(), handler(found)))"
    bdb.Bdb().runctx(look, names, names)
    assert seen[0][:2] == (True, True)


def test_a_prompt_in_another_thread_stops_the_time_alone() -> None:
    """Ctrl-C comes in the main thread, which is at no prompt."""
    seen = list[tuple[bool, bool]]()

    class Elsewhere(bdb.Bdb):
        def user_line(self, frame: FrameType) -> None:
            asks.set()
            let_go.wait(10)
            self.set_continue()

    def work() -> None:
        Elsewhere().set_trace(sys._getframe())
        seen.append((False, False))

    asks, let_go = threading.Event(), threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    assert asks.wait(10)
    assert (debuggers.is_attached(), debuggers.owns_ctrl_c()) == (True, False)
    let_go.set()
    thread.join()
    assert not debuggers.is_attached()


def test_a_debuggers_handler_hears_ctrl_c() -> None:
    """It stands over ours, and waits for that."""

    class RepairThread(bdb.Bdb):
        def handle(self, _number: int, _frame: FrameType | None) -> None:
            """Does nothing."""

    before = signal.signal(signal.SIGINT, RepairThread().handle)
    try:
        assert debuggers.owns_ctrl_c()
        assert not debuggers.is_attached()
    finally:
        signal.signal(signal.SIGINT, before)


def _ask() -> bool:
    return debuggers.is_attached() or debuggers.owns_ctrl_c()


def test_coverage_and_profilers_are_none() -> None:
    """Anything may trace."""

    def trace(_frame: FrameType, _event: str, _arg: object) -> Any:
        return trace

    profile = cProfile.Profile()
    sys.settrace(trace)
    profile.enable()
    try:
        found = _ask()
    finally:
        profile.disable()
    assert not found


@pytest.mark.parametrize("is_connected", [True, False])
@pytest.mark.parametrize("name", ["_is_attached", "connected"])
def test_pydevd_counts_while_its_client_is_connected(
    monkeypatch: pytest.MonkeyPatch, name: str, is_connected: bool
) -> None:
    """Ctrl-C is what it would be without us."""
    pydevd = ModuleType("pydevd")
    answer = (lambda: is_connected) if name == "_is_attached" else is_connected
    setattr(pydevd, name, answer)
    monkeypatch.setitem(sys.modules, "pydevd", pydevd)
    assert debuggers.is_attached() == debuggers.owns_ctrl_c() == is_connected
    assert debuggers.ctrl_c_handler(_found) is (_found if is_connected else None)


@pytest.mark.parametrize("found", [signal.SIG_DFL, signal.SIG_IGN, None])
def test_where_no_function_was_found_it_is_a_keyboard_interrupt(
    monkeypatch: pytest.MonkeyPatch, found: object
) -> None:
    """As Python has it."""
    pydevd = ModuleType("pydevd")
    monkeypatch.setattr(pydevd, "connected", True, raising=False)
    monkeypatch.setitem(sys.modules, "pydevd", pydevd)
    assert debuggers.ctrl_c_handler(found) is signal.default_int_handler


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring")
@pytest.mark.parametrize(("name", "counts"), [("bdb", True), ("a profiler", False)])
def test_a_monitor_counts_if_it_is_bdbs(name: str, counts: bool) -> None:
    """Others take the debugger's number too."""
    monitoring: Any = getattr(sys, "monitoring")  # noqa: B009 - not on every Python
    monitoring.use_tool_id(monitoring.DEBUGGER_ID, name)
    try:
        assert debuggers.is_attached() == counts
    finally:
        monitoring.free_tool_id(monitoring.DEBUGGER_ID)


def test_nobody_traces_this_process() -> None:
    """What the kernel tells; that it can tell is seen in a process that is traced."""
    assert not debuggers.is_traced()
