"""Teams on a runtime that the user gave: only the stopped run's work is stopped there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import (
    AgentId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
)
from autogen_core.models import LLMMessage

from supervisor import Rung, Supervisor
from supervisor._autogen import shared_runtimes
from supervisor._autogen.upstream.snapshot import thread
from supervisor.testing import ScriptedModel, Steps, answers_so_far, assert_settled, calls
from supervisor.testing._settled import said
from tests.agents import Deaf, Failing
from tests.unit.autogen.checks import assert_all_put_back, contents
from tests.unit.autogen.stops import REASON, Moment, go_on, speaker, stop_at, stopped
from tests.unit.testing.teams import round_robin

pytestmark = pytest.mark.one_loop


@asynccontextmanager
async def started(**options: Any) -> AsyncGenerator[SingleThreadedAgentRuntime, None]:
    """Start a runtime; check at the end that it becomes idle, with exact counts."""
    runtime = SingleThreadedAgentRuntime(**options)
    runtime.start()
    try:
        yield runtime
    except BaseException:
        await runtime.stop()
        raise
    async with asyncio.timeout(5):
        await runtime.stop_when_idle()
    assert_idle(runtime)


def assert_idle(runtime: SingleThreadedAgentRuntime) -> None:
    """Check that nothing waits, nothing is active, and every count is zero."""
    queue: Any = runtime._message_queue
    assert queue.qsize() == 0
    assert queue._unfinished_tasks == 0
    assert not runtime._background_tasks


def two(runtime: SingleThreadedAgentRuntime, name: str = "ours") -> RoundRobinGroupChat:
    """Make a team of two agents by turns."""
    return round_robin(speaker("ann"), speaker("bob"), name=name, runtime=runtime)


def longer(runtime: SingleThreadedAgentRuntime) -> RoundRobinGroupChat:
    """Make another user's team."""
    members = (speaker("cleo"), speaker("dan"))
    return round_robin(*members, turns=6, name="theirs", runtime=runtime)


EXCEPTIONS = pytest.mark.parametrize("ignores", [True, False], ids=["ignores", "raises"])


@EXCEPTIONS
@pytest.mark.parametrize("rung", [Rung.CANCEL, Rung.DRAIN])
async def test_the_other_team_is_not_disturbed(rung: Rung, ignores: bool) -> None:
    """One of two teams is stopped at each step; the other says all that it has to say."""
    asyncio.get_running_loop().set_debug(False)
    for step in range(1, 300, 3):
        async with started(ignore_unhandled_exceptions=ignores) as runtime:
            ours, theirs = two(runtime), longer(runtime)
            running = asyncio.create_task(theirs.run(task="yours"))
            result = await stop_at(ours, step, rung=rung)
            words = ["yours", "cleo 0", "dan 0", "cleo 1", "dan 1", "cleo 2", "dan 2"]
            assert contents(await running) == words
            assert runtime._ignore_unhandled_handler_exceptions is ignores
        assert_all_put_back()
        if result is None:
            return
    pytest.fail("the run has more than 300 steps")


@EXCEPTIONS
async def test_nothing_of_a_stopped_run_appears_in_the_next(ignores: bool) -> None:
    """At each moment of a stop, the team's next run says what is due, and nothing else."""
    asyncio.get_running_loop().set_debug(False)
    for step in range(1, 300, 2):
        async with started(ignore_unhandled_exceptions=ignores) as runtime:
            ours = two(runtime)
            result = await stop_at(ours, step)
            if result is None:
                return
            before, begun = said(ours), bool(thread(ours))
            following = await go_on(ours, None if begun else "go")
            chat = [m for m in following.messages if isinstance(m, BaseChatMessage)]
            new = [(m.source, m.to_text()) for m in chat if m.source != "user"]
            assert said(ours) == before + new
            assert said(ours)[:2] == [("ann", "ann 0"), ("bob", "bob 0")]
    pytest.fail("the run has more than 300 steps")


async def test_two_supervised_teams() -> None:
    """Of two supervised runs, one is stopped, and the other goes on."""
    async with started() as runtime:
        moment = Moment()
        ours = round_robin(speaker("ann", moment), name="ours", runtime=runtime)
        theirs = longer(runtime)
        async with Supervisor(signals={}) as sup:
            one, other = sup.stream(ours, "go"), sup.stream(theirs, "yours")
            first, second = asyncio.create_task(one), asyncio.create_task(other)
            await moment.is_there.wait()
            one.stop(REASON)
            assert (await first).stop_reason == REASON
            assert len(contents(await second)) == 7
        assert_settled(ours)
        assert_settled(theirs)
        assert contents(await go_on(ours))[0] == "ann 0"
    assert_all_put_back()


async def test_both_of_two_supervised_teams() -> None:
    """A stop of the supervisor stops both runs, and each team goes on."""
    async with started() as runtime:
        moment, other = Moment(), Moment()
        ours = round_robin(speaker("ann", moment), turns=1, name="ours", runtime=runtime)
        theirs = round_robin(speaker("cleo", other), turns=1, name="theirs", runtime=runtime)
        async with Supervisor(signals={}) as sup:
            both = [asyncio.create_task(sup.stream(team, "go")) for team in (ours, theirs)]
            await moment.is_there.wait()
            await other.is_there.wait()
            sup.stop(REASON)
            assert [contents(await each) for each in both] == [["go"], ["go"]]
        assert contents(await go_on(ours)) == ["ann 0"]
        assert contents(await go_on(theirs)) == ["cleo 0"]
    assert_all_put_back()


async def test_plain_use_after_a_stop() -> None:
    """Without a supervisor, the team goes on, is reset and runs, on the same runtime."""
    async with started() as runtime:
        moment = Moment()
        ours = round_robin(speaker("ann"), speaker("bob", moment), name="ours", runtime=runtime)
        await stopped(ours, moment)
        assert contents(await ours.run()) == ["bob 0", "ann 1"]
        await ours.reset()
        assert contents(await ours.run(task="again")) == ["again", "ann 0", "bob 0"]
        await ours.load_state(await ours.save_state())


async def test_an_agent_that_raises() -> None:
    """An agent's error is its own run's; the runtime works on, and the team goes on."""

    class Once(Failing):
        fails = True

        async def work(self, token: Any) -> None:
            if self.fails:
                await super().work(token)

    async with started() as runtime:
        once = Once("once")
        ours = round_robin(once, speaker("bob"), name="ours", runtime=runtime)
        running = asyncio.create_task(longer(runtime).run(task="yours"))
        async with Supervisor(signals={}) as sup:
            with pytest.raises(RuntimeError, match="the agent's own"):
                await sup.stream(ours, "go")
        once.fails = False
        assert_settled(ours)
        assert contents(await go_on(ours)) == ["done", "bob 0"]
        assert len(contents(await running)) == 7
    assert_all_put_back()


# -- one within another -------------------------------------------------------------------------


async def test_nested_teams_on_the_same_runtime() -> None:
    """An inner team on the outer one's runtime resumes, at each step of a stop."""
    asyncio.get_running_loop().set_debug(False)
    for step in range(1, 400, 5):
        async with started() as runtime:
            inner = round_robin(speaker("ann"), speaker("bob"), name="inner", runtime=runtime)
            outer = round_robin(inner, speaker("cleo"), name="outer", runtime=runtime)
            if await stop_at(outer, step) is None:
                return
            await go_on(outer, None if thread(outer) else "go")
            assert [text for _, text in said(outer)][:3] == ["ann 0", "bob 0", "cleo 0"]
    pytest.fail("the run has more than 400 steps")


async def test_an_inner_team_on_a_runtime_of_the_user_s() -> None:
    """An outer team on its own runtime and an inner one on the user's are both settled."""
    async with started() as runtime:
        moment = Moment()
        inner = round_robin(speaker("ann"), speaker("bob", moment), name="inner", runtime=runtime)
        outer = round_robin(inner, speaker("cleo"), name="outer")
        await stopped(outer, moment)
        assert contents(await go_on(outer)) == ["bob 0", "cleo 0"]
    assert_all_put_back()


# -- runtimes that others have started ----------------------------------------------------------


@dataclass
class Ping:
    """A message of a user's own."""


class _Answering(RoutedAgent):
    """An agent of the user's on the same runtime."""

    def __init__(self) -> None:
        super().__init__("It answers.")
        self.moment = Moment()
        self.done = 0

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> None:
        """Wait, and count."""
        await self.moment.wait()
        self.done += 1


async def _register(runtime: SingleThreadedAgentRuntime) -> _Answering:
    await _Answering.register(runtime, "answering", _Answering)
    await runtime.add_subscription(TypeSubscription("pings", "answering"))
    return await runtime.try_get_underlying_agent_instance(
        AgentId("answering", "theirs"), _Answering
    )


async def test_an_agent_of_the_user_s_on_the_same_runtime() -> None:
    """What a user's own agents do on the runtime is no part of the run."""
    async with started() as runtime:
        answering, moment = await _register(runtime), Moment()
        ours = round_robin(speaker("ann", moment), name="ours", runtime=runtime)
        await runtime.publish_message(Ping(), TopicId("pings", "theirs"))
        await stopped(ours, moment)
        await answering.moment.is_there.wait()
        answering.moment.let_go.set()
        await runtime.publish_message(Ping(), TopicId("pings", "theirs"))
    assert answering.done == 2


async def test_a_runtime_that_was_started_in_a_tool_of_a_run() -> None:
    """A runtime that a tool has started works on when that run is stopped."""
    runtime, moment = SingleThreadedAgentRuntime(), Moment()

    async def start() -> str:
        """Start a runtime."""
        runtime.start()
        return "started"

    async def reply(messages: Sequence[LLMMessage]) -> Any:
        if answers_so_far(messages) == 0:
            return calls("start")
        await moment.wait()
        return "done"

    ann = AssistantAgent("ann", ScriptedModel(reply), tools=[start], reflect_on_tool_use=True)
    await stopped(round_robin(ann, turns=1), moment)
    assert contents(await longer(runtime).run(task="yours"))[-1] == "dan 2"
    await runtime.stop_when_idle()
    assert_idle(runtime)
    assert_all_put_back()


async def test_a_team_on_a_runtime_that_was_started_in_another_run_that_is_stopped() -> None:
    """A run on a runtime that a stopped run had started is not stopped with it."""
    runtime, first, second = SingleThreadedAgentRuntime(), Moment(), Moment()

    async def start() -> str:
        """Start a runtime."""
        runtime.start()
        await first.wait()
        return "started"

    ann = AssistantAgent("ann", ScriptedModel([calls("start"), "done"]), tools=[start])
    one = round_robin(ann, turns=1, name="one")
    other = round_robin(speaker("bob", second), turns=1, name="other", runtime=runtime)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(one, "go")
        starting = asyncio.create_task(run)
        await first.is_there.wait()
        working = asyncio.create_task(sup.stream(other, "yours"))
        await second.is_there.wait()
        run.stop(REASON)
        assert (await starting).stop_reason == REASON
        second.let_go.set()
        assert contents(await working) == ["yours", "bob 0"]
    await runtime.stop_when_idle()
    assert_idle(runtime)
    assert_all_put_back()


# -- what is known of the runs ------------------------------------------------------------------


async def test_nothing_is_known_of_a_run_that_is_over() -> None:
    """A run that is over leaves neither its token nor its teams behind."""
    async with started() as runtime:
        ours = two(runtime)
        await go_on(ours, "go")
        await stop_at(ours, 5, task="again")
    assert not shared_runtimes._by_token
    assert not shared_runtimes._by_team


async def test_handlers_of_a_shared_runtime_belong_to_their_run() -> None:
    """The steps of handlers on a user's runtime count as the run's; those of others do not."""
    async with started() as runtime:
        ours, theirs = two(runtime), longer(runtime)
        alone = Steps()
        async with Supervisor(signals={}) as sup:
            with alone:
                await sup.stream(ours, "go")
        together = Steps()
        running = asyncio.create_task(theirs.run(task="yours"))
        async with Supervisor(signals={}) as sup:
            with together:
                await sup.stream(two(runtime, "others"), "go")
        await running
    assert together.taken >= alone.taken > 10
    assert together.taken < 2 * alone.taken


@EXCEPTIONS
async def test_an_agent_that_ignores_its_token(ignores: bool) -> None:
    """An agent that never looks at its token is cancelled, and counted off."""
    async with started(ignore_unhandled_exceptions=ignores) as runtime:
        deaf = Deaf()
        ours = round_robin(deaf, name="ours", runtime=runtime)
        async with Supervisor(signals={}) as sup:
            running = asyncio.create_task(sup.stream(ours, "go"))
            await deaf.is_working.wait()
            sup.stop(REASON)
            assert contents(await running) == ["go"]
        assert_settled(ours)
        deaf.seconds = 0
        assert contents(await go_on(ours)) == ["done", "done"]
