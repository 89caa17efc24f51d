"""The registry: the watchdog that all supervisors of a process share."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable

import pytest

from supervisor._reports import log_events
from supervisor._reports.log import reporter
from supervisor._signals import debuggers
from supervisor._signals.registry import Registry, registry


class Listener:
    """A supervisor with an error of its own, the first time that it is told anything."""

    guard_state = None
    is_running = True

    def __init__(self) -> None:
        self.told = list[str]()
        self.is_told_again = threading.Event()

    @property
    def handled(self) -> frozenset[int]:
        """One signal."""
        return frozenset({signal.SIGUSR1})

    def on_signal(self, number: int, at: float, now: float) -> None:
        """Fails."""
        self.told.append("signal")
        raise LookupError("our own")

    def on_time(self, now: float) -> float | None:
        """Fails once behind a signal."""
        if "signal" in self.told:
            self.told.append("time")
        if self.told.count("time") == 1:
            raise LookupError("our own")
        if self.told.count("time") > 1:
            self.is_told_again.set()
        return None

    def notify(self, number: int, poll: Callable[[], None]) -> None:
        """Has no loop."""

    def catch_up(self) -> None:
        """Has nothing at work."""


def test_an_error_of_ours_does_not_end_the_watchdog(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, others are told as ever, and the one that has failed is asked again."""
    failing, other = Listener(), Listener()
    with caplog.at_level(logging.ERROR, "supervisor"):
        for member in (failing, other):
            registry.add(member)
        try:
            signal.raise_signal(signal.SIGUSR1)
            assert failing.is_told_again.wait(5)
            assert other.is_told_again.wait(5)
        finally:
            for member in (other, failing):
                registry.leave(member)
        reporter.flush(5)
    assert len(caplog.records) == 4


def test_the_watchdog_is_woken_before_steps_are_carried_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """User code that blocks in a step does not keep the deadline from the watchdog."""
    calls: list[str] = []
    listener = Listener()
    monkeypatch.setattr(listener, "catch_up", lambda: calls.append("catch up"))
    registry.add(listener)
    try:
        monkeypatch.setattr(registry.wakeup_fd, "wake", lambda: calls.append("wake"))
        registry._poll(signal.SIGUSR1)
        monkeypatch.undo()
    finally:
        registry.leave(listener)
    assert calls == ["wake", "catch up"]


def test_an_interrupt_as_it_is_left_comes_out_when_all_is_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The handler that was found may raise as it is put back: the rest is put back all the same."""
    found = signal.getsignal(signal.SIGUSR1)
    listener = Listener()
    registry.add(listener)
    assert registry.wakeup_fd is not None
    handle, tries = registry.wakeup_fd.handle, list[int]()

    def interrupted_once(signals: frozenset[int]) -> list[tuple[int, float]]:
        tries.append(1)
        if len(tries) == 1:
            raise KeyboardInterrupt
        return handle(signals)

    with monkeypatch.context() as patched:
        patched.setattr(registry.wakeup_fd, "handle", interrupted_once)
        with pytest.raises(KeyboardInterrupt):
            registry.leave(listener)
    assert signal.getsignal(signal.SIGUSR1) is found
    assert not registry.owners


def test_interrupts_without_end_do_not_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who presses Ctrl-C again and again gets the interrupt after some tries."""
    listener = Listener()
    registry.add(listener)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(registry.wakeup_fd, "handle", interrupted)
        with pytest.raises(KeyboardInterrupt):
            registry.leave(listener)
    registry.leave(listener)
    assert not registry.owners


def test_before_its_first_supervisor_it_does_nothing() -> None:
    """A stop may be asked for, and a host may look, where no signal was ever handled."""
    fresh = Registry()
    fresh.wake_watchdog()
    fresh.reinstall()
    fresh.call_too({})
    fresh.reclaim()
    fresh._poll(signal.SIGUSR1)
    assert not fresh.interrupt()
    assert fresh.wakeup_fd is None


def test_what_is_not_due_any_more_interrupts_nothing() -> None:
    """A main thread that has come free meanwhile goes on."""
    listener = Listener()
    listener.told.append("no signal")
    registry.add(listener)
    try:
        asked = threading.Event()

        def is_due() -> bool:
            asked.set()
            return False

        thread = threading.Thread(target=registry.interrupt, args=(is_due,))
        thread.start()
        thread.join()
        assert asked.wait(5)
    finally:
        registry.leave(listener)


def test_a_stop_tells_when_a_debugger_comes_and_goes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """During a stop the log says that time stands still, and that it goes on."""
    fresh, is_attached = Registry(), [True]
    monkeypatch.setattr(debuggers, "is_attached", lambda: is_attached[0])
    fresh._stopping_since = time.monotonic()
    with caplog.at_level(logging.INFO, "supervisor"):
        fresh.look_for_debugger()
        is_attached[0] = False
        fresh.look_for_debugger()
        reporter.flush(5)
    assert [record.message for record in caplog.records] == [
        log_events.TIME_STANDS_STILL.name,
        log_events.TIME_GOES_ON.name,
    ]
