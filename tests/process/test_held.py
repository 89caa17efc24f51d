"""C code that releases the GIL for a moment, and takes it again, delays no stop.

In that moment the process reads the signal. It counts from its arrival all the same.
"""

from __future__ import annotations

import random
import signal
import time

import pytest

from supervisor._signals.guard_state import RESERVE_SECONDS
from tests.process.guarded import Program, on_each_loop, program
from tests.seeds import seed as seed_of

pytestmark = [pytest.mark.process]

_RUNG = 2  # seconds: on a busy machine the first call takes twice as long as was measured
_SECONDS = {signal.SIGTERM: 3 * _RUNG, signal.SIGINT: 2 * _RUNG}  # to the deadline
_MARGIN = 0.5  # seconds, on a machine with nothing else to do
_RUNS, _BATCHES = 25, 20
_SEED = seed_of("SOAK_SEED")

on_each_signal = pytest.mark.parametrize("number", list(_SECONDS), ids=lambda it: it.name)

# `sum` gives no way; how long it takes is measured first.
_CALLS = """
from supervisor._supervisor.facade import parts_of
def measured():
    began = time.perf_counter()
    sum(range(10**7))
    return 10**7 / (time.perf_counter() - began)
numbers = int(measured() * {seconds})
async def main(sup):
    tell("ready")
    sum(range(numbers))
    {between}
    sum(range(10**13))
run(main, loop={loop!r}, ladder=Ladder(drain={rung}, cancel={rung}, abandon={rung}))
"""
# Once the process has read the signal, and knows its deadline.
_TELLS = """ended = time.monotonic()
    while sup.rung < 1: pass
    print(f"<between {ended} {parts_of(sup).stop.deadline}>", flush=True)"""
# Again and again, until the process is ended.
_TELLS_ON = """ended = time.monotonic()
    while sup.rung < 1: pass
    while True:
        print(f"<between {ended} {parts_of(sup).stop.deadline}>", flush=True)
        time.sleep(0.01)"""


def _between(it: Program) -> tuple[float, float]:
    _, ended, deadline = it.line_with("between").split()
    return float(ended), float(deadline)


@on_each_loop
@on_each_signal
def test_a_signal_that_is_read_between_two_calls_counts_from_its_arrival(
    loop: str, number: signal.Signals
) -> None:
    """The ladder's deadline counts from the signal's arrival, and the guard keeps it."""
    with program(_CALLS.format(seconds=1.2, between=_TELLS, loop=loop, rung=_RUNG)) as it:
        it.until("ready")
        sent = it.signal(number)
        ended, deadline = _between(it)
        unread = ended - sent
        assert deadline - sent - _SECONDS[number] < unread / 2
        assert it.wait() == -signal.SIGKILL
        assert time.monotonic() >= deadline


@on_each_loop
@on_each_signal
def test_two_signals_before_the_first_moment_count_from_their_arrivals(
    loop: str, number: signal.Signals
) -> None:
    """Two signals that are read together count from their arrivals, and both climb."""
    with program(_CALLS.format(seconds=1.6, between=_TELLS_ON, loop=loop, rung=_RUNG)) as it:
        it.until("ready")
        it.signal(number)
        time.sleep(0.6)  # 0.3 would be a duplicate; the guard may look late
        sent = it.signal(number)
        further = _SECONDS[number] - _RUNG
        while True:  # until the second one is counted, too
            ended, deadline = _between(it)
            if deadline - sent - further < (ended - sent) / 2:
                break


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(_SEED, _SEED + _BATCHES), ids=str)
def test_five_hundred_in_a_row_are_in_time(seed: int) -> None:
    """On each loop and for each signal the end is in time, whenever the first call ends."""
    chance = random.Random(seed)
    for _ in range(_RUNS):
        loop, number = chance.choice(("asyncio", "uvloop")), chance.choice(list(_SECONDS))
        seconds = chance.uniform(0.3, 3.0)
        with program(_CALLS.format(seconds=seconds, between="", loop=loop, rung=_RUNG)) as it:
            it.until("ready")
            sent = it.signal(number)
            assert it.wait() in (-signal.SIGKILL, 137)
            late = time.monotonic() - sent - _SECONDS[number] - RESERVE_SECONDS
            assert late < _MARGIN, f"SOAK_SEED={seed}: {loop}, {number.name}, {seconds:.2f} s"
