"""What is a debugger, and what is none."""

from __future__ import annotations

import bdb
import cProfile
import signal
import sys
import threading
from types import FrameType, ModuleType, SimpleNamespace
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
    """Do nothing, as a handler that was found."""


def _debugged(debugger: Debugger) -> None:
    debugger.set_trace(sys._getframe())
    assert debugger.seen


@pytest.fixture(autouse=True)
def _trace() -> Any:
    """Put back the trace function that coverage has set."""
    before = sys.gettrace()
    yield
    sys.settrace(before)


def test_without_a_debugger_none_is_found() -> None:
    """Without a debugger none is found, whether or not `bdb` is imported."""
    assert not debuggers.is_attached()
    assert not debuggers.owns_ctrl_c()
    assert debuggers.ctrl_c_handler(_found) is None


def test_at_a_prompt_ctrl_c_is_the_debuggers() -> None:
    """At a prompt Ctrl-C raises KeyboardInterrupt, which the prompt catches."""
    debugger = Debugger()
    _debugged(debugger)
    assert debugger.seen == [(True, True)]


def test_a_debugger_that_was_told_to_go_on_does_not_count() -> None:
    """A debugger that was told to go on is none, though the outermost frame still has its trace."""
    _debugged(Debugger())
    sys.settrace(None)
    assert not debuggers.is_attached()


def test_under_a_debugger_ctrl_c_goes_to_the_handler_found() -> None:
    """Under `python -m pdb` Ctrl-C goes to the handler that was found."""
    seen = list[Any]()
    handler = debuggers.ctrl_c_handler
    names = {"seen": seen, "debuggers": debuggers, "handler": handler, "found": _found}
    look = "seen.append((debuggers.is_attached(), debuggers.owns_ctrl_c(), handler(found)))"
    bdb.Bdb().runctx(look, names, names)
    assert seen[0][:2] == (True, True)


def test_a_prompt_in_another_thread_leaves_ctrl_c_alone() -> None:
    """A prompt in another thread counts as a debugger, but does not own Ctrl-C."""
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


def test_a_debuggers_own_handler_owns_ctrl_c() -> None:
    """While a debugger's own handler of SIGINT is set, Ctrl-C is the debugger's."""

    class RepairThread(bdb.Bdb):
        def handle(self, _number: int, _frame: FrameType | None) -> None:
            """Do nothing."""

    before = signal.signal(signal.SIGINT, RepairThread().handle)
    try:
        assert debuggers.owns_ctrl_c()
        assert not debuggers.is_attached()
    finally:
        signal.signal(signal.SIGINT, before)


def _ask() -> bool:
    return debuggers.is_attached() or debuggers.owns_ctrl_c()


def test_coverage_and_profilers_do_not_count() -> None:
    """A trace function that is no debugger counts as none."""

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
    """While its client is connected, pydevd counts, and Ctrl-C goes to the handler found."""
    pydevd = ModuleType("pydevd")
    answer = (lambda: is_connected) if name == "_is_attached" else is_connected
    setattr(pydevd, name, answer)
    monkeypatch.setitem(sys.modules, "pydevd", pydevd)
    assert debuggers.is_attached() == debuggers.owns_ctrl_c() == is_connected
    assert debuggers.ctrl_c_handler(_found) is (_found if is_connected else None)


@pytest.mark.parametrize("found", [signal.SIG_DFL, signal.SIG_IGN, None])
def test_without_a_handler_found_ctrl_c_is_a_keyboard_interrupt(
    monkeypatch: pytest.MonkeyPatch, found: object
) -> None:
    """Where no Python function was found, a debugger gets a KeyboardInterrupt."""
    pydevd = ModuleType("pydevd")
    monkeypatch.setattr(pydevd, "connected", True, raising=False)
    monkeypatch.setitem(sys.modules, "pydevd", pydevd)
    assert debuggers.ctrl_c_handler(found) is signal.default_int_handler


@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring")
@pytest.mark.parametrize(("name", "counts"), [("bdb", True), ("a profiler", False)])
def test_a_monitor_counts_if_it_is_bdbs(name: str, counts: bool) -> None:
    """A user of `sys.monitoring` counts if it is bdb; others take the debugger's number too."""
    monitoring: Any = getattr(sys, "monitoring")  # noqa: B009 - not on every Python
    monitoring.use_tool_id(monitoring.DEBUGGER_ID, name)
    try:
        assert debuggers.is_attached() == counts
    finally:
        monitoring.free_tool_id(monitoring.DEBUGGER_ID)


def test_this_process_is_not_traced() -> None:
    """No process traces this one, by what the kernel says."""
    assert not debuggers.is_traced()


def test_bdb_alone_is_no_debugger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a class on it there is none, and no stack is read."""

    def read() -> dict[int, FrameType]:
        raise AssertionError("the stacks were read")

    monkeypatch.setitem(sys.modules, "bdb", SimpleNamespace(Bdb=type("Bdb", (), {})))
    monkeypatch.setattr(debuggers, "_current_frames", read)
    assert not debuggers.is_attached()
    assert not debuggers.owns_ctrl_c()


def test_without_proc_no_process_traces_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel does not tell, nobody is taken for a debugger."""

    def missing(*_: object) -> None:
        raise FileNotFoundError

    with monkeypatch.context() as patched:
        patched.setattr("builtins.open", missing)
        assert not debuggers.is_traced()
