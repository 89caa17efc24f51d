"""A scenario: many processes go on with many runs on one store, and each turn has one writer."""

from __future__ import annotations

import contextlib
import math
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

from supervisor._checkpoints.integrity import check
from supervisor._checkpoints.store import CheckpointStore, End, RunStatus
from supervisor._checkpoints.urls import open_store
from supervisor.errors import LeaseLost, RunHeld, StoreUnavailable
from tests.checkpoints.kept_run import NEW, KeptRun
from tests.checkpoints.preloaded import Pipe, fork, wait

_MOST_TURNS = 6


def contest(
    *,
    url: str,
    processes: int,
    runs: int,
    turns: int,
    lease: float,
    kills: int = 0,
    stops: int = 0,
    seed: int,
) -> dict[str, int]:
    """Have some processes take runs from each other until all are completed.

    Args:
        url: The store.
        processes: How many.
        runs: How many runs there are.
        turns: After how many turns each of them is completed.
        lease: For how many seconds a run is taken.
        kills: How many processes are killed meanwhile, and replaced.
        stops: How many are stopped (SIGSTOP) until their lease is over, and continued.
        seed: Of what is random.

    Returns:
        How many turns were written, by how many owners, how many commits were refused, and how
        often the store did not answer in time.
    """
    store = open_store(url)
    store.setup()
    for number in range(runs):
        store.submit(f"run-{number}", NEW)
    store.close()
    acknowledged = _compete(url, processes, turns, lease, _Disturbance(kills, stops, lease, seed))
    return _checked(open_store(url), runs, turns, acknowledged)


class _Disturbance:
    """Who is killed or stopped, and when: after so many acknowledged turns."""

    def __init__(self, kills: int, stops: int, lease: float, seed: int) -> None:
        self._rng = random.Random(seed)
        self._left = ["kill"] * kills + ["stop"] * stops
        self._rng.shuffle(self._left)
        self._lease = lease
        self._wait = self._rng.randrange(5, 30)
        self._stopped = dict[int, float]()

    def seed(self) -> int:
        """Return a seed for a process."""
        return self._rng.randrange(1 << 30)

    def after_lines(self, count: int, working: Sequence[int]) -> int | None:
        """Stop or kill one of the processes, when it is time; return the one that was killed."""
        self._wait -= count
        free = [child for child in working if child not in self._stopped]
        if self._wait > 0 or not self._left or len(free) < 2:
            return None
        self._wait = self._rng.randrange(5, 30)
        chosen = self._rng.choice(free)
        if self._left.pop() == "kill":
            os.kill(chosen, signal.SIGKILL)
            return chosen
        os.kill(chosen, signal.SIGSTOP)
        self._stopped[chosen] = time.monotonic() + 2 * self._lease
        return None

    def wake(self, until: float) -> None:
        """Let those continue whose time is over by then."""
        for child in [child for child, end in self._stopped.items() if end <= until]:
            del self._stopped[child]
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGCONT)


def _compete(
    url: str, processes: int, turns: int, lease: float, disturbance: _Disturbance
) -> list[list[str]]:
    """Return what was acknowledged, as lines of words."""
    pipe, said = Pipe(), list[list[str]]()

    def start() -> int:
        return fork(partial(_take_part, url, turns, lease, disturbance.seed(), pipe))

    working = [start() for _ in range(processes)]
    finished = set[str]()
    while not {str(child) for child in working} <= finished:
        disturbance.wake(time.monotonic())
        lines = [line.split() for line in pipe.lines_for(lease / 2)]
        said += lines
        finished |= {line[1] for line in lines if line[0] == "finished"}
        if (killed := disturbance.after_lines(len(lines), working)) is not None:
            assert wait(killed) in {0, -signal.SIGKILL}
            working[working.index(killed)] = start()
    disturbance.wake(math.inf)  # one may have been stopped behind its last line
    assert [wait(child) for child in working] == [0] * processes
    return said


def _take_part(url: str, turns: int, lease: float, seed: int, pipe: Pipe) -> None:
    """Take one run after the other, write some turns, and give it up, until none is left."""
    rng, store = random.Random(seed), open_store(url)
    while any(info.status is not RunStatus.COMPLETED for info in store.list()):
        wanting = store.wanting()
        if not wanting:
            continue
        try:
            _write_some(store, rng.choice(wanting), turns, lease, rng, pipe)
        except RunHeld:
            continue  # somebody was quicker
        except LeaseLost:
            pipe.say("refused")
        except StoreUnavailable:
            pipe.say("unavailable")
    store.close()
    pipe.say(f"finished {os.getpid()}")


def _write_some(
    store: CheckpointStore, run_id: str, turns: int, lease: float, rng: random.Random, pipe: Pipe
) -> None:
    mark = f"{os.getpid()}-{rng.randrange(1 << 30)}"
    run = KeptRun(store, run_id, lease=lease, mark=mark)
    if not run.fence:
        return
    most = run.turn + rng.randrange(1, _MOST_TURNS)
    while run.turn < min(most, turns):
        is_last = run.turn + 1 == turns
        run.finish_turn(End(status=RunStatus.COMPLETED) if is_last else None)
        pipe.say(f"{run_id} {run.turn} {mark}")
    if run.turn < turns:
        run.give_up(RunStatus.QUEUED)


def _checked(
    store: CheckpointStore, runs: int, turns: int, said: Sequence[Sequence[str]]
) -> dict[str, int]:
    acknowledged = {(line[0], int(line[1])): line[2] for line in said if len(line) == 3}
    times = Counter((line[0], line[1]) for line in said if len(line) == 3)
    assert not [turn for turn, count in times.items() if count > 1], "written by two"
    owners = 0
    for number in range(runs):
        stored = store.load(f"run-{number}")
        owners += stored.info.attempts
        assert stored.info.status is RunStatus.COMPLETED
        kept = check(stored)
        assert kept is not None
        items = cast("list[list[object]]", kept.logs["thread"][::2])
        assert [item[0] for item in items] == [*range(1, turns + 1)]
        for turn, mark in items:
            written_by = acknowledged.get((stored.info.id, cast("int", turn)))
            assert written_by in {mark, None}, "acknowledged, and replaced"
    store.close()
    others = Counter(line[0] for line in said if len(line) == 1)
    told = {word: others[word] for word in ("refused", "unavailable")}
    return {"turns": runs * turns, "owners": owners, **told}


def sqlite_url(folder: Path) -> str:
    """Return the URL of a file."""
    return f"sqlite:///{folder / 'runs.db'}"
