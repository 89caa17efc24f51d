"""The registry: the watchdog that all supervisors of a process share."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable

import pytest

from supervisor._reports.log import reporter
from supervisor._signals.registry import registry


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
