"""An error that AutoGen passes on to nobody, raised in a team's turn, ends the run at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import FunctionalTermination
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage
from autogen_agentchat.teams import BaseGroupChat, DiGraphBuilder, GraphFlow, RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_core.tools import StaticWorkbench, ToolSchema

from supervisor import Supervisor
from supervisor._core.run import Run
from supervisor._reports.log import reporter
from supervisor.testing import calls
from tests.agents import Agent, Deaf, Failing, Stubborn, nested, scripted, team
from tests.unit.autogen.checks import SHORT, assert_all_put_back, assert_settled, contents
from tests.unit.testing.teams import started


class Panic(BaseException):
    """An error as a Rust library raises it, or pytest for `fail`."""


def _raise(error: BaseException) -> None:
    raise error


async def _panics() -> str:
    raise Panic("a tool's")


class Broken(StaticWorkbench):
    """A workbench that has lost its tools."""

    async def list_tools(self) -> list[ToolSchema]:
        """Fail once the model has asked for a tool."""
        if asyncio.current_task() is not None and _is_in_call():
            raise ConnectionError("the workbench's")
        return await super().list_tools()


def _is_in_call() -> bool:
    task = asyncio.current_task()
    return task is not None and "_execute_tool_call" in repr(task.get_coro())


def _with_condition(error: BaseException) -> RoundRobinGroupChat:
    def end(messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> bool:
        if messages[-1].source != "user":
            raise error
        return False

    condition = FunctionalTermination(end)
    return RoundRobinGroupChat([Agent("a")], termination_condition=condition)


def _beside_another_branch(error: BaseException) -> GraphFlow:
    a, b, c = Agent("a"), Failing("b", error), Deaf("c")
    builder = DiGraphBuilder()
    for node in (a, b, c):
        builder.add_node(node)
    builder.add_edge(a, b).add_edge(a, c)
    return GraphFlow([a, b, c], graph=builder.build())


TEAMS: dict[str, Callable[[BaseException], BaseGroupChat]] = {
    "turn": lambda error: team(Failing(error=error)),
    "second turn": lambda error: team(Agent("a"), Failing("b", error)),
    "behind chunks": lambda error: team(Failing(error=error, chunks=3)),
    "nested": lambda error: nested(Failing(error=error)),
    "condition": _with_condition,
    "beside another branch": _beside_another_branch,
}


@pytest.mark.parametrize("error", [Panic("mine"), GeneratorExit("mine")], ids=repr)
@pytest.mark.parametrize("kind", list(TEAMS))
async def test_it_is_raised_at_once(kind: str, error: BaseException) -> None:
    """Wherever such an error is raised, it comes out as it is; the team can be used again."""
    group = TEAMS[kind](error)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        with pytest.raises(type(error), match="mine"):
            await run
        assert sup.stop_request is None
    assert run.result is not None
    assert run.result.stop_reason == f"Failed with {type(error).__name__}"
    assert_settled(group)
    assert_all_put_back()


async def test_what_was_said_before_is_kept() -> None:
    """What was said before the error is kept, and the agent that has raised is asked again."""
    failing = Failing("b", Panic("mine"))
    group = team(Agent("a"), failing, turns=2)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        with pytest.raises(Panic):
            await run
        assert run.result is not None
        assert contents(run.result) == ["go", "done"]
        failing.error = None  # type: ignore[assignment]
    assert run.has_taken_task


class CancelsItself(Agent):
    """An agent that is cancelled from within, as by a time limit or a cancel scope."""

    async def work(self, token: CancellationToken) -> None:
        """Be cancelled, by nobody."""
        raise asyncio.CancelledError


async def _is_cancelled() -> str:
    raise asyncio.CancelledError


CANCELLED: dict[str, Callable[[], Any]] = {
    "turn": lambda: team(Agent("a"), CancelsItself("b")),
    "nested": lambda: nested(CancelsItself()),
    "turn of an agent alone": CancelsItself,
    "tool": lambda: team(scripted("caller", [calls("_is_cancelled")], _is_cancelled)),
    "tool of an agent alone": lambda: scripted("caller", [calls("_is_cancelled")], _is_cancelled),
}


@pytest.mark.parametrize("kind", list(CANCELLED))
async def test_a_turn_that_was_cancelled_from_within(kind: str) -> None:
    """A turn cancelled from within ends its run as cancelled, where AutoGen waits for ever."""
    made = CANCELLED[kind]()
    async with Supervisor(signals={}) as sup:
        run = sup.stream(made, "go")
        with pytest.raises(asyncio.CancelledError, match="Cancelled from within"):
            await run
        assert sup.stop_request is None
    assert run.result is not None
    assert run.result.stop_reason == "Cancelled from within"
    assert_all_put_back()


@pytest.mark.parametrize("is_iterated", [False, True])
async def test_on_a_runtime_of_the_users(is_iterated: bool) -> None:
    """On a user's runtime, which would ignore the error, the run ends and the runtime goes on."""
    async with started() as runtime, Supervisor(signals={}) as sup:
        failing = Failing(error=Panic("mine"))
        group = RoundRobinGroupChat([failing], max_turns=1, runtime=runtime)
        with pytest.raises(Panic, match="mine"):
            await _made(sup.stream(group, "go"), is_iterated)
        other = RoundRobinGroupChat([Agent("a")], max_turns=1, runtime=runtime)
        assert contents(await sup.stream(other, "go")) == ["go", "done"]


async def _made(run: Run, is_iterated: bool) -> object:
    return [event async for event in run] if is_iterated else await run


def _tool_raises() -> AssistantAgent:
    return scripted("caller", [calls("_panics")], _panics)


def _workbench_raises() -> AssistantAgent:
    made = scripted("caller", [calls("_panics")])
    made._workbench = [Broken(tools=[])]
    return made


@pytest.mark.parametrize("is_alone", [False, True], ids=["in a team", "alone"])
@pytest.mark.parametrize(
    ("make", "error"), [(_tool_raises, Panic), (_workbench_raises, ConnectionError)]
)
async def test_what_a_tool_call_raises(
    make: Callable[[], AssistantAgent], error: type[BaseException], is_alone: bool
) -> None:
    """A run fails with what a tool call raises, where its agent would wait for ever."""
    agent = make()
    async with Supervisor(signals={}) as sup:
        run: Any = sup.stream(agent if is_alone else team(agent), "go")
        with pytest.raises(error):
            await run
    assert_all_put_back()


async def test_a_handler_that_refuses_is_given_up() -> None:
    """A run that fails has the seconds of one stop, and no more."""
    stubborn = Stubborn("c")
    a, b = Agent("a"), Failing("b", Panic("mine"))
    builder = DiGraphBuilder()
    for node in (a, b, stubborn):
        builder.add_node(node)
    builder.add_edge(a, b).add_edge(a, stubborn)
    group = GraphFlow([a, b, stubborn], graph=builder.build())
    async with Supervisor(signals={}, ladder=SHORT) as sup:
        with pytest.raises(BaseException, match=r"quarantined|mine"):
            await sup.stream(group, "go")
        stubborn.let_go.set()
        await asyncio.sleep(0)


class PanicsWhenCancelled(Agent):
    """An agent that raises a given error when it is cancelled."""

    async def work(self, token: CancellationToken) -> None:
        """Wait, and raise."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            _raise(Panic("at the end"))


async def test_what_is_raised_while_a_stop_is_made_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An error during a stop is logged, and the stop goes on."""
    member = PanicsWhenCancelled()
    group = team(member)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        task = asyncio.create_task(run)
        await member.is_working.wait()
        run.stop("Enough")
        assert (await task).stop_reason == "Enough"
    assert await asyncio.to_thread(reporter.flush, 30)
    [record] = [r for r in caplog.records if "run failed while it was stopped" in r.getMessage()]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], Panic)
    assert_settled(group)
