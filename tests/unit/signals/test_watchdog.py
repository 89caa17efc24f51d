"""The watchdog, woken by a pipe and by the time."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Generator, Iterator
from queue import SimpleQueue

import pytest

from supervisor._signals.watchdog import Watchdog


class Pipe:
    """A source of numbers."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)  # it is also read when the time has come

    def fileno(self) -> int:
        """Return the end that is read."""
        return self._reader

    def read(self, *, is_main: bool) -> list[tuple[int, float]]:
        """Return the numbers that were sent, with the time; 0 is a wake-up."""
        try:
            sent = os.read(self._reader, 1024)
            return [(number, time.monotonic()) for number in sent if number]
        except BlockingIOError:
            return []

    def wake(self) -> None:
        """Send nothing."""
        self.send(0)

    def send(self, *numbers: int) -> None:
        """Send numbers at once."""
        os.write(self._writer, bytes(numbers))

    def close(self) -> None:
        """Close both ends."""
        os.close(self._reader)
        os.close(self._writer)


class Listener:
    """Records what the watchdog calls it with, and returns when to be called next."""

    def __init__(self) -> None:
        self.signals: SimpleQueue[tuple[int, float]] = SimpleQueue()
        self.times: SimpleQueue[float] = SimpleQueue()
        self.next_times: list[float] = []
        self.thread: threading.Thread | None = None

    def on_signal(self, number: int, at: float) -> None:
        """Record a signal."""
        self.thread = threading.current_thread()
        self.signals.put((number, at))

    def on_time(self, now: float) -> float | None:
        """Record the time; return when to be called next."""
        self.times.put(now)
        return self.next_times.pop() if self.next_times else None


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Give a pipe, which outlives the thread of the watchdog."""
    found = set(threading.enumerate())
    pipe = Pipe()
    yield pipe
    for thread in set(threading.enumerate()) - found:
        thread.join(5)
    pipe.close()


@contextlib.contextmanager
def watching(pipe: Pipe, listener: Listener) -> Generator[Watchdog]:
    """Run a watchdog."""
    watchdog = Watchdog(pipe, listener.on_signal, listener.on_time)
    watchdog.start()
    try:
        yield watchdog
    finally:
        watchdog.stop()


def test_it_calls_back_for_each_signal_with_its_time(pipe: Pipe) -> None:
    """Signals are passed on in their order, from a daemon thread, with their times of arrival."""
    listener, before = Listener(), time.monotonic()
    with watching(pipe, listener):
        pipe.send(15, 2)
        first, second = listener.signals.get(timeout=5), listener.signals.get(timeout=5)
    assert (first[0], second[0]) == (15, 2)
    assert before <= first[1] <= second[1] <= time.monotonic()
    assert listener.thread is not None
    assert listener.thread.daemon
    assert listener.thread.name == "supervisor-watchdog"


def test_it_calls_back_at_the_time_it_was_given(pipe: Pipe) -> None:
    """Each wake-up asks for the next moment, and that moment wakes the watchdog by itself."""
    listener = Listener()
    with watching(pipe, listener):
        wanted = time.monotonic() + 0.05
        listener.next_times.append(wanted)
        pipe.wake()
        listener.times.get(timeout=5)
        assert listener.times.get(timeout=5) >= wanted
    assert listener.signals.empty()


def test_a_moment_too_far_to_wait_for_is_no_error(pipe: Pipe) -> None:
    """A moment that no selector can wait for does not end the thread."""
    listener = Listener()
    listener.next_times.append(time.monotonic() + 1e30)
    with watching(pipe, listener):
        pipe.wake()
        listener.times.get(timeout=5)
        pipe.send(15)
        assert listener.signals.get(timeout=5)[0] == 15


def test_stop_does_not_wait_for_the_thread(pipe: Pipe) -> None:
    """`stop()` may be called from a loop: the thread ends by itself, and soon."""
    found = set(threading.enumerate())
    with watching(pipe, Listener()):
        [thread] = set(threading.enumerate()) - found
    thread.join(5)
    assert not thread.is_alive()


def test_it_may_be_stopped_from_its_own_thread(pipe: Pipe) -> None:
    """A callback may stop the watchdog from its own thread."""
    done = threading.Event()

    def end(_number: int, _at: float) -> None:
        watchdog.stop()
        done.set()

    watchdog = Watchdog(pipe, end, Listener().on_time)
    watchdog.start()
    pipe.send(15)
    assert done.wait(5)
