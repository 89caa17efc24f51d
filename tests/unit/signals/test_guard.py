"""The guard's arithmetic, which is the ladder's, and what it makes of a process that is alive."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import Ladder, Rung, Supervisor
from supervisor._core.ladder import DUPLICATE_SECONDS, LadderState
from supervisor._signals import guard
from supervisor._signals import wakeup as bridges
from supervisor._signals.guard import (
    HELD_SECONDS,
    RESERVE,
    Estimate,
    Guard,
    GuardState,
    Sighting,
    Unread,
)

_ROOT = Path(guard.__file__).parents[2]
ENTRIES = {signal.SIGTERM: Rung.DRAIN, signal.SIGINT: Rung.CANCEL}
# Eighths add up without rounding. The guard and the ladder add in different orders: a signal in the
# moment in which a rung ends would come before that for one of them, and after it for the other.
EIGHTHS = st.integers(0, 80).map(lambda eighths: eighths / 8)
BUDGETS = [3.0, 3.0, 2.0, 1.0, 0.0]  # of rungs of a second each
SECONDS = EIGHTHS | st.just(math.inf)


def _orders(climb: LadderState, ladder: Ladder) -> GuardState:
    budgets = [math.inf if math.isinf(ladder.abandon) else ladder.budget(rung) for rung in Rung]
    deadline = math.inf if climb.deadline is None else climb.deadline
    return GuardState(climb.rung, deadline, budgets, ENTRIES, climb.counted)


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
    known=st.booleans(),
    signals=st.lists(st.tuples(st.sampled_from(list(ENTRIES)), EIGHTHS), max_size=6),
)
def test_its_deadline_is_the_ladders(
    drain: float,
    cancel: float,
    abandon: float,
    before: bool,
    known: bool,
    signals: list[tuple[signal.Signals, float]],
) -> None:
    """For all signals at all times, also on top of a stop that is under way."""
    ladder = Ladder(drain=drain, cancel=cancel, abandon=abandon)
    climb = LadderState(ladder, exits=True)
    if before:
        climb.request(Rung.DRAIN, 0.0)
    if known:
        climb.signal(signal.SIGTERM, Rung.DRAIN, 0.0)
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
    orders = GuardState(2, math.inf, [8.25, math.inf, 0.0], ENTRIES, {signal.SIGINT: 0.1})
    line = orders.encoded()
    assert line.count(b"\n") == 1
    assert vars(GuardState.decoded(line)) == vars(orders)
    assert len(line) < 512  # what POSIX lets a pipe take in one piece


def test_signals_of_others_start_no_clock() -> None:
    """A SIGCHLD that nobody reads says that the interpreter is held, and asks for nothing."""
    orders = GuardState(0, math.inf, BUDGETS, ENTRIES, {})
    assert orders.deadline_of([(signal.SIGCHLD, 1.0)]) == math.inf


def test_the_constants_that_are_written_twice_are_the_same() -> None:
    """The guard imports nothing of ours, for it starts without our environment."""
    assert guard._DUPLICATE_SECONDS == DUPLICATE_SECONDS
    assert (guard._MISSED, guard._OWN) == (bridges._MISSED, bridges._OWN)


def test_orders_by_a_clock_that_stood_differ_in_their_times_alone() -> None:
    """The deadline and what was counted are later by that; while it stands there is no end."""
    orders = GuardState(1, 103.0, BUDGETS, ENTRIES, {signal.SIGINT: 100.0}, is_program=True)
    changed = {"deadline": 113.0, "counted": {signal.SIGINT: 110.0}}
    assert vars(orders.later(10.0)) == vars(orders) | changed
    changed = {"deadline": math.inf, "budgets": [math.inf] * 5}
    assert vars(orders.without_end()) == vars(orders) | changed


# -- what it makes of what is unread, and of orders -----------------------------------------------


def _told(rung: int, deadline: float, **counted: float) -> GuardState:
    by_number = {int(signal.Signals[name]): at for name, at in counted.items()}
    return GuardState(rung, deadline, BUDGETS, ENTRIES, by_number)


def _held_since(at: float) -> Estimate:
    """A process whose interpreter has been held since a SIGTERM came."""
    estimate = Estimate()
    estimate.obey(_told(0, math.inf))
    estimate.unread.see(bytes([signal.SIGTERM]), at)
    return estimate


def test_a_held_process_has_what_the_ladder_has_from_the_arrival_on() -> None:
    """Once it is clear that it is held."""
    estimate = _held_since(100.0)
    assert estimate.kill_at(100.0 + HELD_SECONDS / 2) == math.inf
    assert 103.0 < estimate.kill_at(100.0 + 2 * HELD_SECONDS) <= 103.0 + RESERVE


def test_a_process_that_reads_late_keeps_the_deadline_of_the_arrival() -> None:
    """It was let go for a moment, and tells of a deadline that counts from then."""
    estimate = _held_since(100.0)
    estimate.kill_at(101.0)
    estimate.unread.see(b"", 101.5)
    estimate.obey(_told(1, 104.5, SIGTERM=101.5))
    assert estimate.kill_at(101.5) == 103.0 + RESERVE


def test_a_process_that_has_read_and_not_told_keeps_it_too() -> None:
    """It has lost the interpreter in between."""
    estimate = _held_since(100.0)
    estimate.kill_at(101.0)
    estimate.unread.see(b"", 101.5)
    assert estimate.kill_at(101.5) == 103.0 + RESERVE


@pytest.mark.parametrize("rung", [Rung.RUNNING, Rung.EXIT])
def test_what_is_over_is_over(rung: Rung) -> None:
    """The signal was nobody's; or the process is at its end, and has its time for a report."""
    estimate = _held_since(100.0)
    estimate.kill_at(101.0)
    estimate.unread.see(b"", 101.5)
    estimate.obey(_told(rung, 110.0))
    assert estimate.kill_at(101.5) == 110.0 + RESERVE


def test_a_duplicate_of_what_was_counted_is_one_here_too() -> None:
    """The process has counted the first, and was held before it has read the second."""
    estimate = Estimate()
    estimate.obey(_told(1, 103.0, SIGTERM=100.0))
    estimate.unread.see(bytes([signal.SIGTERM]), 100.25)
    assert estimate.kill_at(101.0) > 103.0


def test_a_signal_that_the_process_has_sent_to_itself_asks_for_nothing() -> None:
    """It is marked; the next one of the same number is not."""
    unread = Unread()
    unread.see(bytes([guard._OWN, signal.SIGINT, 0, signal.SIGINT]), 1.0)
    assert unread.signals == [(signal.SIGINT, 1.0)]


def test_each_byte_has_the_time_at_which_it_was_first_seen() -> None:
    """Until some are read: then those that are left are new."""
    unread = Unread()
    assert unread.see(b"a", 1.0)
    assert unread.see(b"ab", 2.0)
    assert not unread.see(b"ab", 3.0)
    assert unread.arrivals == [1.0, 2.0]
    assert unread.see(b"b", 4.0)
    assert unread.arrivals == [4.0]


def test_a_sighting_survives_the_socket() -> None:
    """One line, read as it was written."""
    sighting = Sighting(0.1, [1 / 3, 2.0])
    line = sighting.encoded()
    assert line.count(b"\n") == 1
    assert vars(Sighting.decoded(line)) == vars(sighting)


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


@pytest.mark.parametrize("module", ["_signals.guard", "_process.final_sweep"])
def test_a_small_process_imports_next_to_nothing(module: str) -> None:
    """It is started with -I -S, from our own folder: four small modules of ours, no package."""
    code = f"import sys; sys.path.insert(0, {str(_ROOT)!r}); import supervisor.{module}; "
    code += "print(*{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == {"__main__", "supervisor"}
    heavy = "asyncio", "logging", "subprocess", "threading", "typing"
    code = code.partition("print")[0] + f"print([n for n in {heavy!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
