"""One cell of the chaos matrix: start a program, wait for its state, signal it and time it."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import time
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from typing import Final

import psutil

from tests.chaos.fresh import Fresh
from tests.chaos.states import STATES, State
from tests.process.harness import Fact

SPACING: Final = 0.35  # seconds between signals that count
PATIENCE: Final = 8.0
"""Seconds after which a program that is still there is killed."""

PLACES: Final = ("plain", PID_1 := "PID 1")
SIGNALS: Final = {
    "TERM": (signal.SIGTERM, 1),
    "INT": (signal.SIGINT, 1),
    "TERM x3": (signal.SIGTERM, 3),
    "INT x3": (signal.SIGINT, 3),
}


@dataclass(frozen=True)
class Cell:
    """A host, a state, and the signals that are sent."""

    host: str
    state: str
    signals: str
    loop: str
    place: str


@dataclass(frozen=True)
class Outcome:
    """How it ended.

    Args:
        status: Its exit status, or minus the signal that it died by; None where it was still there
            after `PATIENCE`.
        sent: How many signals it was sent; no more once it has ended, none where it did not come to
            the moment.
        seconds: From the last of them.
        facts: What it told.
        left: How many processes of its own outlive it.
        stderr: What it wrote there, where anybody could read it.
    """

    status: int | None
    sent: int
    seconds: float
    facts: list[Fact]
    left: int
    stderr: str

    def has_told(self, fact: str) -> bool:
        """Return whether it reported this fact."""
        return fact in [told["fact"] for told in self.facts]


def run(cell: Cell) -> Outcome:
    """Run a program, and return how it ended."""
    state = STATES[cell.state]
    terminal = pty.openpty if state.has_terminal else None
    pipe = os.pipe if state.has_full_stderr else None
    with _opened(terminal) as stdin, _opened(pipe) as stderr, _start(cell, stdin, stderr) as it:
        fact = _bring(it, state)
        if fact is None:
            status = it.wait() if it.has_ended(0.0) else None
            return Outcome(status, 0, 0.0, it.seen, 0, it.stderr)
        if stderr is not None:
            _fill(stderr)
        with _family_of(it) as family:
            sent, at = _send(it, cell, fact.get("thread"))
            ended = it.has_ended(at + PATIENCE - time.monotonic())
            seconds = time.monotonic() - at
            left = _alive({*family, *it.session()}) if ended else 0
        status = it.wait() if ended else None
        return Outcome(status, sent, seconds, it.seen, left, it.stderr)


def _start(
    cell: Cell, stdin: int | None, stderr: int | None
) -> contextlib.AbstractContextManager[Fresh]:
    command = ["-m", "tests.chaos.play", cell.host, cell.state, cell.loop]
    return Fresh.start(command, pid_1=cell.place == PID_1, stdin=stdin, stderr=stderr)


@contextlib.contextmanager
def _opened(pair: Callable[[], tuple[int, int]] | None) -> Generator[int | None]:
    """Return the program's end of a pair; the other end is left alone."""
    if pair is None:
        yield None
        return
    ends = pair()
    try:
        yield ends[1]
    finally:
        for end in ends:
            os.close(end)


def _fill(pipe: int) -> None:
    """Write until it takes no more."""
    os.set_blocking(pipe, False)
    try:
        while True:
            os.write(pipe, b"x")
    except BlockingIOError:
        os.set_blocking(pipe, True)


def _bring(it: Fresh, state: State) -> Fact | None:
    """Wait until the signals can be sent; return None if the program does not get there."""
    with contextlib.suppress(EOFError, TimeoutError):
        if state.moment != "cleaning":
            return it.until(state.moment)
        it.until("working")
        it.signal(signal.SIGINT)
        time.sleep(SPACING)  # the next one is not to count as the same
        return it.until("cleaning", PATIENCE)
    return None


def _send(it: Fresh, cell: Cell, thread: int | None) -> tuple[int, float]:
    """Send the signals while it lives; return how many, and when the last was sent."""
    number, count = SIGNALS[cell.signals]
    for sent in range(1, count + 1):
        at = time.monotonic()
        it.signal(number, thread)
        if sent == count or it.has_ended(SPACING):
            break
    return sent, at


@contextlib.contextmanager
def _family_of(it: Fresh) -> Generator[list[psutil.Process]]:
    """Return what it has started, and kill that at the end."""
    family = it.program.children(recursive=True)
    try:
        yield family
    finally:
        for process in {*family, *it.session()}:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def _alive(family: Collection[psutil.Process]) -> int:
    found = 0
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process.status() != psutil.STATUS_ZOMBIE
    return found
