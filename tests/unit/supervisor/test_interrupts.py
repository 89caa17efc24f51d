"""SIGINT in an interactive supervisor: the runs end, and nothing else does."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from autogen_agentchat.base import TaskResult
from autogen_core import SingleThreadedAgentRuntime

from supervisor import Ladder, Rung, SettingsError, Supervisor, UsageError
from supervisor._core.errors import Quarantined
from supervisor._reports.log import reporter
from supervisor._signals.interrupt import take_interrupted
from supervisor._signals.registry import registry
from supervisor._supervisor.escalation import deadline_clock
from supervisor._supervisor.facade import parts_of
from supervisor.testing import ScriptedAgent
from tests.unit.supervisor.fakes import (
    LONG,
    PATIENT,
    Failing,
    Stubborn,
    Talker,
    VirtualProcess,
    in_virtual_time,
    over,
    wait_for,
)

REASON = "Stopped by SIGINT"


def interactive(ladder: Ladder = PATIENT) -> Supervisor:
    """Return an interactive supervisor."""
    return Supervisor(interactive=True, ladder=ladder)


async def interrupts(sup: Supervisor) -> int:
    """Send SIGINT to this process, and return the number of runs that it ended."""
    counting = asyncio.ensure_future(next_count(sup))
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGINT)
    return await counting


async def next_count(sup: Supervisor) -> int:
    """Wait for an interrupt, and return the number of runs that it ended."""
    counts: asyncio.Queue[int] = asyncio.Queue()
    sup.on_interrupt(counts.put_nowait)
    return await counts.get()


async def started(sup: Supervisor, team: Talker) -> asyncio.Task[str | None]:
    """Start a run of a team that works by then."""
    task = asyncio.create_task(wait_for(sup, team))
    await team.is_working.wait()
    return task


# -- what ends ------------------------------------------------------------------------------------


async def test_all_runs_end_and_the_block_goes_on() -> None:
    """Each result names SIGINT; the supervisor runs, and new runs are accepted."""
    async with interactive() as sup:
        runs = [await started(sup, Talker(f"t{n}")) for n in range(3)]
        assert await interrupts(sup) == 3
        assert await asyncio.gather(*runs) == [REASON] * 3
        assert (sup.rung, sup.stop_request, sup.exit_status) == (Rung.RUNNING, None, 0)
        team = Talker("next")
        team.may_end.set()
        assert await wait_for(sup, team) == "let go"
        is_over = True
    assert is_over


async def test_an_interrupted_run_names_the_signal() -> None:
    """Its request has the signal, as that of a stop has."""
    async with interactive() as sup:
        team = Talker()
        run = sup.stream(team)
        task = asyncio.ensure_future(run)
        await team.is_working.wait()
        await interrupts(sup)
        await task
        assert run.stop_request is not None
        assert run.stop_request.signal is signal.SIGINT
        assert run.stop_request.rung is Rung.CANCEL


async def test_a_reader_gets_the_result_next() -> None:
    """What was buffered as the SIGINT came is in the result, and is not yielded any more."""

    async def numbers() -> AsyncGenerator[int, None]:
        for number in range(LONG_STREAM):
            yield number
            await asyncio.sleep(0)

    async with interactive() as sup:
        seen = 0
        async for _ in sup.iterate(numbers()):
            if not seen:
                os.kill(os.getpid(), signal.SIGINT)
            seen += 1
        assert seen == 1


LONG_STREAM = 1_000_000


async def test_what_is_buffered_is_not_yielded_after_it() -> None:
    """From the SIGINT on the result comes next, before the loop has carried anything out."""

    async def answer(*_: object) -> AsyncGenerator[str, None]:
        for number in range(20):
            yield str(number)
        await asyncio.Event().wait()

    async with interactive() as sup:
        seen: list[object] = []
        run = sup.stream(ScriptedAgent("ann", answer), "go", output_task_messages=False)
        async for event in run:
            if not seen:
                signal.raise_signal(signal.SIGINT)
            seen.append(event)
        assert len(seen) == 2
        assert isinstance(seen[1], TaskResult)
        assert seen[1].stop_reason == REASON


async def test_a_run_that_fails_by_the_same_ctrl_c_is_interrupted() -> None:
    """Its tool's child has died of it: the failure is logged, and the run is stopped."""
    async with interactive() as sup:
        team = Failing()
        run = await started(sup, team)
        team.may_end.set()
        parts_of(sup).scope.interrupts.note()
        assert await run == REASON
        await interrupts(sup)


async def test_an_iterated_source_ends() -> None:
    """The loop over it ends, and what was read is the result of awaiting one."""

    async def endless() -> AsyncGenerator[int, None]:
        yield 1
        await asyncio.sleep(LONG)

    async with interactive() as sup:
        run = sup.iterate(endless())
        task = asyncio.ensure_future(run)
        while run.phase.value != "at work":  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert await interrupts(sup) == 1
        assert await task == [1]


async def test_the_interrupts_of_one_run_after_the_other() -> None:
    """Each run has its own SIGINT, however soon that comes after the last one."""
    async with interactive() as sup:
        for _ in range(5):
            run = await started(sup, Talker())
            assert await interrupts(sup) == 1
            assert await run == REASON


# -- what goes on ---------------------------------------------------------------------------------


async def test_a_spawned_task_goes_on() -> None:
    """It is no run; one that awaits a run goes on with the run's result."""
    async with interactive() as sup:
        team, may_end = Talker(), asyncio.Event()
        idle = sup.spawn(may_end.wait())
        asks = sup.spawn(wait_for(sup, team))
        await team.is_working.wait()
        await interrupts(sup)
        assert await asks == REASON
        assert not idle.done()
        may_end.set()


async def test_a_server_goes_on() -> None:
    """An interrupt does not count a served runtime, nor stop it; a stop does."""
    async with interactive() as sup:
        serving = asyncio.create_task(sup.serve(SingleThreadedAgentRuntime()))
        while not parts_of(sup).scope.runs:  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0)
        assert await interrupts(sup) == 0
        assert not serving.done()
        sup.stop("enough")
        assert (await serving).reason == "enough"


async def test_an_interrupt_is_not_announced_as_a_stop(tmp_path: Path) -> None:
    """`on_stop` and `wait_stop` do not fire, and the ready file stays."""
    ready, stops = tmp_path / "ready", list[str]()
    async with Supervisor(interactive=True, ready_file=ready) as sup:
        sup.on_stop(lambda request: stops.append(request.reason))
        waiting = asyncio.create_task(sup.wait_stop())
        run = await started(sup, Talker())
        await interrupts(sup)
        assert await run == REASON
        assert ready.exists()
        assert (waiting.done(), stops) == (False, [])
        sup.stop("enough")
        await waiting
    assert stops == ["enough"]


async def test_the_token_is_cancelled_and_a_new_one_made() -> None:
    """An interrupt ends a call of the user's own; the next one has another token."""
    async with interactive() as sup:
        old = sup.token
        await interrupts(sup)
        assert old.is_cancelled()
        assert old.reason == REASON
        assert not sup.token.is_cancelled()
        assert sup.stop_request is None
        sup.token.cancel()
        assert sup.stop_request is not None


async def test_a_token_of_before_the_interrupt_stops_no_run() -> None:
    """A run with the supervisor's own token is one without, even if that token is an old one."""
    async with interactive() as sup:
        old = sup.token
        await interrupts(sup)
        team = Talker()
        team.may_end.set()
        assert (await sup.stream(team, cancellation_token=old)).stop_reason == "let go"


# -- other stops ----------------------------------------------------------------------------------


async def test_another_signal_stops_during_an_interrupt() -> None:
    """SIGTERM goes up the ladder as always, and is what the program is stopped by."""
    async with interactive() as sup:
        team = Stubborn()
        run = await started(sup, team)
        await interrupts(sup)
        assert sup.rung is Rung.RUNNING
        signal.raise_signal(signal.SIGTERM)
        assert (await sup.wait_stop()).signal is signal.SIGTERM
        assert not run.done()
        team.may_end.set()
        await run
    assert sup.exit_status == 128 + signal.SIGTERM


async def test_sigint_while_the_block_is_left_stops_what_it_waits_for() -> None:
    """There is no body to go back to; the status is not that of a signal."""
    sup = interactive()
    async with sup:
        task = sup.spawn(asyncio.sleep(LONG))
        asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
    assert task.cancelled()
    assert sup.stop_request is not None
    assert (sup.stop_request.reason, sup.exit_status) == (REASON, 0)


# -- the ladder of each run -----------------------------------------------------------------------

seconds_of = Ladder(drain=5, cancel=2, abandon=1)


async def _refusal(sup: Supervisor, team: Stubborn) -> float:
    """Return how long a team that refuses to end is waited for, from now on."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    with pytest.raises(Quarantined):
        await wait_for(sup, team)
    return round(loop.time() - begin, 2)


@pytest.mark.parametrize(
    ("others", "seconds"),
    [
        ([], 1 + 2 + 1),
        ([0.2], 1 + 2 + 1),  # one more Ctrl-C, delivered twice
        ([0.5], 1 + 0.5 + 1),
        ([0.5, 0.6, 0.7, 1.2], 1 + 0.5 + 1),  # no rung above ABANDON
    ],
)
def test_the_rungs_of_a_run_that_refuses(
    process: VirtualProcess, others: list[float], seconds: float
) -> None:
    """CANCEL has its seconds, or ends at the second SIGINT; ABANDON has its own."""

    async def main() -> None:
        loop, team = asyncio.get_running_loop(), Stubborn()
        async with interactive(seconds_of) as sup:
            for at in (0.0, *others):
                loop.call_later(1 + at, process.signal, signal.SIGINT)
            assert await _refusal(sup, team) == seconds
            assert sup.quarantined == (team,)
            assert (sup.rung, sup.stop_request) == (Rung.RUNNING, None)
            following = Talker()
            following.may_end.set()
            assert await wait_for(sup, following) == "let go"
            team.may_end.set()
            await over(team)
            assert not sup.quarantined

    in_virtual_time(main)


def test_a_run_that_has_just_begun_to_stop_is_not_abandoned(process: VirtualProcess) -> None:
    """Each SIGINT is for the runs that it finds: a new one begins at CANCEL."""

    async def main() -> None:
        loop, first, second = asyncio.get_running_loop(), Stubborn("first"), Stubborn("second")
        async with interactive(seconds_of) as sup:
            loop.call_later(1, process.signal, signal.SIGINT)
            refusals = [asyncio.create_task(_refusal(sup, first))]
            await asyncio.sleep(1.5)
            refusals.append(asyncio.create_task(_refusal(sup, second)))
            loop.call_later(0.1, process.signal, signal.SIGINT)
            assert await asyncio.gather(*refusals) == [1 + 0.6 + 1, 0.1 + 2 + 1]
            for team in (first, second):
                team.may_end.set()
                await over(team)

    in_virtual_time(main)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what a person at a terminal is told."""
    take_interrupted()  # of tests before this one in the process
    said = list[str]()
    monkeypatch.setattr(type(reporter), "has_reader", True)
    monkeypatch.setattr(reporter, "say", said.append)
    return said


def test_a_person_learns_what_an_interrupt_does(process: VirtualProcess, said: list[str]) -> None:
    """At a terminal it is said once it takes long; `progress` counts down, up to the last rung."""

    async def main() -> None:
        loop, team, seen = asyncio.get_running_loop(), Stubborn(), list[str | None]()
        async with interactive(seconds_of) as sup:
            report = parts_of(sup).report
            loop.call_later(1, process.signal, signal.SIGINT)
            for at in (0.9, 1.5, 3.5, 4.5):
                loop.call_later(at, lambda: seen.append(report.progress()))
            await _refusal(sup, team)
            await asyncio.sleep(1)
            team.may_end.set()
            await over(team)
            assert seen == [
                None,
                "SIGINT: cancelling 'talker' (1.5 s left). Ctrl-C to abandon it.",
                "SIGINT: abandoning 'talker' (0.5 s left).",
                None,
            ]

    in_virtual_time(main)
    first = "\nSIGINT: cancelling 'talker' (1.9 s left). Ctrl-C to abandon it."
    assert [it for it in said if "SIGINT" in it] == [first]


def test_of_an_interrupt_that_is_over_soon_nothing_is_said(
    process: VirtualProcess, said: list[str]
) -> None:
    """By then it would be false, also if another interrupt has just begun."""

    async def main() -> None:
        loop, team = asyncio.get_running_loop(), Stubborn()
        async with interactive(seconds_of) as sup:
            for at in (1, 1.09):
                loop.call_later(at, process.signal, signal.SIGINT)
            assert await wait_for(sup, Talker()) == REASON
            loop.call_later(0.12, team.may_end.set)
            await wait_for(sup, team)
            await asyncio.sleep(1)

    in_virtual_time(main)
    assert not said


# -- several supervisors --------------------------------------------------------------------------


async def test_inside_one_that_stops_it_stops() -> None:
    """The outer supervisor decides: its SIGINT stops the inner one, too."""
    async with Supervisor(ladder=PATIENT) as outer, interactive() as inner:
        run = await started(inner, Talker())
        os.kill(os.getpid(), signal.SIGINT)
        assert await run == REASON
        for sup in (outer, inner):
            assert (await sup.wait_stop()).signal is signal.SIGINT


async def test_a_plain_one_inside_stops_and_the_outer_block_goes_on() -> None:
    """The inner block is what runs: SIGINT ends it as always."""
    async with interactive() as outer:
        async with Supervisor(ladder=PATIENT) as inner:
            run = await started(inner, Talker())
            os.kill(os.getpid(), signal.SIGINT)
            assert await run == REASON
            assert inner.stop_request is not None
        assert (outer.rung, outer.stop_request) == (Rung.RUNNING, None)
        run = await started(outer, Talker())
        await interrupts(outer)
        assert await run == REASON


async def test_runs_of_one_inside_that_hears_no_signal_are_interrupted() -> None:
    """They belong to the block around them, and so does the number of them."""
    async with interactive() as outer, Supervisor(signals={}) as inner:
        runs = [await started(outer, Talker("a")), await started(inner, Talker("b"))]
        token = inner.token
        assert await interrupts(outer) == 2
        assert await asyncio.gather(*runs) == [REASON] * 2
        assert token.is_cancelled()
        assert inner.stop_request is None


async def test_two_interactive_ones_interrupt_their_own_runs() -> None:
    """Nested, each ends its own, once."""
    async with interactive() as outer, interactive() as inner:
        runs = [await started(outer, Talker("a")), await started(inner, Talker("b"))]
        assert [*await asyncio.gather(next_count(outer), interrupts(inner))] == [1, 1]
        assert await asyncio.gather(*runs) == [REASON] * 2
        assert (outer.stop_request, inner.stop_request) == (None, None)


async def test_in_a_thread_it_interrupts_its_own_runs() -> None:
    """A guest that is interactive goes on, as the supervisor of the main thread does."""
    loop, is_ready = asyncio.get_running_loop(), asyncio.Event()

    async def converse() -> list[str | None]:
        async with interactive() as guest:
            run = await started(guest, Talker())
            loop.call_soon_threadsafe(is_ready.set)
            team = Talker()
            team.may_end.set()
            return [await run, await wait_for(guest, team)]
        return []

    async with interactive() as sup:
        answers = sup.spawn(asyncio.to_thread(asyncio.run, converse()))
        await is_ready.wait()
        os.kill(os.getpid(), signal.SIGINT)
        assert await answers == [REASON, "let go"]
        assert sup.stop_request is None


# -- the callback, the settings, the guard --------------------------------------------------------


async def test_a_callback_that_fails_keeps_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """What it raises is logged."""
    async with interactive() as sup:
        sup.on_interrupt(lambda runs: 1 // runs)
        assert await interrupts(sup) == 0
    assert await asyncio.to_thread(reporter.flush, 5)
    failures = [it for it in caplog.records if it.message == "on_interrupt callback failed"]
    assert [it.levelno for it in failures] == [logging.ERROR]


async def test_two_sigints_at_once_are_one_press() -> None:
    """A terminal and a wrapper may deliver one Ctrl-C twice."""
    async with interactive() as sup:
        counts = list[int]()
        sup.on_interrupt(counts.append)
        parts, now = parts_of(sup), registry.clock.now()
        for at in (now, now + 0.01, now + 0.1):
            parts.escalation.on_signal(signal.SIGINT, at, at)
            parts.escalation.catch_up()
        assert counts == [0, 0]


async def test_a_signal_that_the_watchdog_has_yet_to_tell_of_counts_once() -> None:
    """Its handler comes first, and only what is told after that is carried out."""
    async with interactive() as sup:
        counts = list[int]()
        sup.on_interrupt(counts.append)
        run = await started(sup, Talker())
        parts, now = parts_of(sup), registry.clock.now()
        parts.scope.interrupts.note()
        parts.escalation.catch_up()
        assert not counts
        parts.escalation.on_signal(signal.SIGINT, now, now)
        parts.escalation.catch_up()
        assert counts == [1]
        assert await run == REASON


def test_only_an_interactive_one_tells_of_interrupts() -> None:
    """Elsewhere SIGINT is a stop, and the error says what tells of that."""
    with pytest.raises(UsageError, match=r"on_interrupt\(\) needs .*interactive=True.*on_stop"):
        Supervisor().on_interrupt(lambda _: None)


@pytest.mark.parametrize("signals", [{}, {"SIGTERM": "DRAIN"}])
def test_it_needs_sigint(signals: dict[signal.Signals | int | str, Rung | str]) -> None:
    """Without the signal that interrupts, the setting cannot be."""
    with pytest.raises(SettingsError, match=r"True is not valid for interactive; add .SIGINT. to"):
        Supervisor(interactive=True, signals=signals)


@pytest.fixture
def _ignores_sigint() -> Iterator[None]:
    found = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, found)


@pytest.mark.usefixtures("_ignores_sigint")
def test_a_sigint_that_was_ignored_stays_ignored() -> None:
    """In the background of a shell script nobody interrupts, and that is no error."""
    assert signal.SIGINT not in parts_of(Supervisor(interactive=True)).escalation.handled


def test_nothing_has_a_deadline_by_sigint() -> None:
    """Neither the guard nor the parent of a split PID 1 takes it for a stop."""
    parts = parts_of(Supervisor(interactive=True, guard=True))
    state = parts.escalation.guard_state
    assert state is not None
    assert signal.SIGINT not in state.entries
    assert signal.SIGTERM in state.entries
    deadline = deadline_clock(parts.settings)
    assert [deadline(signal.SIGINT, float(at)) for at in range(5)] == [None] * 5
