"""The scripted agent: what it answers, what it streams, and which teams it works in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import SocietyOfMindAgent
from autogen_agentchat.base import Response, TaskResult
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    HandoffMessage,
    ModelClientStreamingChunkEvent,
    TextMessage,
    ThoughtEvent,
)
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_core import CancellationToken

from supervisor import Supervisor
from supervisor.testing import Scenario, ScriptedAgent, ScriptedModel, sweep

Messages = Sequence[BaseChatMessage]
Events = AsyncGenerator[str | BaseAgentEvent | BaseChatMessage, None]


async def answer_of(agent: ScriptedAgent) -> str:
    """Return its answer to "hello"."""
    return (await agent.run(task="hello")).messages[-1].to_text()


async def test_a_list_gives_its_answers_in_order() -> None:
    """Each turn gets the next answer, and one too many is an error."""
    agent = ScriptedAgent("ann", ["first", "second"])
    assert [await answer_of(agent) for _ in range(2)] == ["first", "second"]
    with pytest.raises(IndexError, match="has 2 answers"):
        await answer_of(agent)


async def test_a_text_is_no_script() -> None:
    """A text in place of a list is refused, since each letter would be an answer."""
    with pytest.raises(TypeError, match=r"write \['hello'\]"):
        await answer_of(ScriptedAgent("ann", "hello"))


async def test_functions_take_turns() -> None:
    """A function is a script, or an answer of one; it may be a coroutine function."""

    async def count(messages: Messages, token: CancellationToken) -> str:
        await asyncio.sleep(0)
        return f"{len(messages)} heard and said"

    assert await answer_of(ScriptedAgent("ann", count)) == "1 heard and said"
    agent = ScriptedAgent("ann", ["one", count])
    assert [await answer_of(agent) for _ in range(2)] == ["one", "3 heard and said"]
    assert await answer_of(ScriptedAgent("ann", lambda messages, token: "sync")) == "sync"


async def test_without_a_script_the_answer_tells_what_was_heard() -> None:
    """Agents that got the same messages give the same answers; others give different ones."""
    one, same = await answer_of(ScriptedAgent("ann")), await answer_of(ScriptedAgent("bob"))
    other = (await ScriptedAgent("ann").run(task="goodbye")).messages[-1].to_text()
    assert one == same != other


async def test_a_generator_streams() -> None:
    """Texts come as chunks and make the answer; events come as they are."""

    async def think(messages: Messages, token: CancellationToken) -> Events:
        yield "to "
        yield ThoughtEvent(content="hm", source="ann")
        yield "be"

    agent = ScriptedAgent("ann", think)
    items = [item async for item in agent.on_messages_stream([], CancellationToken())]
    chunk, thought, _, response = items
    assert isinstance(chunk, ModelClientStreamingChunkEvent)
    assert chunk.content == "to "
    assert isinstance(response, Response)
    assert response.chat_message.to_text() == "to be"
    assert response.inner_messages == [thought]


async def test_a_generator_may_be_annotated_as_an_iterator() -> None:
    """The type checkers accept a generator function that is said to return an AsyncIterator."""

    async def think(messages: Messages, token: CancellationToken) -> AsyncIterator[str]:
        yield "to "
        yield "be"

    assert await answer_of(ScriptedAgent("ann", think)) == "to be"


async def test_a_message_ends_the_turn() -> None:
    """A generator that yields a message is closed: that is its answer."""
    closed = list[str]()

    async def think(messages: Messages, token: CancellationToken) -> Events:
        try:
            yield "well"
            yield TextMessage(content="answer", source="ann")
            yield "more"
        finally:
            closed.append("yes")

    assert await answer_of(ScriptedAgent("ann", think)) == "answer"
    assert closed == ["yes"]


async def test_an_exception_is_raised() -> None:
    """An exception in the script fails the turn."""
    with pytest.raises(ValueError, match="broken"):
        await answer_of(ScriptedAgent("ann", [ValueError("broken")]))


async def test_a_stop_reaches_a_turn_and_it_is_taken_again() -> None:
    """A turn that was stopped and undone gets the same answer when it is asked for again."""

    async def wait(messages: Messages, token: CancellationToken) -> str:
        if len(waited) == 1:
            await asyncio.sleep(3600)
        return f"said {len(messages)}"

    waited = [1]
    first, second = ScriptedAgent("ann", ["one", "two"]), ScriptedAgent("bob", wait)
    team = RoundRobinGroupChat([first, second], max_turns=2)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team, "go")
        waiting = asyncio.ensure_future(run)
        await second.is_working.wait()
        run.stop()
        await waiting
        waited.append(2)
        result = await sup.stream(team)
    assert second.transcript[-1].to_text() == "said 2"
    assert [message.to_text() for message in result.messages] == ["said 2", "two"]


def _magentic(agents: list[ScriptedAgent]) -> MagenticOneGroupChat:
    def orchestrate(messages: Sequence[Any]) -> str:
        if "is_request_satisfied" not in str(messages[-1].content):
            return "So it is."
        is_done = any(getattr(message, "source", "") == "bob" for message in messages)
        answers = {
            "is_request_satisfied": is_done,
            "is_in_loop": False,
            "is_progress_being_made": True,
            "next_speaker": "bob",
            "instruction_or_question": "Go on.",
        }
        return json.dumps({k: {"reason": "so", "answer": v} for k, v in answers.items()})

    return MagenticOneGroupChat(list(agents), ScriptedModel(orchestrate, user_first=False))


def _graph(agents: list[ScriptedAgent]) -> GraphFlow:
    builder = DiGraphBuilder()
    builder.add_node(agents[0]).add_node(agents[1]).add_edge(agents[0], agents[1])
    return GraphFlow(list(agents), graph=builder.build())


def _swarm(agents: list[ScriptedAgent]) -> Swarm:
    handoff = HandoffMessage(source="ann", target="bob", content="yours")
    return Swarm([ScriptedAgent("ann", [handoff]), agents[1]], max_turns=2)


def _society(agents: list[ScriptedAgent]) -> RoundRobinGroupChat:
    inner = RoundRobinGroupChat(list(agents), max_turns=2)
    return RoundRobinGroupChat([SocietyOfMindAgent("all", inner, ScriptedModel())], max_turns=1)


TEAMS: dict[str, Callable[[list[ScriptedAgent]], BaseGroupChat]] = {
    "round robin": lambda agents: RoundRobinGroupChat(list(agents), max_turns=2),
    "selector": lambda agents: SelectorGroupChat(
        list(agents), ScriptedModel(lambda messages: "bob"), max_turns=1
    ),
    "swarm": _swarm,
    "magentic": _magentic,
    "graph": _graph,
    "society": _society,
}


@pytest.mark.parametrize("name", TEAMS)
async def test_every_class_of_teams_takes_it(name: str) -> None:
    """The scripted agent works in each of AutoGen's teams."""
    agents = [ScriptedAgent("ann"), ScriptedAgent("bob")]
    result = await TEAMS[name](agents).run(task="go")
    assert isinstance(result, TaskResult)
    assert agents[1].is_working.is_set()


async def test_it_keeps_what_a_stop_at_any_step_may_not_lose() -> None:
    """A sweep finds no fault in it, even if its state is saved and loaded."""

    def make() -> RoundRobinGroupChat:
        return RoundRobinGroupChat([ScriptedAgent("ann"), ScriptedAgent("bob")], max_turns=3)

    asyncio.get_running_loop().set_debug(False)  # which takes a stack of each task
    swept = await sweep(Scenario(make=make, reloads=True), sample=12)
    assert swept.stops == 12


async def test_a_reset_begins_the_script_again() -> None:
    """After a reset the agent starts again with its first answer."""
    agent = ScriptedAgent("ann", ["first", "second"])
    await answer_of(agent)
    await agent.on_reset(CancellationToken())
    assert await answer_of(agent) == "first"
