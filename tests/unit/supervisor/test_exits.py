"""`exits=`: whether a stop may end the process, and what it does where it may not."""

# The block swallows, so what is bound in it is "possibly unbound" behind it: a NameError would fail
# the test as well as an assertion.
# pyright: reportPossiblyUnboundVariable=false

from __future__ import annotations

import asyncio
import signal
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from supervisor import Ladder, Quarantined, Rung, SettingsError, Supervisor, UsageError, run
from supervisor._reports.log import reporter
from supervisor._signals import interpreters
from supervisor._supervisor.facade import parts_of
from tests.unit.supervisor.fakes import Stubborn, VirtualProcess, in_virtual_time, insist, over

SIGNALS: Mapping[signal.Signals | int | str, Rung | str] = {"SIGTERM": "DRAIN", "SIGINT": "CANCEL"}

virtual = pytest.mark.skipif(sys.platform == "win32", reason="no selector loop by default")


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what would have ended the process, or would end it later."""
    found: list[str] = []

    def noted(name: str) -> Callable[..., None]:
        return lambda *_: found.append(name)

    for name in ("exit_now", "end_with_interpreter"):
        monkeypatch.setattr(f"supervisor._supervisor.process_end.{name}", noted(name))
    return found


async def _refused(
    process: VirtualProcess, sup: Supervisor, team: Stubborn, presses: int, gap: float
) -> float:
    """Run a team that refuses, under so many Ctrl-Cs; return when it was given up."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    for press in range(presses):
        loop.call_later(press * gap, process.signal, signal.SIGINT)
    with pytest.raises(Quarantined):
        await sup.stream(team)
    return loop.time() - begin


@virtual
@pytest.mark.parametrize(
    ("presses", "gap", "seconds"), [(1, 0.0, 3.0), (3, 0.4, 1.4), (10, 0.1, 1.3)]
)
def test_no_number_of_signals_ends_the_process(
    process: VirtualProcess, ends: list[str], presses: int, gap: float, seconds: float
) -> None:
    """What refuses is quarantined at the ladder's end; further signals come to nothing."""
    team = Stubborn("mule")
    taken: list[float] = []

    async def main() -> None:
        async with Supervisor(signals=SIGNALS, exits=False) as sup:
            taken.append(await _refused(process, sup, team, presses, gap))
            assert sup.rung is Rung.ABANDON
            assert sup.quarantined == (team,)
        team.may_end.set()
        await over(team)

    in_virtual_time(main)
    assert [round(at, 2) for at in taken] == [seconds]
    assert ends == []


@virtual
def test_without_any_seconds_runs_are_abandoned_at_once(
    process: VirtualProcess, ends: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`SUPERVISOR_GRACE=0` ends no process that is never to be ended."""
    monkeypatch.setenv("SUPERVISOR_GRACE", "0")
    team = Stubborn("mule")
    taken: list[float] = []

    async def main() -> None:
        async with Supervisor(signals=SIGNALS, exits=False) as sup:
            taken.append(await _refused(process, sup, team, 2, 0.4))
        team.may_end.set()
        await over(team)

    in_virtual_time(main)
    assert [round(at, 2) for at in taken] == [0.0]
    assert ends == []


@virtual
def test_unset_a_signal_leads_to_the_end(process: VirtualProcess, ends: list[str]) -> None:
    """Three signals, of which each counts, end a process that is the supervisor's to end.

    A status line is empty then: the end has its own words.
    """
    team = Stubborn("mule")
    progress: list[str | None] = []

    async def main() -> None:
        async with Supervisor(signals=SIGNALS) as sup:
            task = asyncio.ensure_future(sup.stream(team))
            await team.is_working.wait()
            for _ in range(3):
                process.signal(signal.SIGINT)
                await _passed(0.4)
            progress.append(parts_of(sup).report.progress())
            team.may_end.set()
            await asyncio.wait([task])

    in_virtual_time(main)
    assert "exit_now" in ends
    assert progress == [""]


async def _passed(seconds: float) -> None:
    """Wait so long, whatever the stop does to the body."""
    waiting = asyncio.create_task(asyncio.sleep(seconds))
    while not waiting.done():
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError:
            continue


async def test_the_end_of_the_process_cannot_be_requested() -> None:
    """`stop(rung=EXIT)` is an error that says what to do, and changes nothing."""
    async with Supervisor(signals={}, exits=False) as sup:
        with pytest.raises(UsageError, match="request ABANDON, or give exits=True"):
            sup.stop(rung=Rung.EXIT)
        assert sup.stop_request is None


def test_a_guard_does_not_go_with_it() -> None:
    """A guard would have nothing to do, and whoever asks for both has made a mistake."""
    with pytest.raises(SettingsError, match="leave it out with exits=False"):
        Supervisor(exits=False, guard=True)
    with pytest.raises(SettingsError, match="leave it out with exits=False"):
        run(_nothing, exits=False, guard=True)


async def test_the_end_of_a_loop_does_not_wait() -> None:
    """What refuses to stop is none of the tasks that `asyncio.run` cancels and waits for."""
    found, team = asyncio.all_tasks(), Stubborn("mule")
    ladder = Ladder(drain=0.01, cancel=0.01, abandon=0.01)
    async with Supervisor(signals={}, exits=False, ladder=ladder) as sup:
        run = asyncio.ensure_future(sup.stream(team))
        sup.spawn(insist(team.may_end))
        await team.is_working.wait()
        sup.stop()
        with pytest.raises(Quarantined):
            await run
    assert asyncio.all_tasks() == found
    team.may_end.set()
    await over(team)


async def test_each_further_signal_is_answered_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C at ABANDON says that it does no more; one that is a duplicate says nothing."""
    said: list[str] = []
    monkeypatch.setattr(type(reporter), "has_reader", True)
    monkeypatch.setattr(reporter, "write", said.append)
    ladder = Ladder(drain=60, cancel=60, abandon=60)
    async with Supervisor(signals={"SIGUSR1": "CANCEL"}, exits=False, ladder=ladder) as sup:
        stop, now = parts_of(sup).stop, parts_of(sup).scope.now()
        stop.ask(_request())
        for after in (0.0, 0.4, 0.8, 0.9, 1.3):
            stop.signal(signal.SIGUSR1, Rung.CANCEL, now + after, now + after)
    assert len(said) == 2
    assert all("abandoning what is at work" in line for line in said)


def _request() -> Any:
    from supervisor import StopRequest

    return StopRequest(reason="Stopped by SIGUSR1", rung=Rung.CANCEL, signal=signal.SIGUSR1)


# -- where nobody has said -------------------------------------------------------------------------


def _prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)


def _asyncio_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    main = types.ModuleType("__main__")
    main.__spec__ = types.SimpleNamespace(name="asyncio.__main__")  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "__main__", main)


def _flag(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = types.SimpleNamespace(interactive=1, inspect=1)
    monkeypatch.setattr(interpreters, "sys", types.SimpleNamespace(flags=flags))


def _marimo(monkeypatch: pytest.MonkeyPatch) -> None:
    marimo = types.SimpleNamespace(running_in_notebook=lambda: True)
    monkeypatch.setitem(sys.modules, "marimo", marimo)  # pyright: ignore[reportArgumentType]


def _debugger(monkeypatch: pytest.MonkeyPatch) -> None:
    pydevd = types.SimpleNamespace(connected=True)
    monkeypatch.setitem(sys.modules, "pydevd", pydevd)  # pyright: ignore[reportArgumentType]


def _tracer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervisor._signals.debuggers.is_traced", lambda: True)


@pytest.mark.parametrize("there", [_prompt, _asyncio_prompt, _flag, _marimo, _debugger, _tracer])
def test_at_a_prompt_and_under_a_debugger_the_process_lives(
    monkeypatch: pytest.MonkeyPatch, there: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """There `exits` is False where nobody has said otherwise, and no guard is started."""
    assert parts_of(Supervisor()).settings.exits is None
    there(monkeypatch)
    settings = parts_of(Supervisor(guard=True)).settings
    assert settings.exits is False
    assert not settings.guard
    assert parts_of(Supervisor(exits=True, guard=True)).settings.exits is True


def test_without_a_prompt_no_notebook_is_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marimo that was only imported, and another module that is run, are no prompts."""
    marimo = types.SimpleNamespace(running_in_notebook=lambda: False)
    monkeypatch.setitem(sys.modules, "marimo", marimo)  # pyright: ignore[reportArgumentType]
    assert not interpreters.is_interactive()


# -- run() -----------------------------------------------------------------------------------------


async def _nothing(_: Supervisor) -> str:
    return "done"


def test_run_returns_after_a_signal() -> None:
    """With `exits=False` a stop by a signal ends `run`, and not the process."""
    statuses: list[int] = []

    async def main(sup: Supervisor) -> str:
        signal.raise_signal(signal.SIGTERM)
        await sup.wait_stop()
        statuses.append(sup.exit_status)
        return "went on"

    assert run(main, exits=False, loop="asyncio") == "went on"
    assert statuses == [128 + signal.SIGTERM]


def test_run_at_a_prompt_returns_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """There `run` ends by itself, with None, where `main` was cancelled."""
    _prompt(monkeypatch)

    async def main(_: Supervisor) -> None:
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(60)

    assert run(main, loop="asyncio") is None


def test_run_ends_with_the_status_that_was_asked_for() -> None:
    """`stop_status` is a wish of its own: `run` raises `SystemExit`, which can be caught."""

    async def main(_: Supervisor) -> None:
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(60)

    with pytest.raises(SystemExit) as caught:
        run(main, exits=False, stop_status=3, loop="asyncio")
    assert caught.value.code == 3
