"""What a stopped run waits for, one part of it at a time: tasks, runtimes, processes, kernels."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any, cast

import pytest

from supervisor._autogen.run_context import RunContext
from supervisor._autogen.teardown import AutoGenTeardown
from supervisor._autogen.upstream import Engine, SharedRuntime
from supervisor._core.tasks import HELPER, SHIELDED, WORK, AnyTask, Kind, ShieldedTask
from supervisor._process.children import ChildProcesses
from tests.unit.supervisor.fakes import in_virtual_time, insist

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no selector loop by default")

SECONDS = 2.0


class Settling:
    """A run that is stopped, with the little that a test gives it to do."""

    def __init__(self) -> None:
        self.context = RunContext(None, lambda: None, lambda _: None)
        self.scope = self.context.scope
        self.settled = 0
        self.may_end = asyncio.Event()
        self.teardown = AutoGenTeardown(self.context, self._settled, SECONDS)

    def _settled(self) -> None:
        self.settled += 1

    def add(self, coro: Coroutine[Any, Any, Any], kind: Kind = WORK) -> AnyTask:
        """Start a task of the run."""
        task: AnyTask
        if kind is SHIELDED:
            task = ShieldedTask(coro, loop=asyncio.get_running_loop())
        else:
            task = asyncio.create_task(coro)
        self.scope.add(task, kind, coro)
        return task


@contextlib.asynccontextmanager
async def settling() -> AsyncGenerator[Settling]:
    """Give a run, and let all of it end that a test has left."""
    run = Settling()
    try:
        yield run
    finally:
        run.may_end.set()
        await steps()


class _Calls:
    """Notes what is called, in order."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def of(self, name: str) -> Callable[..., None]:
        """Return a function that notes this name."""
        return lambda *_: self.made.append(name)


class _Engine:
    """A runtime of the run's own."""

    def __init__(self, name: str, calls: _Calls) -> None:
        self.close_intake = calls.of(f"close {name}")
        self.settle_count = calls.of(f"count {name}")

    def queued(self) -> list[Any]:
        """Return no messages."""
        return []


class _Children:
    """Processes that are asked to end, and end when they are told to."""

    def __init__(self, pids: Sequence[int]) -> None:
        self.pids = list(pids)
        self.was_scanned = False
        self.is_ending = False
        self.seconds: float | None = None
        self._on_over: Callable[[Sequence[object]], object] = lambda _: None

    def scan(self) -> list[object]:
        """Find nothing more."""
        self.was_scanned = True
        return []

    def end_in_background(
        self, seconds: float, on_over: Callable[[Sequence[object]], object]
    ) -> None:
        """Begin to end them."""
        self.is_ending, self.seconds, self._on_over = True, seconds, on_over

    def end(self) -> None:
        """End them."""
        self.is_ending = False
        self._on_over(())


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[_Children]:
    """Return the processes that are being ended, as far as the teardown looks for them."""
    made: list[_Children] = []

    def make(pids: Sequence[int]) -> _Children:
        made.append(_Children(pids))
        return made[-1]

    monkeypatch.setattr("supervisor._autogen.teardown.ChildProcesses", make)
    return made


async def steps(count: int = 5) -> None:
    """Let the loop take some steps."""
    for _ in range(count):
        await asyncio.sleep(0)


# -- tasks ----------------------------------------------------------------------------------------


def test_what_is_at_work_is_cancelled_and_waited_for_once() -> None:
    """The token is cancelled too, without requesting a stop; nothing is heard from then on."""

    async def main() -> None:
        async with settling() as run:
            stops = list[str]()
            run.context.token.on_cancel = lambda: stops.append("stop")
            task = run.add(asyncio.sleep(9))
            await steps()
            run.teardown.cancel_all()
            assert run.context.token.is_cancelled()
            assert run.context.journal.is_closed
            assert run.scope.is_stopping
            assert run.teardown.left() == [task]
            assert run.settled == 0
            await steps()
            assert (task.cancelled(), run.settled, stops) == (True, 1, [])
            run.teardown.check()
            assert run.settled == 1

    in_virtual_time(main)


class _Moment:
    """A moment in which a cancellation would do harm; it passes when it is told to."""

    def __init__(self, run: Settling, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lasts = True
        if way == "a session hands an answer over":
            monkeypatch.setattr(
                "supervisor._autogen.mcp_sessions.is_handing_over", lambda: self.lasts
            )
        else:
            monkeypatch.setattr(run.context, "is_starting_process", lambda: self.lasts)


@pytest.mark.parametrize("way", ["a session hands an answer over", "a process is being started"])
def test_a_cancellation_that_would_do_harm_is_put_off(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Until the next step of the loop, up to five times; and so is the second one."""

    async def main() -> None:
        async with settling() as run:
            moment = _Moment(run, way, monkeypatch)
            task = run.add(insist(run.may_end))
            for _ in range(2):
                run.teardown.cancel_all()
                await steps(4)
                assert task.cancelling() == 0
                await steps(1)
                assert task.cancelling() == 1
                task.uncancel()
            run.teardown.cancel_all()
            await steps(2)
            moment.lasts = False
            await steps(1)
            assert task.cancelling() == 1
            run.may_end.set()
            await steps()
            assert run.settled == 1

    in_virtual_time(main)


def test_helpers_are_cancelled_at_abandon_and_once_more_half_a_second_later() -> None:
    """Each ends what it has started, in order; other tasks are cancelled every 0.1 s."""

    async def refuse(struck: list[float], may_end: asyncio.Event) -> None:
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                struck.append(round(asyncio.get_running_loop().time(), 2))

    async def main() -> None:
        async with settling() as run:
            helper, work = list[float](), list[float]()
            helping = run.add(refuse(helper, run.may_end), HELPER)
            working = run.add(refuse(work, run.may_end))
            await asyncio.sleep(0)
            run.teardown.cancel_all()
            await asyncio.sleep(1)
            assert (helper, work) == ([], [0])
            run.teardown.abandon()
            await asyncio.sleep(0.85)
            assert helper == [1, 1.5]
            assert work == [0, *(round(1 + number / 10, 2) for number in range(9))]
            assert run.teardown.pending() == [working, helping]
            assert run.teardown.left() == [working]
            run.teardown.give_up()
            await asyncio.sleep(1)
            assert (len(helper), len(work)) == (2, 10)

    in_virtual_time(main)


def test_what_was_given_up_is_shielded_no_more() -> None:
    """Whoever ends the loop can cancel it, whichever factory has made the task."""

    async def main() -> None:
        async with settling() as run:
            shielded = run.add(asyncio.sleep(9), SHIELDED)
            plain = asyncio.create_task(asyncio.sleep(9))
            run.scope.add(plain, SHIELDED, None)
            await steps()
            assert not shielded.cancel()
            run.teardown.give_up()
            assert shielded.cancel()
            assert not hasattr(plain, "shielded")
            plain.cancel()
            await steps()

    in_virtual_time(main)


def test_helpers_that_refuse_are_left(
    processes: list[_Children], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has settled without them, and without processes and kernels that still end."""

    async def main() -> None:
        async with settling() as run:
            kernels = kernels_of(monkeypatch)
            run.add(insist(run.may_end), HELPER)
            working = run.add(executing(_Executor()))
            monkeypatch.setattr(run.context, "servers", lambda: [7])
            await steps()
            run.teardown.cancel_all()
            await steps()
            assert working.done()
            run.teardown.abandon()
            await steps()
            assert [children.is_ending for children in processes] == [True]
            assert [kernel.is_ending for kernel in kernels] == [True]
            assert run.settled == 0
            run.teardown.leave_helpers()
            assert run.settled == 1

    in_virtual_time(main)


# -- runtimes -------------------------------------------------------------------------------------


def test_the_runtimes_of_its_own_take_no_message_and_are_counted_off() -> None:
    """Those whose message loop has ended are counted off too, until nothing is at work."""

    async def main() -> None:
        async with settling() as run:
            calls = _Calls()
            ended = asyncio.create_task(asyncio.sleep(0))
            going = asyncio.create_task(run.may_end.wait())
            run.add(insist(run.may_end))
            await steps()
            run.context.engines[ended] = cast(Engine, _Engine("ended", calls))
            run.context.engines[going] = cast(Engine, _Engine("going", calls))
            run.teardown.cancel_all()
            assert calls.made == ["close going", "count going", "count ended"]
            run.may_end.set()
            await steps()
            assert calls.made == ["close going", *["count going", "count ended"] * 2]
            run.teardown.check()
            assert len(calls.made) == 5, "another run may have it by now"

    in_virtual_time(main)


def test_the_runtimes_of_others_lose_its_messages_and_are_restored() -> None:
    """Before its tasks are cancelled, and once nothing of it is at work."""

    class _Runtime:
        def __init__(self, calls: _Calls) -> None:
            self.ignore_errors = calls.of("ignore errors")
            self.withdraw = calls.of("withdraw")
            self.restore = calls.of("restore")

        _message_queue: Any = None

    async def main() -> None:
        async with settling() as run:
            calls = _Calls()
            run.context.journal.close([])
            run.add(asyncio.sleep(9))
            await steps()
            run.context.shared.runtimes[0] = (None, cast(SharedRuntime, _Runtime(calls)))
            run.teardown.cancel_all()
            assert calls.made == ["ignore errors", "withdraw"]
            await steps()
            assert calls.made == ["ignore errors", "withdraw", "restore"]
            assert run.settled == 1

    in_virtual_time(main)


def test_sessions_are_told_before_and_after_the_cancellation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They outlive the turn: a session would die of an answer to a caller that was cancelled."""
    calls = _Calls()
    for name in ("before_cancel", "after_cancel"):
        monkeypatch.setattr(f"supervisor._autogen.mcp_sessions.{name}", calls.of(name))

    async def main() -> None:
        async with settling() as run:
            task = run.add(asyncio.sleep(9))
            await steps()
            run.teardown.cancel_all()
            assert calls.made == ["before_cancel", "after_cancel"]
            assert task.cancelling() == 1
            await steps()

    in_virtual_time(main)


# -- processes ------------------------------------------------------------------------------------


def test_the_processes_that_run_its_code_are_ended_and_waited_for(
    processes: list[_Children], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, with those that the executor has terminated itself."""

    async def main() -> None:
        async with settling() as run:
            expired = _Children([4])
            run.context.expired.append(cast(ChildProcesses, expired))
            monkeypatch.setattr(run.context, "executions", lambda: [5, 6])
            for _ in range(2):
                run.teardown.cancel_all()
                found = [(it.pids, it.was_scanned, it.seconds) for it in processes]
                assert found == [([5, 6], True, SECONDS)]
            assert (expired.was_scanned, expired.seconds) == (False, SECONDS)
            expired.end()
            await steps()
            assert run.settled == 0
            processes[0].end()
            await steps()
            assert run.settled == 1

    in_virtual_time(main)


def test_a_run_without_processes_waits_for_none(processes: list[_Children]) -> None:
    """It has settled in the step in which it was cancelled, and again nothing is looked for."""

    async def main() -> None:
        async with settling() as run:
            run.teardown.cancel_all()
            assert run.settled == 1
            assert processes == []

    in_virtual_time(main)


def test_the_tool_servers_have_half_the_time_from_abandon_on(
    processes: list[_Children], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are found and ended once, beside the end of their sessions."""

    async def main() -> None:
        async with settling() as run:
            monkeypatch.setattr(run.context, "servers", lambda: [7])
            run.add(insist(run.may_end))
            await steps()
            run.teardown.cancel_all()
            assert processes == []
            run.teardown.abandon()
            assert [(it.pids, it.seconds) for it in processes] == [([7], SECONDS / 2)]
            await asyncio.sleep(0.35)
            assert len(processes) == 1
            run.may_end.set()
            processes[0].end()
            await steps()
            assert run.settled == 1

    in_virtual_time(main)


def test_processes_that_end_behind_the_loop_are_waited_for_by_nobody(
    processes: list[_Children], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their thread ends without an error."""

    async def main() -> None:
        async with settling() as run:
            monkeypatch.setattr(run.context, "executions", lambda: [5])
            run.teardown.cancel_all()

    in_virtual_time(main)
    processes[0].end()


# -- kernels --------------------------------------------------------------------------------------


class _Executor:
    """An executor of Jupyter's, or of another kind."""

    def __init__(self, *, has_kernel: bool = True) -> None:
        self.has_kernel = has_kernel


class _Kernel:
    """A kernel that is interrupted, and ends when it is told to."""

    def __init__(self, executor: _Executor, client: object, on_end: Callable[[], None]) -> None:
        self.executor, self.client, self._on_end = executor, client, on_end
        self.is_ending = True
        self.calls: list[str] = []

    def interrupt_again(self) -> None:
        """Note it."""
        self.calls.append("interrupt")

    def shut_down(self) -> None:
        """Note it."""
        self.calls.append("shut down")

    def end(self) -> None:
        """Be idle."""
        self.is_ending = False
        self._on_end()


def kernels_of(monkeypatch: pytest.MonkeyPatch) -> list[_Kernel]:
    """Return the kernels that are being interrupted."""
    made: list[_Kernel] = []

    def make(executor: _Executor, client: object, on_end: Callable[[], None]) -> _Kernel:
        made.append(_Kernel(executor, client, on_end))
        return made[-1]

    def client_of(executor: _Executor) -> object | None:
        return f"client {id(executor)}" if executor.has_kernel else None

    def executor_in(frames: Sequence[Any]) -> object | None:
        return next((it.f_locals["executor"] for it in frames if "executor" in it.f_locals), None)

    monkeypatch.setattr("supervisor._autogen.teardown.Kernel", make)
    monkeypatch.setattr("supervisor._autogen.teardown.executor_in", executor_in)
    monkeypatch.setattr("supervisor._autogen.upstream.has_kernels", lambda: True)
    monkeypatch.setattr("supervisor._autogen.upstream.kernel_client", client_of)
    return made


async def executing(executor: _Executor) -> None:
    """Wait for code, as a handler does."""
    assert executor is not None
    await asyncio.sleep(9)


async def executing_on(executor: _Executor, may_end: asyncio.Event) -> None:
    """Wait for code, whoever cancels that."""
    assert executor is not None
    await insist(may_end)


def test_kernels_that_run_its_code_are_interrupted_and_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each once, once more with the second cancellation, and killed at ABANDON."""

    async def main() -> None:
        async with settling() as run:
            kernels = kernels_of(monkeypatch)
            executor = _Executor()
            for _ in range(2):
                run.add(executing_on(executor, run.may_end))
            run.add(executing_on(_Executor(has_kernel=False), run.may_end))
            run.add(asyncio.sleep(9))
            await steps()
            run.teardown.cancel_all()
            assert [kernel.executor for kernel in kernels] == [executor]
            assert [kernel.client for kernel in kernels] == [f"client {id(executor)}"]
            assert kernels[0].calls == []
            run.teardown.cancel_all()
            assert [kernel.calls for kernel in kernels] == [["interrupt"]]
            run.teardown.abandon()
            assert [kernel.calls for kernel in kernels] == [["interrupt", "interrupt", "shut down"]]
            run.may_end.set()
            await steps()
            assert run.settled == 0
            kernels[0].end()
            assert run.settled == 1

    in_virtual_time(main)


def test_without_kernels_in_the_process_none_is_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To look into all frames of a run takes long."""

    async def main() -> None:
        async with settling() as run:
            kernels = kernels_of(monkeypatch)
            monkeypatch.setattr("supervisor._autogen.upstream.has_kernels", lambda: False)
            run.add(executing(_Executor()))
            await steps()
            run.teardown.cancel_all()
            assert kernels == []
            await steps()
            assert run.settled == 1

    in_virtual_time(main)
