"""Runtimes that the user gave: teams that only tools know of; runs whose team others hear."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.teams._group_chat._events import GroupChatAgentResponse
from autogen_core import (
    CancellationToken,
    DefaultInterventionHandler,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
)

from supervisor import Supervisor
from supervisor._autogen.shared_runtimes import SharedRuntimes
from supervisor.testing import ScriptedModel, assert_settled, calls
from supervisor.testing._settled import said
from tests.unit.autogen.checks import assert_all_put_back, contents
from tests.unit.autogen.stops import REASON, Moment, go_on, speaker, stopped
from tests.unit.autogen.test_shared_runtimes import Ping, started
from tests.unit.core.scopes import FakeRun
from tests.unit.testing.teams import round_robin

pytestmark = pytest.mark.one_loop

# -- teams that tools run -----------------------------------------------------------------------


async def test_a_team_that_a_tool_runs_there_goes_on() -> None:
    """A team that only a tool's code knows of is stopped with the run, and made consistent."""
    async with started() as runtime:
        moment = Moment()
        inner = round_robin(speaker("ann"), speaker("bob", moment), name="inner", runtime=runtime)

        async def ask(cancellation_token: CancellationToken) -> str:
            """Ask the team."""
            return str(await inner.run(task="go", cancellation_token=cancellation_token))

        model = ScriptedModel([calls("ask"), "done"])
        outer = round_robin(AssistantAgent("cleo", model, tools=[ask]), turns=1)
        await stopped(outer, moment)
        assert_settled(inner)
        assert contents(await go_on(inner)) == ["bob 0", "ann 1"]


async def test_a_team_belongs_to_the_run_that_runs_it_now() -> None:
    """A team that a tool of another run has run before is stopped by its own run."""
    async with started() as runtime:
        first, second = Moment(), Moment()
        bob = speaker("bob", second, at=1)
        inner = round_robin(bob, turns=1, name="inner", runtime=runtime)

        async def ask(cancellation_token: CancellationToken) -> str:
            """Ask the team."""
            await inner.run(task="one", cancellation_token=cancellation_token)
            await first.wait()
            return "asked"

        cleo = AssistantAgent("cleo", ScriptedModel([calls("ask"), "done"]), tools=[ask])
        async with Supervisor(signals={}) as sup:
            asking = asyncio.create_task(sup.stream(round_robin(cleo, turns=1), "go"))
            await first.is_there.wait()
            run = sup.stream(inner, "two")
            running = asyncio.create_task(run)
            await second.is_there.wait()
            first.let_go.set()
            await asking
            run.stop(REASON)
            assert contents(await running) == ["two"]
        assert_settled(inner)
        assert contents(await go_on(inner)) == ["bob 1"]
    assert_all_put_back()


# -- runs that end by themselves ----------------------------------------------------------------


class _Listening(RoutedAgent):
    """An agent of the user's that hears what the members of a team hear."""

    def __init__(self, moment: Moment | None = None) -> None:
        super().__init__("It listens.")
        self._moment = moment

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> None:
        """Wait; or publish something when a member has spoken."""
        if self._moment is not None:
            await self._moment.wait()
        elif isinstance(message, GroupChatAgentResponse):
            await self.publish_message(Ping(), TopicId("pings", self.id.key))


async def _listened_to(
    runtime: SingleThreadedAgentRuntime, moment: Moment | None = None
) -> RoundRobinGroupChat:
    team = round_robin(speaker("ann"), turns=1, name="ours", runtime=runtime)
    await _Listening.register(runtime, "listening", lambda: _Listening(moment))
    await runtime.add_subscription(TypeSubscription(team._group_topic_type, "listening"))
    return team


async def _assert_over_at(moment: Moment, team: RoundRobinGroupChat) -> None:
    """Check that the team's run ends by itself, and not before this moment lets it."""
    async with Supervisor(signals={}) as sup:
        running = asyncio.create_task(sup.stream(team, "go"))
        await moment.is_there.wait()
        while not said(team):  # noqa: ASYNC110 - AutoGen has no event for it
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not running.done()
        moment.let_go.set()
        assert contents(await running) == ["go", "ann 0"]


async def test_a_run_is_over_when_all_who_hear_its_team_are_done() -> None:
    """An agent of the user's that has subscribed to the team is at work for its run."""
    moment = Moment()
    async with started() as runtime:
        await _assert_over_at(moment, await _listened_to(runtime, moment))


class _Holding(DefaultInterventionHandler):
    """A handler of the user's that holds the runtime up at such a message."""

    def __init__(self) -> None:
        self.moment = Moment()

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        """Wait."""
        if isinstance(message, Ping):
            await self.moment.wait()
        return message


# AutoGen warns of its own answer to the first message, which is None.
@pytest.mark.filterwarnings("ignore:Intervention handler on_response")
async def test_a_run_is_over_when_its_last_message_was_passed_on() -> None:
    """A runtime that is held up has its last message in the queue."""
    holding = _Holding()
    async with started(intervention_handlers=[holding]) as runtime:
        await _assert_over_at(holding.moment, await _listened_to(runtime))


async def test_who_waits_for_a_handler_is_called_soon_where_none_is_active() -> None:
    """A message that is in the queue still has no handler that could tell of its end."""
    called = asyncio.Event()
    SharedRuntimes(FakeRun().scope).when_one_ends(called.set)
    assert not called.is_set()
    async with asyncio.timeout(5):
        await called.wait()
