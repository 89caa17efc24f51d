"""A thousand signals at random moments: none is lost, nothing hangs, and no process is left.

A few runs by default, with a new seed each time (`SOAK_SEED=…` repeats one); all with `-m soak`.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from supervisor import Rung
from tests.process.families import OBEYS, REFUSES
from tests.process.harness import MARGIN, Child, Server
from tests.process.scenarios import LADDER
from tests.seeds import seed
from tests.unit.signals.guards import guards_of

pytestmark = [pytest.mark.process]

_SEED = seed("SOAK_SEED")
_BATCHES, _RUNS, _SIGNALS = 20, 10, 50  # of each batch: 200 runs or more, 1,000 signals
_MOST = 8  # signals in a run
_FORCED = 137
_KINDS = (signal.SIGINT, signal.SIGTERM)
_WORK = (
    *("quiet", "chatty", "blocks", "ignores", "tool", "tools", "thread", "selector", "nested"),
    *("five", "keeps", "refuses"),
)
_REFUSING = ("keeps", "refuses")


@dataclass
class Plan:
    """A program, and the signals that are sent to it."""

    host: str
    arguments: dict[str, Any]
    awaited: str
    signals: list[tuple[float, signal.Signals, int | None]]  # pause, which, to which thread
    sent: list[signal.Signals] = field(default_factory=list[signal.Signals])
    status: int | None = None


@pytest.mark.parametrize("seed", [_SEED], ids=str)
def test_signals_at_random_moments(server: Server, seed: int) -> None:
    """In a sample, signals at random moments end the programs in order."""
    _soak(server, seed, runs=15, signals=0)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(_SEED, _SEED + _BATCHES), ids=str)
def test_a_thousand_signals_at_random_moments(server: Server, seed: int) -> None:
    """The same for a thousand signals, with each work, host and loop, to any thread."""
    _soak(server, seed, runs=_RUNS, signals=_SIGNALS)


def _soak(server: Server, seed: int, runs: int, signals: int) -> None:
    print(f"SOAK_SEED={seed} repeats this")
    chance = random.Random(seed)
    done: list[Plan] = []
    pids: list[int] = []
    while len(done) < runs or sum(len(plan.sent) for plan in done) < signals:
        done.append(plan := _plan(chance))
        with server.start("soaked", host=plan.host, **plan.arguments) as child:
            pids.append(child.pid)
            _send(child, plan)
    _check_that_nobody_is_left(server, pids)
    statuses = Counter(plan.status for plan in done)
    print(f"{len(done)} runs, {sum(len(plan.sent) for plan in done)} signals: {statuses}")


def _plan(chance: random.Random) -> Plan:
    host = chance.choice(("run", "run", "block", "block", "family", "forking"))
    loop = chance.choice(("asyncio", "uvloop"))
    work = {"scenario": chance.choice(_WORK), "moment": chance.choice(("first", "middle", "last"))}
    family = {"script": chance.choice((OBEYS, REFUSES)), "cancels": 2, "children": 2}
    forks = {"in_thread": chance.choice((True, False))}
    more: dict[str, dict[str, Any]] = {"family": family, "forking": forks}
    return Plan(
        host,
        {"loop": loop, **more.get(host, work)},
        # A child that is started while a run is cancelled is not ours to end.
        "busy" if host in more else chance.choice(("handled", "ready")),
        [_signal(chance) for _ in range(chance.randint(1, _MOST))],
    )


def _signal(chance: random.Random) -> tuple[float, signal.Signals, int | None]:
    longest = chance.choice((0.0, 0.005, 0.05, 0.8))
    thread = chance.choice((None, chance.randrange(10)))
    return chance.uniform(0, longest), chance.choice(_KINDS), thread


def _send(child: Child, plan: Plan) -> None:
    child.until(plan.awaited)
    began = time.monotonic()
    for pause, number, thread in plan.signals:
        if child.has_ended(pause):
            break
        at = child.signal(number, thread=thread)
        began = began if plan.sent else at
        plan.sent.append(number)
    plan.status = child.wait()
    _check(child, plan, plan.status, time.monotonic() - began)


def _check(child: Child, plan: Plan, status: int, seconds: float) -> None:
    story = f"{plan}, {seconds:.2f} s\n{child.story()}"
    assert seconds < LADDER.budget(Rung.DRAIN) + MARGIN, story
    reasons = {str(fact["reason"]) for fact in child.facts("result")}
    assert reasons <= {f"Stopped by {number.name}" for number in plan.sent}, story
    if status == _FORCED:
        # A second signal ends the process where time has climbed meanwhile.
        assert len(plan.sent) > 1 or plan.arguments.get("scenario") in _REFUSING, story
        return
    assert status in _clean(plan, reasons), story


def _clean(plan: Plan, reasons: set[str]) -> set[int]:
    """Return the statuses of a stop in order."""
    named = {number for number in plan.sent if f"Stopped by {number.name}" in reasons}
    stopped = named or set(plan.sent)
    if plan.host != "block":
        return {-number for number in stopped}
    # Behind the block a signal is none of the supervisor's business.
    return {128 + number for number in stopped} | {-number for number in plan.sent[1:]}


def _check_that_nobody_is_left(server: Server, pids: list[int]) -> None:
    """Check that no process, zombie or guard is left."""
    deadline = time.monotonic() + 5
    while left := [*_in_sessions(set(pids)), *(guard for pid in pids for guard in guards_of(pid))]:
        assert time.monotonic() < deadline, f"{left} of {pids}"
        time.sleep(0.1)  # who inherits them may be slow to reap them
    assert not psutil.Process(server.pid).children()


def _in_sessions(pids: set[int]) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.NoSuchProcess):
            if os.getsid(pid) in pids:
                found.append(psutil.Process(pid))
    return found
