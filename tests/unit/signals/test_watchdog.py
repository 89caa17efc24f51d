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

    def read(self) -> list[tuple[int, float]]:
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


class Ears:
    """Notes what the watchdog tells, and says when it wants to be told the time."""

    def __init__(self) -> None:
        self.signals: SimpleQueue[tuple[int, float]] = SimpleQueue()
        self.times: SimpleQueue[float] = SimpleQueue()
        self.wanted: list[float] = []
        self.thread: threading.Thread | None = None

    def on_signal(self, number: int, at: float) -> None:
        """A number has come."""
        self.thread = threading.current_thread()
        self.signals.put((number, at))

    def on_time(self, now: float) -> float | None:
        """It is now."""
        self.times.put(now)
        return self.wanted.pop() if self.wanted else None


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe, which outlives the watchdog's thread."""
    found = set(threading.enumerate())
    pipe = Pipe()
    yield pipe
    for thread in set(threading.enumerate()) - found:
        thread.join(5)
    pipe.close()


@contextlib.contextmanager
def watching(pipe: Pipe, ears: Ears) -> Generator[Watchdog]:
    """A watchdog at work."""
    watchdog = Watchdog(pipe, ears.on_signal, ears.on_time)
    watchdog.start()
    try:
        yield watchdog
    finally:
        watchdog.stop()


def test_it_tells_each_signal_with_its_time(pipe: Pipe) -> None:
    """Numbers are told in their order, from a daemon thread, with the time of their arrival."""
    ears, before = Ears(), time.monotonic()
    with watching(pipe, ears):
        pipe.send(15, 2)
        first, second = ears.signals.get(timeout=5), ears.signals.get(timeout=5)
    assert (first[0], second[0]) == (15, 2)
    assert before <= first[1] <= second[1] <= time.monotonic()
    assert ears.thread is not None
    assert ears.thread.daemon
    assert ears.thread.name == "supervisor-watchdog"


def test_it_asks_when_it_is_wanted_next_after_every_wake(pipe: Pipe) -> None:
    """A wake-up makes it ask for the time again; the moment it is given wakes it by itself."""
    ears = Ears()
    with watching(pipe, ears):
        wanted = time.monotonic() + 0.05
        ears.wanted.append(wanted)
        pipe.wake()
        ears.times.get(timeout=5)
        assert ears.times.get(timeout=5) >= wanted
    assert ears.signals.empty()


def test_a_moment_beyond_all_limits_is_waited_for(pipe: Pipe) -> None:
    """A moment that no selector can wait for does not end the thread."""
    ears = Ears()
    ears.wanted.append(time.monotonic() + 1e30)
    with watching(pipe, ears):
        pipe.wake()
        ears.times.get(timeout=5)
        pipe.send(15)
        assert ears.signals.get(timeout=5)[0] == 15


def test_stopped_it_ends_without_being_waited_for(pipe: Pipe) -> None:
    """`stop()` may be called from a loop: the thread ends by itself, and soon."""
    found = set(threading.enumerate())
    with watching(pipe, Ears()):
        [thread] = set(threading.enumerate()) - found
    thread.join(5)
    assert not thread.is_alive()


def test_it_may_be_stopped_from_its_own_thread(pipe: Pipe) -> None:
    """A callback may end it."""
    done = threading.Event()

    def end(_number: int, _at: float) -> None:
        watchdog.stop()
        done.set()

    watchdog = Watchdog(pipe, end, Ears().on_time)
    watchdog.start()
    pipe.send(15)
    assert done.wait(5)
