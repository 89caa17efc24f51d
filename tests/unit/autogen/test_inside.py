"""What an agent does to its own run; and the report of an agent that refuses to end."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import DiGraphBuilder, GraphFlow
from autogen_core import CancellationToken
from autogen_core.models import LLMMessage

from supervisor import Ladder, Quarantined, Supervisor, UsageError
from supervisor._reports.log import reporter
from supervisor.testing import ScriptedModel
from tests.agents import Agent, Stubborn, team


class Meddler(Agent):
    """An agent that does something with its token in the midst of its turn."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.do: Callable[[CancellationToken], Awaitable[object]] | None = None
        self.met: BaseException | None = None

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[Any, None]:
        """Do it, and then what every agent does."""
        assert self.do is not None
        try:
            await self.do(cancellation_token)
        except UsageError as error:
            self.met = error
        async for event in super().on_messages_stream(messages, cancellation_token):
            yield event


async def test_an_agent_that_cancels_its_token_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """An agent that cancels its token stops its run, whose reason names it; no error is logged."""
    agent = Meddler("eve")

    async def cancel(token: CancellationToken) -> None:
        token.cancel()
        await asyncio.sleep(3600)

    agent.do = cancel
    group = team(agent, Agent("bob"), turns=2)
    with caplog.at_level(logging.ERROR):
        async with Supervisor(signals={}) as sup:
            result = await sup.stream(group, "go")
    assert result.stop_reason == "Cancelled by 'eve'"
    assert caplog.records == []


@pytest.mark.parametrize("how", ["close", "await", "iterate", "leave"])
async def test_an_agent_cannot_wait_for_its_own_run(how: str) -> None:
    """An agent that waits for its own run's end, in any way, gets an error at once."""
    agent = Meddler("eve")
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(agent, Agent("bob"), turns=2), "go")
        events: Any = run.__aiter__()

        async def wait(_: CancellationToken) -> object:
            if how == "close":
                await run.aclose()
                return None
            if how == "await":
                return await run
            if how == "iterate":
                return await anext(events)
            return await sup.__aexit__(None, None, None)

        agent.do = wait
        async for _ in events:
            continue
        result = await run
    assert result.stop_reason is not None
    assert [message.source for message in result.messages] == ["user", "eve", "bob"]
    assert isinstance(agent.met, UsageError)
    assert "waits; call" in str(agent.met)


@pytest.mark.blocks  # for the log's thread
async def test_a_team_in_quarantine_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """A team that refused to stop is among `quarantined`, and one log line says so."""
    stubborn = Stubborn()
    group = team(stubborn, turns=1)
    with caplog.at_level(logging.WARNING, "supervisor"):
        async with Supervisor(signals={}, ladder=Ladder(cancel=0.05, abandon=0.05)) as sup:
            run = sup.stream(group, "go")
            running = asyncio.create_task(run)
            await stubborn.is_working.wait()
            assert not sup.quarantined
            run.stop("enough")
            with pytest.raises(Quarantined):
                await running
            assert [team is group for team in sup.quarantined] == [True]
            stubborn.let_go.set()
            assert reporter.flush(10)
            told = [r.getMessage() for r in caplog.records if r.getMessage() == "team quarantined"]
            assert len(told) == 1
            while sup.quarantined:  # noqa: ASYNC110 - until the team is free
                await asyncio.sleep(0.01)


def _cycle() -> GraphFlow:
    """Make a graph in which b sends a back twice, and then hands on to c."""

    def agent(name: str) -> AssistantAgent:
        def reply(messages: Sequence[LLMMessage]) -> str:
            said = sum(message.type == "AssistantMessage" for message in messages)
            if name == "b":
                return "done" if said >= 2 else "again"
            return f"{name} {said}"

        return AssistantAgent(name, ScriptedModel(reply))

    a, b, c = (agent(name) for name in "abc")
    graph = DiGraphBuilder()
    graph.add_node(a).add_node(b).add_node(c).add_edge(a, b)
    graph.add_edge(
        b, a, condition="again", activation_group="loop", activation_condition="any"
    ).add_edge(b, c, condition="done")
    graph.set_entry_point(a)
    return GraphFlow([a, b, c], graph.build(), termination_condition=MaxMessageTermination(30))


@pytest.mark.parametrize("is_supervised", [True, False])
@pytest.mark.parametrize("turns", [1, 2, 3, 4, 5])
async def test_a_cycle_goes_on_in_a_fresh_team(turns: int, is_supervised: bool) -> None:
    """A cyclic graph that was stopped, saved and loaded into a fresh team goes on to its end."""
    whole = [m.source for m in (await _cycle().run(task="go")).messages if m.source != "user"]
    assert whole == [*"ababab", "c"]
    first, fresh = _cycle(), _cycle()
    async with Supervisor(signals={}) as sup:
        run = sup.stream(first, "go")
        said: list[str] = []
        async for event in run:
            source: str = getattr(event, "source", "user")
            said += [source] if source in "abc" else []
            if len(said) == turns:
                run.stop("enough")
        told = [message.source for message in (await run).messages if message.source != "user"]
        await fresh.load_state(json.loads(json.dumps(await first.save_state())))
        rest = await (sup.stream(fresh) if is_supervised else fresh.run())
    assert [*told, *(message.source for message in rest.messages)] == whole
