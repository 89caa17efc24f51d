"""The guard's arithmetic, which is the ladder's, and what it makes of a process that is alive."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import Ladder, Rung, Supervisor, guard
from supervisor import bridge as bridges
from supervisor.guard import Guard, Orders
from supervisor.ladder import DUPLICATE_SECONDS, Climb

ENTRIES = {signal.SIGTERM: Rung.DRAIN, signal.SIGINT: Rung.CANCEL}
# Eighths add up without rounding. The guard and the ladder add in different orders: a signal in the
# moment in which a rung ends would come before that for one of them, and after it for the other.
EIGHTHS = st.integers(0, 80).map(lambda eighths: eighths / 8)
SECONDS = EIGHTHS | st.just(math.inf)


def _orders(climb: Climb, ladder: Ladder) -> Orders:
    budgets = [math.inf if math.isinf(ladder.abandon) else ladder.budget(rung) for rung in Rung]
    deadline = math.inf if climb.deadline is None else climb.deadline
    return Orders(climb.rung, deadline, budgets, ENTRIES)


def _guards(pid: int) -> list[psutil.Process]:
    """The guards of a process: none of its children, so looked for among all."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["cmdline"]):
        words: list[str] = process.info["cmdline"] or []
        if guard.__file__ in words and words[-1] == str(pid):
            found.append(process)
    return found


def _open_fds() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


@given(
    drain=SECONDS,
    cancel=EIGHTHS,
    abandon=SECONDS,
    before=st.booleans(),
    signals=st.lists(st.tuples(st.sampled_from(list(ENTRIES)), EIGHTHS), max_size=6),
)
def test_its_deadline_is_the_ladders(
    drain: float,
    cancel: float,
    abandon: float,
    before: bool,
    signals: list[tuple[signal.Signals, float]],
) -> None:
    """For all signals at all times, also on top of a stop that is under way."""
    ladder = Ladder(drain=drain, cancel=cancel, abandon=abandon)
    climb = Climb(ladder, exits=True)
    if before:
        climb.request(Rung.DRAIN, 0.0)
    orders = _orders(climb, ladder)
    now, unread = 0.0, list[tuple[int, float]]()
    for number, later in signals:
        now += later
        climb.tick(now)
        climb.signal(number, ENTRIES[number], now)
        unread.append((number, now))
    expected = math.inf if climb.deadline is None else climb.deadline
    assert orders.deadline_of(unread) == pytest.approx(expected)


def test_orders_survive_the_pipe() -> None:
    """One line, read as it was written, infinity included."""
    orders = Orders(2, math.inf, [8.25, math.inf, 0.0], ENTRIES)
    line = orders.encoded()
    assert line.count(b"\n") == 1
    assert vars(Orders.decoded(line)) == vars(orders)
    assert len(line) < 512  # what POSIX lets a pipe take in one piece


def test_signals_of_others_start_no_clock() -> None:
    """A SIGCHLD that nobody reads says that the interpreter is held, and asks for nothing."""
    orders = Orders(0, math.inf, [3.0, 3.0, 2.0, 1.0, 0.0], ENTRIES)
    assert orders.deadline_of([(signal.SIGCHLD, 1.0)]) == math.inf


def test_the_constants_that_are_written_twice_are_the_same() -> None:
    """The guard imports nothing of ours, for it starts without our environment."""
    assert guard._DUPLICATE_SECONDS == DUPLICATE_SECONDS
    assert guard._MISSED == bridges._MISSED


def test_a_guard_that_cannot_be_started_leaves_no_fd(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that is not there is an `OSError`."""
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    before = _open_fds()
    with pytest.raises(FileNotFoundError):
        Guard(0)
    assert _open_fds() == before


async def test_a_block_has_a_guard_while_it_is_open() -> None:
    """One for all that are nested, none of them a child of ours; gone behind the block."""
    async with Supervisor(guard=True):
        async with Supervisor(guard=True):
            (found,) = _guards(os.getpid())
            assert found not in psutil.Process().children(recursive=True)
        assert found.is_running()
    await asyncio.to_thread(found.wait, 5)
    assert not _guards(os.getpid())


async def test_without_the_wish_there_is_none() -> None:
    """The plain block starts no process."""
    async with Supervisor():
        assert not _guards(os.getpid())


async def test_in_another_thread_there_is_none() -> None:
    """There a supervisor handles no signals, and ends no process."""

    async def guest() -> list[psutil.Process]:
        async with Supervisor(guard=True):
            return _guards(os.getpid())
        return []

    assert await asyncio.to_thread(lambda: asyncio.run(guest())) == []


def test_the_script_needs_nothing_of_ours() -> None:
    """It is started with -I -S: only the standard library, nothing of a project's folder."""
    source = Path(guard.__file__).read_text("utf-8")
    imports = [line for line in source.splitlines() if line.startswith(("import", "from"))]
    assert not any("supervisor" in line for line in imports)
