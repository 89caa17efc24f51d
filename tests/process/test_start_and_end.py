"""A signal at any moment of a program's life, from its start to the interpreter's own end.

Two ways: at a step, in a child that raises the signal itself (`moments.py`), and at a time, from
outside, in a fresh interpreter. Samples by default, with a new seed each time (`MOMENTS_SEED=…`
repeats one); all steps, and a thousand times, with `-m soak`.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from supervisor import Rung
from supervisor._signals.guard_state import RESERVE_SECONDS
from tests.process.commands import NEEDS_NAMESPACE, at_terminal, started
from tests.process.harness import MARGIN, Server
from tests.process.namespaces import UNSHARE
from tests.process.scenarios import LADDER
from tests.seeds import seed

pytestmark = [pytest.mark.process]

ROOT = Path(__file__).parents[2]
_SEED = seed("MOMENTS_SEED")
_FORCED = 137

# -- at any step --------------------------------------------------------------------------------

_TERM, _INT = signal.SIGTERM, signal.SIGINT
_PROGRAMS = ["steps_under_run", "steps_in_block"]
_LEAVING = ("Registry.leave", "WakeupFd.handle", "SignalHandlers.put_back", "WakeupFd._leave_slot")

each_program = pytest.mark.parametrize("program", _PROGRAMS)


@each_program
@pytest.mark.parametrize(("loop", "number"), [("asyncio", _TERM), ("uvloop", _INT)])
def test_a_signal_at_a_step_stops_the_program(
    server: Server, program: str, loop: str, number: int
) -> None:
    """A signal is never lost: it stops in order while our handlers are installed."""
    case = {"program": program, "loop": loop, "number": number}
    for step in _some(_lines(server, case)):
        _check_step(server, case, step)


@each_program
@pytest.mark.parametrize(("first", "second"), [(_TERM, _INT), (_INT, _TERM)])
def test_another_signal_at_a_step_of_the_stop_does_not_change_the_end(
    server: Server, program: str, first: int, second: int
) -> None:
    """A second signal does not change the status, and nothing is printed."""
    case = {"program": program, "loop": "asyncio", "number": second, "stopped_by": first}
    for step in _some(_lines(server, case), count=5):
        _check_step(server, case, step)


_PARTS = 8
_EVERY_LINE = [
    {"program": "steps_under_run", "loop": "uvloop", "number": _INT, "guard": True},
    {"program": "steps_under_run", "loop": "asyncio", "number": _TERM},
    {"program": "steps_under_run", "loop": "uvloop", "number": _INT, "stopped_by": _TERM},
    {"program": "steps_in_block", "loop": "uvloop", "number": _TERM, "guard": True},
    {"program": "steps_in_block", "loop": "asyncio", "number": _INT},
    {"program": "steps_in_block", "loop": "asyncio", "number": _TERM, "stopped_by": _INT},
]

each_part = pytest.mark.parametrize("part", range(_PARTS))


@pytest.mark.soak
@pytest.mark.timeout(600)
@each_part
@pytest.mark.parametrize("case", _EVERY_LINE, ids=lambda case: "-".join(map(str, case.values())))
def test_a_signal_at_every_line_stops_the_program(
    server: Server, case: dict[str, Any], part: int
) -> None:
    """The same holds at each line, the first and the last time that it is reached."""
    steps = sorted({step for both in _lines(server, case).values() for step in both})
    for step in steps[part::_PARTS]:
        _check_step(server, case, step)


@pytest.mark.soak
@pytest.mark.timeout(600)
@each_part
@each_program
@pytest.mark.parametrize("number", [_TERM, _INT])
def test_a_signal_at_every_step_of_the_leaving_is_not_lost(
    server: Server, program: str, number: int, part: int
) -> None:
    """No signal is lost at any point where handlers are being restored."""
    case = {"program": program, "loop": "asyncio", "number": number}
    leaving = [both for line, both in _lines(server, case).items() if "Registry.leave" in line]
    first, last = min(leaving)[0], max(both[1] for both in leaving)
    for step in range(first - 5 + part, last + 5, _PARTS):  # no two runs have the same steps
        _check_step(server, case, step)


def _lines(server: Server, case: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return the supervisor's lines that the program reaches, each with its first and last step."""
    with server.start(**case, at=0) as child:
        child.wait()
        (steps,) = child.facts("steps")
        found: dict[str, tuple[int, int]] = steps["lines"]
        assert found, "not one step was seen"
        return found


def _some(lines: dict[str, tuple[int, int]], count: int = 8) -> list[int]:
    """Return the steps of a sample of the lines, including those in which handlers are put back."""
    print(f"MOMENTS_SEED={_SEED} repeats this sample")
    chance = random.Random(_SEED)
    sample = chance.sample(sorted(lines), count)
    is_left = any(line.startswith(_LEAVING) for line in lines)  # a stop under `run` leaves nothing
    for function in _LEAVING if is_left else ():
        sample += chance.sample(sorted(line for line in lines if line.startswith(function)), 2)
    return [chance.choice(lines[line]) for line in sample]


def _check_step(server: Server, case: dict[str, Any], step: int) -> None:
    with server.start(**case, at=step) as child:
        status = child.wait(LADDER.budget(Rung.DRAIN) + MARGIN)
        story = f"step {step}\n{child.story()}"
        for raised in child.facts("raised"):  # none: this run had fewer steps
            assert status in _statuses(case, raised), story
            assert raised["handler"] == "Python's" or "Traceback" not in child.stderr, story
        assert [left["changed"] for left in child.facts("left")] in ([], [[]]), story


def _statuses(case: dict[str, Any], raised: dict[str, Any]) -> set[int]:
    """Return the statuses with which the program may end."""
    number: int = case["number"]
    first: int = case.get("stopped_by") or number
    # Where the one is raised as the other is being recorded, either may be the first.
    in_order = {-n if case["program"] == "steps_under_run" else 128 + n for n in (number, first)}
    if raised["handler"] == "ours":
        return in_order
    if raised["handler"] == "default":
        return {-number}
    # KeyboardInterrupt: 1 where it breaks asyncio's closing of the loop; `atexit` passes over it.
    return {-number, 1} | in_order


# -- at any time --------------------------------------------------------------------------------

# Tells what it comes to, and when. "over" is told last of all.
LIFE = """
import atexit, os, sys, time
def tell(what):
    os.write(1, f"{what} {time.monotonic()}\\n".encode())
atexit.register(tell, "over")
import asyncio, threading
from supervisor import Ladder, Supervisor, run
from supervisor._signals.registry import registry
add, leave = registry.add, registry.leave
registry.add = lambda member: (add(member), tell("added"))[0]
registry.leave = lambda member: (tell("leaving"), leave(member))[1]
ladder = Ladder(drain=0.8, cancel=0.5, abandon=0.5)
async def main(sup):
    threading.Thread(target=time.sleep, args=(0.1,)).start()
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.05)
    sup.spawn(asyncio.sleep(0.05))
    await asyncio.sleep(0.02)
async def block(sup):
    async with sup:
        await main(sup)
atexit.register(time.sleep, 0.05)
if sys.argv[1] == "run":
    run(main, ladder=ladder)
else:
    sup = Supervisor(ladder=ladder, guard=True)
    asyncio.run(block(sup))
    sys.exit(sup.exit_status)
"""


each_host = pytest.mark.parametrize("host", ["run", "block"])


@each_host
def test_a_signal_at_a_time_stops_the_program(host: str) -> None:
    """A signal at any time of a fresh interpreter gives a true status and no traceback."""
    print(f"MOMENTS_SEED={_SEED} repeats this sample")
    _live_many(host, 14, _SEED)


@pytest.mark.soak
@pytest.mark.timeout(600)
@each_part
@each_host
def test_a_signal_at_a_thousand_times_stops_the_program(host: str, part: int) -> None:
    """The same holds at a thousand times."""
    print(f"MOMENTS_SEED={_SEED} repeats this sample")
    _live_many(host, 1000 // _PARTS, _SEED + part)


def _live_many(host: str, count: int, seed: int) -> None:
    began = time.monotonic()
    assert _live(host, 0, 10).status == 0  # 0 is no signal
    seconds = time.monotonic() - began
    chance = random.Random(seed)
    cases = [(host, chance.choice([_TERM, _INT]), chance.uniform(0, seconds)) for _ in range(count)]
    with ThreadPoolExecutor(2) as pool:  # a process each
        for check in [pool.submit(_check_life, *case) for case in cases]:
            check.result()


@dataclass
class Life:
    """How a program ended that got one signal."""

    sent: float
    """When it had certainly been sent."""

    status: int
    seconds: float
    """From the signal to the end."""

    told: dict[str, float]
    """When each thing was told first."""

    errors: str


def _live(host: str, number: int, after: float) -> Life:
    """Start the program, and send it a signal so many seconds later."""
    with subprocess.Popen(
        [sys.executable, "-P", "-c", LIFE, host],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        text=True,
    ) as process:
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(after)
            process.send_signal(number)
            sent = time.monotonic()
            out, errors = process.communicate(timeout=10)
        finally:
            process.kill()
        seconds = time.monotonic() - sent
        told = {what: float(at) for what, at in map(str.split, reversed(out.splitlines()))}
        return Life(sent, process.returncode, seconds, told, errors)


def _check_life(host: str, number: int, after: float) -> None:
    life = _live(host, number, after)
    story = f"{host}, {signal.Signals(number).name} after {after:.4f} s: {life}"
    assert life.seconds < LADDER.budget(Rung.DRAIN) + MARGIN, story
    is_over = life.sent > life.told.get("over", life.sent)
    was_ours = "added" in life.told and life.told["added"] < life.sent
    was_ours = was_ours and life.sent < life.told.get("leaving", life.sent + 1)
    if number == _INT and not was_ours:
        return  # KeyboardInterrupt may come out anywhere: Python's own business
    assert "Traceback" not in life.errors, story
    clean = {128 + number} if host == "block" and was_ours else {-number, 128 + number}
    assert life.status in (clean | {0} if is_over else clean), story


# -- the interpreter's own end ------------------------------------------------------------------


def test_the_deadline_holds_until_the_process_is_gone(server: Server) -> None:
    """A thread delays no end past the deadline; a further signal counts and does not kill."""
    with server.start("lingers") as child:
        child.until("busy")
        began = child.signal(_INT)
        child.until("waiting")
        child.signal(_TERM)
        assert child.wait() == _FORCED, child.story()
        assert time.monotonic() - began < LADDER.budget(Rung.CANCEL) + MARGIN, child.story()
        assert "Traceback" not in child.stderr, child.story()


@pytest.mark.parametrize(
    ("by", "loop"),
    [
        ("thread", "uvloop"),
        ("spawned task", "asyncio"),
        ("task", "uvloop"),
        ("generator", "asyncio"),
    ],
)
def test_what_holds_the_end_is_ended_by_a_signal(server: Server, loop: str, by: str) -> None:
    """A signal also bounds what delays the end of the block and of the loop."""
    with server.start("held", by=by, loop=loop) as child:
        child.until("busy")
        began = child.signal(_INT)
        assert child.wait() == _FORCED, child.story()
        assert time.monotonic() - began < LADDER.budget(Rung.CANCEL) + MARGIN, child.story()
        assert "Traceback" not in child.stderr, child.story()


def test_a_report_can_be_had_while_the_interpreter_waits_for_a_thread(server: Server) -> None:
    """SIGUSR1 reports what the interpreter waits for, and does not kill."""
    with server.start("lingers") as child:
        child.until("busy")
        child.signal(_INT)
        child.until("waiting")
        child.signal(signal.SIGUSR1)
        assert child.wait() == _FORCED, child.story()
        report, _, _ = child.stderr.partition("something refused to stop")
        assert "lingerer" in report, child.story()


# -- suspended ----------------------------------------------------------------------------------


def test_stopped_time_counts(server: Server) -> None:
    """A process that was suspended past its deadline ends when it goes on, and says why."""
    with server.start("suspended", guard=False) as child:
        child.until("busy")
        child.signal(_TERM)
        child.until("asked")
        child.signal(signal.SIGSTOP)
        assert not child.has_ended(within=LADDER.budget(Rung.DRAIN) + RESERVE_SECONDS), (
            child.story()
        )
        began = child.signal(signal.SIGCONT)
        assert child.wait() == _FORCED, child.story()
        assert time.monotonic() - began < MARGIN, child.story()
        assert "Stopped by SIGTERM; something refused to stop" in child.stderr, child.story()


def test_the_guard_kills_a_process_that_is_suspended_past_its_deadline(server: Server) -> None:
    """The guard kills a process that is suspended past its deadline."""
    with server.start("suspended", guard=True) as child:
        child.until("busy")
        began = child.signal(_TERM)
        child.until("asked")
        child.signal(signal.SIGSTOP)
        assert child.wait() == -signal.SIGKILL, child.story()
        seconds = time.monotonic() - began
        assert 0 <= seconds - LADDER.budget(Rung.DRAIN) - RESERVE_SECONDS < MARGIN, child.story()


@pytest.mark.parametrize("guard", [False, True])
def test_time_that_was_stopped_before_the_request_does_not_count(
    server: Server, guard: bool
) -> None:
    """A request to a suspended process counts from the moment at which it goes on."""
    with server.start("suspended", guard=guard) as child:
        child.until("busy")
        child.signal(signal.SIGSTOP)
        child.signal(_TERM)
        seconds = LADDER.budget(Rung.DRAIN) + 2 * RESERVE_SECONDS
        assert not child.has_ended(within=seconds), child.story()
        child.signal(signal.SIGCONT)
        assert child.wait() == -_TERM, child.story()
        (result,) = child.facts("result")
        assert result["reason"] == "Stopped by SIGTERM", child.story()


def test_ctrl_z_and_fg_change_nothing() -> None:
    """At a terminal the job stops and goes on, and then Ctrl-C ends it in order."""
    script = """
    import asyncio, os, signal
    from supervisor import run
    async def main(sup):
        asyncio.get_running_loop().add_signal_handler(signal.SIGCONT, os.write, 1, b"<goes on>")
        os.write(1, b"<ready>")
        request = await sup.wait_stop()
        os.write(1, f"<{request.reason}>".encode())
    run(main)
    """
    job = f'{sys.executable} -P -c "$LIFE"; echo first=$?; fg'
    with at_terminal(job, LIFE=textwrap.dedent(script)) as it:
        it.until("<ready>")
        it.type(b"\x1a")
        it.until(f"first={128 + signal.SIGTSTP}")
        it.until("<goes on>")
        it.type(b"\x03")
        it.until("<Stopped by SIGINT>")
        assert it.wait() in (128 + signal.SIGINT, -signal.SIGINT)  # the shell's, as its job died


# -- ignored ------------------------------------------------------------------------------------

IGNORING = ["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh"]
IGNORES = """
import asyncio, os, signal, sys
from supervisor import Ladder, Supervisor, run
ladder = Ladder(drain=0.1, cancel=0.1, abandon=0.1)
async def main(sup):
    heard = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, heard.set)
    ignored = [signal.getsignal(n) == signal.SIG_IGN for n in (signal.SIGINT, signal.SIGHUP)]
    os.write(1, f"<{ignored} {os.getpid()}>\\n".encode())
    await heard.wait()  # it has had the others before
    os.write(1, f"<{sup.rung.name}>\\n".encode())
    await sup.wait_stop()
async def block():
    async with Supervisor(ladder=ladder, guard=True) as sup:
        await main(sup)
    sys.exit(sup.exit_status)
if sys.argv[1] == "run":
    run(main, ladder=ladder)
else:
    asyncio.run(block())
"""


@pytest.mark.parametrize(
    ("host", "prefix"),
    [("run", ()), ("block", ()), pytest.param("run", UNSHARE, marks=NEEDS_NAMESPACE)],
    ids=["run", "block with a guard", "PID 1"],
)
def test_what_was_ignored_at_the_start_stays_ignored(host: str, prefix: Sequence[str]) -> None:
    """An ignored signal, as under nohup, stays ignored in both halves of `run` and in the guard."""
    command = [*prefix, *IGNORING, sys.executable, "-P", "-c", IGNORES, host]
    with started(command) as it:
        it.until("<[True, True]")
        it.signal(signal.SIGINT)
        it.signal(signal.SIGHUP)
        it.signal(signal.SIGUSR1)
        it.until("<RUNNING>")
        it.signal(_TERM)
        assert it.wait() in (-_TERM, 128 + _TERM)
