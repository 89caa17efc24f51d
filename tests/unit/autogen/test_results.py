"""Results agree with teams: what a team holds is in the result of the run in which it was said."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import SocietyOfMindAgent
from autogen_agentchat.base import Response, TaskResult
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from autogen_agentchat.teams import BaseGroupChat
from autogen_core import CancellationToken, FunctionCall
from autogen_core.models import FunctionExecutionResult

from supervisor import Quarantined, Run, Rung, Stopped, Supervisor
from supervisor._autogen.results import Remains, merged, with_answers
from supervisor._core.run_state import Phase
from supervisor.testing import ScriptedModel, Steps, calls
from supervisor.testing._agreement import Agreement
from tests.agents import Agent, Deaf, Failing, Gate, Stubborn, scripted, team
from tests.unit.autogen.checks import SHORT, contents
from tests.unit.testing import teams


@pytest.fixture(autouse=True)
async def _quick() -> None:
    """Switch debug mode off, which takes a stack of each task and most of the time."""
    asyncio.get_running_loop().set_debug(False)


def text(content: str, source: str = "ann") -> TextMessage:
    """Make a message whose id is its text."""
    return TextMessage(id=content, content=content, source=source)


def ids(items: Sequence[BaseAgentEvent | BaseChatMessage]) -> str:
    """Return the texts that `text` has made messages of."""
    return "".join(item.id for item in items)


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - a step of the loop at a time
        await asyncio.sleep(0)


# -- what is made of what was shown, and what is held --------------------------------------------


@pytest.mark.parametrize(
    ("shown", "held", "wanted"),
    [
        ("", "", ""),
        ("abc", "", "abc"),
        ("", "abc", "abc"),
        ("abc", "abc", "abc"),
        ("ac", "abc", "abc"),
        ("axc", "abc", "axbc"),
        ("ab", "abcd", "abcd"),
        ("xay", "ab", "xayb"),
        ("cxb", "bc", "bcx"),
        ("a", "aa", "aa"),
        ("aab", "ab", "ab"),
    ],
)
def test_shown_and_held(shown: str, held: str, wanted: str) -> None:
    """Held items are there once, in their order; an item that was only shown keeps its place."""
    assert ids(merged(list(map(text, shown)), list(map(text, held)))) == wanted


def _request(*ids: str, source: str = "ann") -> ToolCallRequestEvent:
    made = [FunctionCall(id=id_, name="look_up", arguments="{}") for id_ in ids]
    return ToolCallRequestEvent(source=source, content=made)


def _answer(*ids: str, source: str = "ann") -> ToolCallExecutionEvent:
    made = [FunctionExecutionResult(call_id=id_, name="look_up", content="found") for id_ in ids]
    return ToolCallExecutionEvent(source=source, content=made)


def _answers(items: Sequence[Any]) -> list[tuple[str, list[str], str]]:
    found = [item for item in items if isinstance(item, ToolCallExecutionEvent)]
    return [(i.source, [r.call_id for r in i.content], i.content[0].content) for i in found]


def test_a_closed_call_has_the_answer_of_its_context() -> None:
    """A closed call's answer is that of its agent's context, and stands behind the request."""
    request, closed = _request("1", "2"), _answer("1").content[0]
    remains = Remains(closed=[(request.content[0], closed)])
    items = with_answers([request, text("later")], [], remains)
    assert [type(item) for item in items] == [
        ToolCallRequestEvent,
        ToolCallExecutionEvent,
        TextMessage,
    ]
    [answer] = [item for item in items if isinstance(item, ToolCallExecutionEvent)]
    assert answer.content[0] is closed
    assert answer.content[1].content.endswith("it was not started.")


def test_an_answered_call_is_not_answered_again() -> None:
    """An answered call gets no second answer, though two agents may use the same ids."""
    found = [_request("1"), _request("1", source="bob"), _answer("1"), _request("1")]
    items = with_answers(found, [], Remains())
    assert [source for source, _, _ in _answers(items)] == ["bob", "ann", "ann"]
    assert items[2:4] != found[2:4]


def test_a_request_of_a_finished_turn_stays() -> None:
    """A request of a finished turn stays as it is: a user's agent may show no answer."""
    request = _request("1")
    assert with_answers([request], [request], Remains()) == [request]


# -- at every step -------------------------------------------------------------------------------


class Slow:
    """A reader that reads so many events of a run, and then waits until it is let go."""

    def __init__(self, run: Run, events: int) -> None:
        self._run = run
        self._events = events
        self.may_go_on = asyncio.Event()

    async def read(self) -> TaskResult | None:
        """Read; return the result, which is the next item."""
        read = 0
        async for event in self._run:
            read += 1
            if isinstance(event, TaskResult):
                return event
            if read == self._events:
                await self.may_go_on.wait()
        return None


async def _stop_slow(group: BaseGroupChat, read: int, step: int, rung: Rung) -> int:
    """Stop a run at a step while its reader waits behind so many events; return the steps taken."""
    agreement = Agreement(group)
    async with Supervisor(signals={}) as sup:
        with Steps() as steps:
            run = sup.stream(group, "go")
            slow = Slow(run, read)
            steps.before(step, lambda: sup.stop("Enough", rung))
            reader = asyncio.create_task(slow.read())
            await _until(lambda: run.result is not None)
        slow.may_go_on.set()
        assert await reader is run.result
    agreement.check(group, run.result)
    async with Supervisor(signals={}) as sup:
        task = None if run.has_taken_task else "go"
        agreement.check(group, await sup.stream(group, task))
    return steps.taken


@pytest.mark.parametrize("rung", [Rung.CANCEL, Rung.DRAIN])
@pytest.mark.parametrize("make", [teams.pair, teams.nested, teams.swarm])
async def test_a_slow_reader(make: Callable[[], BaseGroupChat], rung: Rung) -> None:
    """At each moment of a stop, the result holds what has waited for its reader."""
    step, taken = 1, 2
    while step <= taken:
        taken = await _stop_slow(make(), 2, step, rung)
        step += 7


# -- what a result holds -------------------------------------------------------------------------


async def _cancelled(run: Run, member: Agent) -> None:
    task = asyncio.create_task(run)
    await member.is_working.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _left(run: Run, member: Agent) -> None:
    async for event in run:
        if isinstance(event, TextMessage) and event.source == "a":
            await member.is_working.wait()
            break
    assert await run is run.result


async def _closed(run: Run, member: Agent) -> None:
    task = asyncio.create_task(run)
    await member.is_working.wait()
    await run.aclose()
    assert await task is run.result


async def _token(run: Run, member: Agent) -> None:
    task = asyncio.create_task(run)
    await member.is_working.wait()
    run._execution.cancel_by_caller()
    with pytest.raises(asyncio.CancelledError, match="Cancelled by the caller"):
        await task


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (_cancelled, "Cancelled by the caller"),
        (_token, "Cancelled by the caller"),
        (_left, "Its reader went away"),
        (_closed, "Closed by its reader"),
    ],
)
async def test_every_end_has_a_result(end: Any, reason: str) -> None:
    """`run.result` is there where awaiting the run raises, and agrees with the team."""
    deaf = Deaf("b")
    group = team(Agent("a"), deaf)
    agreement = Agreement(group)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        assert run.result is None
        await end(run, deaf)
    assert run.result is not None
    assert run.result.stop_reason == reason
    assert contents(run.result) == ["go", "done"]
    assert run.has_taken_task
    agreement.check(group, run.result)


async def test_a_failed_run_has_a_result() -> None:
    """The result of a failed run holds what was said before; awaiting it raises each time."""
    group = team(Agent("a"), Failing("b"))
    agreement = Agreement(group)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        for _ in range(2):
            with pytest.raises(RuntimeError, match="the agent's own"):
                await run
    assert run.result is not None
    assert run.result.stop_reason == "Failed with RuntimeError"
    assert contents(run.result) == ["go", "done"]
    assert run.has_taken_task
    agreement.check(group, run.result)


async def test_a_run_that_was_given_up_has_a_result() -> None:
    """A run that was given up has what was delivered; once its agent has ended, all of it."""
    stubborn = Stubborn("b")
    group = team(Agent("a"), stubborn)
    async with Supervisor(signals={}, ladder=SHORT) as sup:
        run = sup.stream(group, "go")
        task = asyncio.create_task(run)
        await stubborn.is_working.wait()
        run.stop("Enough")
        with pytest.raises(Quarantined):
            await task
        assert run.result is not None
        assert contents(run.result) == ["go", "done"]
        assert not run.has_taken_task
        stubborn.let_go.set()
        await _until(lambda: run.phase is Phase.DONE)
        result = await run
    assert contents(result) == ["go", "done"]
    assert run.has_taken_task


async def test_a_run_that_never_began_has_taken_nothing() -> None:
    """A run stopped before its start has an empty result; a refused one has none."""
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(Agent()), "go")
        run.stop("Enough")
        assert await run is run.result
        assert not run.has_taken_task
        sup.stop("Enough")
        refused = sup.stream(team(Agent()), "go")
        with pytest.raises(Stopped):
            await refused
    assert refused.result is None
    assert not refused.has_taken_task


async def test_the_task_may_be_taken_without_being_in_the_result() -> None:
    """`has_taken_task` holds where the result shows no task, or a member is called "user"."""
    deaf = Deaf("user")
    group = team(Agent("a"), deaf)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go", output_task_messages=False)
        task = asyncio.create_task(run)
        await deaf.is_working.wait()
        assert not run.has_taken_task  # it is not over
        run.stop("Enough")
        result = await task
    assert contents(result) == ["done"]
    assert run.has_taken_task


@pytest.mark.parametrize("make", [teams.pair, teams.magentic, Agent])
async def test_a_run_of_its_own_end_has_taken_its_task(make: Callable[[], Any]) -> None:
    """A run that came to its own end has taken its task, in each class of teams."""
    async with Supervisor(signals={}) as sup:
        run = sup.stream(make(), "go")
        await run
        assert run.has_taken_task


async def test_a_team_that_had_ended_has_not_taken_its_task() -> None:
    """A run of a team that had ended has not taken its task: AutoGen ends it silently."""
    group = teams.until("ann", Agent("ann"), name="team")
    async with Supervisor(signals={}) as sup:
        condition = group._termination_condition
        assert condition is not None
        await condition([text("done")])
        run = sup.stream(group, "go")
        assert (await run).stop_reason == "The group chat has already terminated."
    assert not run.has_taken_task


async def test_an_open_call_is_answered_in_the_result() -> None:
    """An open call is answered as in the agent's context; a finished one shows its result."""
    gate = Gate()

    async def at_once() -> str:
        return "found"

    caller = scripted("caller", [calls("at_once", "wait")], at_once, gate.wait)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(caller), "go")
        task = asyncio.create_task(run)
        await gate.is_entered.wait()
        run.stop("Enough")
        result = await task
    *_, request, answer = result.messages
    assert isinstance(request, ToolCallRequestEvent)
    assert isinstance(answer, ToolCallExecutionEvent)
    assert answer.source == "caller"
    assert [r.call_id for r in answer.content] == [call.id for call in request.content]
    assert answer.content[0].content == "found"
    assert answer.content[1].content.endswith("it may have taken effect.")
    held = (await caller.model_context.get_messages())[-1]
    assert held.content == answer.content


async def test_a_call_that_was_taken_back_is_answered_in_the_result() -> None:
    """A shown request of an undone turn is answered, so that a transcript can be stored."""
    told = set[str]()
    for step in range(1, 60):
        async with Supervisor(signals={}) as sup:
            with Steps() as steps:
                run = sup.stream(teams.swarm(), "go")
                steps.before(step, functools.partial(run.stop, "Enough"))
                result = await run
        wanted = [m.source for m in result.messages if isinstance(m, ToolCallRequestEvent)]
        answers = _answers(result.messages)
        assert [source for source, _, _ in answers] == wanted
        told.update(text.rpartition("; ")[2] for _, _, text in answers)
    assert "it was not started." in told


class Secretive(Agent):
    """An agent with inner messages that its stream does not show."""

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        """Answer."""
        thought = ThoughtEvent(content="hm", source=self.name)
        answer = TextMessage(content="done", source=self.name)
        yield Response(chat_message=answer, inner_messages=[thought])


async def test_what_no_event_showed_is_in_the_result() -> None:
    """The result of a run that came to its own end also holds what its team holds unseen."""
    group = team(Secretive("a"), turns=2)
    agreement = Agreement(group)
    async with Supervisor(signals={}) as sup:
        result = await sup.stream(group, "go")
    agreement.check(group, result)
    assert [m.to_text() for m in result.messages] == ["go", "hm", "done", "hm", "done"]


async def test_a_run_of_its_own_end_has_autogens_own_result() -> None:
    """Where nothing is to be added, the result is the very object that AutoGen made."""
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(Agent("a"), turns=1), "go")
        seen = [event async for event in run]
    assert run.result is seen[-1]
    assert run.result is run._state.natural


async def test_the_members_of_a_society_are_heard_once() -> None:
    """A society's members are in the result of the stopped run, and not in the next one's."""
    inner = teams.round_robin(Agent("ann"), Deaf("bob", seconds=0), name="inner")
    group = teams.round_robin(SocietyOfMindAgent("society", inner, ScriptedModel()), turns=1)
    agreement = Agreement(group)
    said: list[str] = []
    for step in (60, 0):
        async with Supervisor(signals={}) as sup:
            with Steps() as steps:
                run = sup.stream(group, None if said else "go")
                if step:
                    steps.before(step, lambda: sup.stop("Enough"))
                result = await run
        agreement.check(group, result)
        said += [m.source for m in result.messages]
    assert said == ["user", "ann", "bob", "society"]
