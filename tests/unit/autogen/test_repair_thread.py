"""A user's contexts, conditions and managers that really wait, while a team is repaired."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.base import TerminationCondition
from autogen_agentchat.conditions import FunctionalTermination
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, StopMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_core.models import FunctionExecutionResultMessage, LLMMessage

from supervisor import Ladder, Supervisor
from supervisor._autogen.repair_thread import RepairThread, drive_sync, repair_in_thread
from supervisor._reports.log import reporter
from supervisor._reports.log_events import LogEvent
from supervisor.testing import ScriptedAgent, assert_settled, calls
from tests.unit.autogen.checks import contents
from tests.unit.autogen.history.tools import Tools, results
from tests.unit.autogen.stops import Moment, go_on, requests, speaker, stopped
from tests.unit.testing.teams import Stored, round_robin

Wait = Callable[[], Awaitable[object]]


async def _briefly() -> None:
    async with asyncio.timeout(5):  # which needs a task, as a database's client does
        await asyncio.sleep(0.01)


async def _for_ever() -> None:
    await asyncio.sleep(math.inf)


async def _until_repaired() -> None:
    """Wait until no thread works on a repair that nobody waits for any more."""
    for thread in threading.enumerate():
        if thread.name == "supervisor-repair":
            await asyncio.to_thread(thread.join, 5)


class Watched(Stored):
    """A context that waits, and remembers in which thread it was called."""

    def __init__(self) -> None:
        super().__init__(_briefly)
        self.threads: set[threading.Thread] = set()

    async def add_message(self, message: LLMMessage) -> None:
        """As ever."""
        self.threads.add(threading.current_thread())
        await super().add_message(message)


class Counting(TerminationCondition):
    """A condition that ends the team with the third answer, and waits whenever it is asked."""

    def __init__(self, wait: Wait = _briefly) -> None:
        self.wait = wait
        self.heard = 0

    @property
    def terminated(self) -> bool:
        """Whether that was the third answer."""
        return self.heard >= 3

    async def __call__(
        self, messages: Sequence[BaseAgentEvent | BaseChatMessage]
    ) -> StopMessage | None:
        """Wait, and count."""
        await self.wait()
        self.heard += sum(message.source != "user" for message in messages)
        return StopMessage(content="the third", source="count") if self.terminated else None

    async def reset(self) -> None:
        """Wait, and begin anew."""
        await self.wait()
        self.heard = 0


async def test_open_calls_in_a_context_that_waits_are_closed() -> None:
    """Calls are closed once, in the loop's thread, before the stopped run has its result."""
    tools, context = Tools(), Watched()
    ann = tools.agent(calls("slow"), "found", model_context=context, max_tool_iterations=2)
    team = round_robin(ann, speaker("bob"))
    await stopped(team, tools.moment)
    messages = await context.get_messages()
    (interrupted,) = results(messages)
    assert "Interrupted" in interrupted.content
    assert isinstance(messages[-1], FunctionExecutionResultMessage)
    assert context.threads == {threading.main_thread()}
    assert contents(await go_on(team)) == ["found", "bob 0"]


async def test_a_condition_that_waits_is_reset() -> None:
    """A condition that waits is reset: the next run ends by what is said in it alone."""
    moment, condition = Moment(), Counting()
    team = RoundRobinGroupChat(
        [speaker("ann"), speaker("bob", moment)], termination_condition=condition
    )
    await stopped(team, moment)
    assert condition.heard == 0
    assert contents(await go_on(team)) == ["bob 0", "ann 1", "bob 1"]


async def test_a_function_of_the_users_may_be_the_condition() -> None:
    """A user's function that waits is recognized behind AutoGen's class."""
    moment, asked = Moment(), list[int]()

    async def ends(messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> bool:
        await _briefly()
        asked.append(len(messages))
        return False

    team = RoundRobinGroupChat(
        [speaker("ann", moment)], termination_condition=FunctionalTermination(ends), max_turns=2
    )
    await stopped(team, moment)
    assert_settled(team)
    assert contents(await go_on(team)) == ["ann 0", "ann 1"]


async def test_the_loop_goes_on_meanwhile() -> None:
    """The loop goes on during a repair that waits, and the run is not over before its end."""
    tools, may_go_on = Tools(), asyncio.Event()
    context = Watched()
    ann = tools.agent(calls("slow"), "found", model_context=context)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(round_robin(ann, turns=1), "go")
        reader = asyncio.ensure_future(run)
        await tools.moment.is_there.wait()
        context.wait = may_go_on.wait
        run.stop("Enough")
        await asyncio.sleep(0.05)
        assert not reader.done()
        may_go_on.set()
        assert (await reader).stop_reason == "Enough"
        assert len(results(await context.get_messages())) == 1


@pytest.mark.parametrize("is_stubborn", [False, True], ids=["cancellable", "stubborn"])
async def test_one_that_waits_for_ever_is_given_up(
    caplog: pytest.LogCaptureFixture, *, is_stubborn: bool
) -> None:
    """A repair that waits for ever is cancelled at ABANDON, then given up; both are logged."""
    tools, may_end = Tools(), asyncio.Event()

    async def insist() -> None:
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                continue

    context = Watched()
    ann = tools.agent(calls("slow"), "found", model_context=context)
    ladder = Ladder(drain=0.1, cancel=0.1, abandon=0.2)
    with caplog.at_level(logging.WARNING, "supervisor"):
        async with Supervisor(signals={}, ladder=ladder) as sup:
            reader = asyncio.ensure_future(sup.stream(round_robin(ann, turns=1), "go"))
            await tools.moment.is_there.wait()
            context.wait = insist if is_stubborn else _for_ever
            sup.stop("Enough")
            assert (await reader).stop_reason == "Enough"
        may_end.set()
        await _until_repaired()
        await asyncio.to_thread(reporter.flush, 5)
    assert "open tool calls" in caplog.text or "not made consistent" in caplog.text


async def test_where_no_thread_can_be_had_the_run_ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a thread the run ends; what has to wait is not done, which is logged."""

    def no_more(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    tools, context = Tools(), Watched()
    ann = tools.agent(calls("slow"), "found", model_context=context)
    async with Supervisor(signals={}) as sup:
        reporter.event(LogEvent("whose thread is there from here on", logging.WARNING))
        run = sup.stream(round_robin(ann, turns=1), "go")
        reader = asyncio.ensure_future(run)
        await tools.moment.is_there.wait()
        with caplog.at_level(logging.WARNING, "supervisor"):
            monkeypatch.setattr(threading.Thread, "start", no_more)
            run.stop("Enough")
            async with asyncio.timeout(5):
                assert (await reader).stop_reason == "Enough"
            monkeypatch.undo()
            await asyncio.to_thread(reporter.flush, 5)
    assert "not made consistent" in caplog.text or "open tool calls" in caplog.text


async def test_a_team_is_repaired_after_a_failure_as_well() -> None:
    """A failed run raises its error once the repair that waits is done."""
    context = Watched()

    def fail(_messages: Sequence[LLMMessage]) -> Any:
        raise LookupError("the model's own")

    tools = Tools()
    ann = tools.agent(calls("quick"), fail, model_context=context, reflect_on_tool_use=True)
    async with Supervisor(signals={}) as sup:
        with pytest.raises(RuntimeError, match="the model's own"):
            await sup.stream(round_robin(ann, turns=1), "go")
    assert [result.content for result in results(await context.get_messages())] == ["quick done"]


async def test_in_the_loops_thread_nothing_waits() -> None:
    """A coroutine that waits in the loop's thread is closed, and the error says so."""
    with pytest.raises(RuntimeError, match="waits"):
        drive_sync(asyncio.sleep(0.01))


@pytest.mark.parametrize("is_waiting", [True, False])
async def test_what_a_repair_waits_for_can_be_cancelled(*, is_waiting: bool) -> None:
    """Cancelling ends what a repair waits for, begins nothing after it, and runs it to its end."""
    waits, ended, failed = asyncio.Event(), asyncio.Event(), list[str]()

    async def wait() -> None:
        waits.set()
        await _for_ever()

    def work() -> None:
        for _ in range(2):
            try:
                drive_sync(wait())
            except Exception as error:  # noqa: BLE001 - any
                failed.append(str(error))

    waiting = RepairThread(asyncio.get_running_loop(), work, ended.set)
    if is_waiting:
        await waits.wait()
    waiting.cancel()
    async with asyncio.timeout(5):
        await ended.wait()
    assert failed == ["cancelled"] * 2


async def test_a_cancellation_that_a_users_method_raises_is_an_error() -> None:
    """It would end more than the method: here the loop's own task."""

    async def give_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="has raised CancelledError"):
        drive_sync(give_up())


async def test_what_the_code_raises_comes_out() -> None:
    """Whoever waits for a thread gets its error."""

    def work() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await repair_in_thread(work)


async def test_who_waits_for_a_thread_can_be_cancelled() -> None:
    """What the thread waits for is cancelled, too, and the thread ends."""
    has_begun, failed = asyncio.Event(), list[str]()

    async def wait() -> None:
        has_begun.set()
        await _for_ever()

    def work() -> None:
        try:
            drive_sync(wait())
        except Exception as error:  # noqa: BLE001 - any
            failed.append(str(error))

    waiting = asyncio.create_task(repair_in_thread(work))
    await has_begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(5):
        while any(it.name == "supervisor-repair" for it in threading.enumerate()):  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert failed == ["cancelled"]


async def test_a_context_that_cannot_be_read_is_taken_to_hold_what_was_given(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where a user's context fails in the repair, nobody is given twice what it was given."""
    moment, context = Moment(), Stored()

    async def fail() -> None:
        raise LookupError("the database's own")

    ann = speaker("ann", moment, model_context=context)
    team = round_robin(ann, turns=1)
    async with Supervisor(signals={}) as sup:
        reader = asyncio.ensure_future(sup.stream(team, "go"))
        await moment.is_there.wait()
        context.wait, wait = fail, context.wait
        sup.stop("Enough")
        await reader
    context.wait = wait
    await asyncio.to_thread(reporter.flush, 5)
    assert "open tool calls" in caplog.text
    assert contents(await go_on(team)) == ["ann 0"]
    assert [message.content for message in requests(ann)[-1]] == ["go"]


class _Closed(ScriptedAgent):
    """An agent of the user's that asks a team; its memory cannot be had once it has failed."""

    def __init__(self, team: RoundRobinGroupChat) -> None:
        super().__init__("asker", self._turn)
        self.team = team
        self.is_closed = False

    async def _turn(self, heard: Sequence[BaseChatMessage], token: CancellationToken) -> str:
        try:
            result = await self.team.run(task=list(heard), cancellation_token=token)
        finally:
            self.is_closed = True
        return contents(result)[-1]

    @property
    def model_context(self) -> None:
        """Raise, once closed."""
        if self.is_closed:
            raise LookupError("closed")


async def test_a_repair_that_fails_is_logged_and_the_run_has_its_result(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What the agent has run can be run again, and the log has the error."""
    moment = Moment()

    async def turn(_heard: Sequence[BaseChatMessage], _token: CancellationToken) -> str:
        await moment.wait()
        return "done"

    inner = round_robin(ScriptedAgent("ann", turn), turns=1)
    await stopped(_Closed(inner), moment)
    await asyncio.to_thread(reporter.flush, 5)
    assert "not made consistent" in caplog.text
    assert contents(await go_on(inner, "again")) == ["again", "done"]
