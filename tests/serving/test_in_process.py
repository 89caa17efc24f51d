"""A served `SingleThreadedAgentRuntime`: the same stop, without a network."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import pytest
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import AgentId, SingleThreadedAgentRuntime, TopicId, TypeSubscription

from supervisor import Rung, Supervisor
from supervisor._autogen import log_filter
from tests import agents
from tests.serving.answerer import Answerer, Gate, Text, Work, until
from tests.unit.autogen.checks import SHORT, contents
from tests.unit.autogen.stops import Moment, speaker

PROMPT = 1.0  # seconds for what comes at once


@dataclass
class Place:
    """A runtime with one agent."""

    runtime: SingleThreadedAgentRuntime

    def ask(self, text: str) -> asyncio.Task[Text]:
        """Ask the agent."""
        asking = self.runtime.send_message(Text(text), AgentId("answerer", "default"))
        return asyncio.ensure_future(asking)

    async def publish(self, text: str) -> None:
        """Publish an event to the agent."""
        await self.runtime.publish_message(Text(text), TopicId("news", "default"))


async def place(work: Work, *, ignores: bool = True) -> Place:
    """Return a runtime with one agent."""
    runtime = SingleThreadedAgentRuntime(ignore_unhandled_exceptions=ignores)
    await Answerer.register(runtime, "answerer", lambda: Answerer(work))
    await runtime.add_subscription(TypeSubscription("news", "answerer"))
    return Place(runtime)


def _assert_put_back(runtime: SingleThreadedAgentRuntime) -> None:
    assert not {"_process_send", "_process_publish"} & vars(runtime).keys()
    assert runtime._run_context is None
    assert not runtime._background_tasks
    assert runtime.unprocessed_messages_count == 0
    assert asyncio.get_running_loop().get_task_factory() is None
    assert not log_filter._uses


@pytest.mark.parametrize("is_started", [True, False])
async def test_drain_finishes_what_is_at_work(is_started: bool) -> None:
    """DRAIN finishes the message, handles no further one, and stops the runtime."""
    gate = Gate()
    here = await place(gate)
    if is_started:
        here.runtime.start()
    async with Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.runtime))
        asked = here.ask("hello")
        await gate.begun.wait()
        sup.stop("The shop closes", Rung.DRAIN)
        await until(lambda: sup.rung is Rung.DRAIN)
        await here.publish("news")
        gate.may_end.set()
        assert await asyncio.wait_for(asked, PROMPT) == Text("hello!")
        await asyncio.wait_for(serving, PROMPT)
    assert gate.ended == ["finished"]
    _assert_put_back(here.runtime)


@pytest.mark.parametrize("ignores", [True, False])
@pytest.mark.parametrize("kind", ["sent", "published"])
async def test_cancel_ends_a_handler_at_once(kind: str, ignores: bool) -> None:
    """CANCEL ends a handler at once, even on a runtime that raises a handler's exceptions."""
    gate = Gate()
    here = await place(gate, ignores=ignores)
    async with Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.runtime))
        await asyncio.sleep(0)
        asked = here.ask("hello") if kind == "sent" else asyncio.create_task(here.publish("news"))
        await gate.begun.wait()
        sup.stop("The shop closes")
        await asyncio.wait_for(serving, PROMPT)
        await asyncio.wait({asked})
    assert gate.ended == ["cancelled"]
    _assert_put_back(here.runtime)


async def test_a_team_on_a_served_runtime_has_a_run_of_its_own() -> None:
    """One request stops the team's run, with its result, and the serving."""
    here = await place(Gate())
    agent = agents.Deaf()
    team = RoundRobinGroupChat([agent], runtime=here.runtime)
    async with Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.runtime))
        run = asyncio.create_task(sup.stream(team, "go"))
        await agent.is_working.wait()
        sup.stop("The shop closes")
        assert (await asyncio.wait_for(run, PROMPT)).stop_reason == "The shop closes"
        await asyncio.wait_for(serving, PROMPT)
    _assert_put_back(here.runtime)


async def test_teams_in_handlers_are_made_consistent() -> None:
    """Each team that a handler has run goes on after the stop with who was interrupted."""
    moments = {"one": Moment(), "two": Moment()}
    teams = {
        name: RoundRobinGroupChat([speaker("ann"), speaker("bob", moment)], name=name, max_turns=2)
        for name, moment in moments.items()
    }

    async def asks(name: str) -> str:
        return str((await teams[name].run(task="go")).stop_reason)

    here = await place(asks)
    async with Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.runtime))
        await asyncio.sleep(0)
        asked = {here.ask(name) for name in teams}
        for moment in moments.values():
            await moment.is_there.wait()
        sup.stop("The shop closes")
        await asyncio.wait_for(serving, PROMPT)
        await asyncio.wait(asked)
    for team in teams.values():
        assert contents(await team.run()) == ["bob 0", "ann 1"]
    _assert_put_back(here.runtime)


async def test_a_handler_that_refuses_is_given_up() -> None:
    """`serve` returns; if the handler ends later, all counts are right."""
    may_end, begun = asyncio.Event(), asyncio.Event()

    async def refuses(text: str) -> str:
        begun.set()
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                continue
        return text

    here = await place(refuses)
    async with Supervisor(signals={}, ladder=SHORT) as sup:
        serving = asyncio.create_task(sup.serve(here.runtime))
        await asyncio.sleep(0)
        await here.publish("news")
        await begun.wait()
        sup.stop("The shop closes")
        await serving
    may_end.set()
    await until(lambda: asyncio.get_running_loop().get_task_factory() is None)
    assert not here.runtime._background_tasks


async def test_a_message_that_came_before_is_waited_for() -> None:
    """What is being handled as the serving begins is finished in DRAIN, too."""
    gate = Gate()
    here = await place(gate)
    here.runtime.start()
    asked = here.ask("hello")
    await gate.begun.wait()
    async with Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.runtime))
        await until(lambda: "_process_send" in vars(here.runtime))
        sup.stop("The shop closes", Rung.DRAIN)
        await until(lambda: sup.rung is Rung.DRAIN)
        assert not serving.done()
        gate.may_end.set()
        assert await asyncio.wait_for(asked, PROMPT) == Text("hello!")
        await asyncio.wait_for(serving, PROMPT)
    _assert_put_back(here.runtime)


async def test_what_a_cancelled_handler_sends_is_cancelled() -> None:
    """A message that a handler sends as it is cancelled is cancelled where it first waits."""
    gate = Gate()

    async def asks(text: str) -> str:
        try:
            return await gate(text)
        finally:
            if text == "hello":
                await here.ask("late")

    here = await place(asks)
    async with Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.runtime))
        await asyncio.sleep(0)
        asked = here.ask("hello")
        await gate.begun.wait()
        sup.stop("The shop closes")
        await asyncio.wait_for(serving, PROMPT)
        await asyncio.wait({asked})
    assert gate.ended == ["cancelled", "cancelled"]
    _assert_put_back(here.runtime)


async def test_a_handler_that_is_cancelled_by_itself_stops_nothing() -> None:
    """Without a stop its sender learns of the cancellation, and the runtime is served on."""

    async def gives_up(text: str) -> str:
        if text == "hello":
            raise asyncio.CancelledError
        return text

    here = await place(gives_up)
    async with Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.runtime))
        await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await here.ask("hello")
        assert await here.ask("again") == Text("again")
        sup.stop("The shop closes")
        await asyncio.wait_for(serving, PROMPT)
    _assert_put_back(here.runtime)


async def test_a_runtime_that_the_program_has_stopped_is_left_alone() -> None:
    """The stop finds nothing to be stopped."""
    here = await place(Gate())
    async with Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.runtime))
        await until(lambda: "_process_send" in vars(here.runtime))
        await here.runtime.stop()
        sup.stop("The shop closes")
        assert (await asyncio.wait_for(serving, PROMPT)).reason == "The shop closes"
    _assert_put_back(here.runtime)


class _NeverIdle(SingleThreadedAgentRuntime):
    """A runtime whose end fails, or refuses to be cancelled until it is let go."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error = error
        self.let_go = asyncio.Event()

    async def stop_when_idle(self) -> None:
        """Raise, or refuse."""
        if self.error is not None:
            raise self.error
        while not self.let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.let_go.wait()


@pytest.mark.parametrize(
    ("error", "said"),
    [(OSError("no more"), "not stopped in order"), (None, "the runtime refused to stop")],
)
async def test_a_runtime_that_does_not_end_is_told_of(
    error: Exception | None, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """`serve` returns the request all the same, and the log says what the runtime did."""
    runtime, others = _NeverIdle(error), asyncio.all_tasks()
    async with Supervisor(signals={}, ladder=SHORT) as sup:
        serving = asyncio.create_task(sup.serve(runtime))
        await until(lambda: "_process_send" in vars(runtime))
        sup.stop("The shop closes")
        assert (await serving).reason == "The shop closes"
    runtime.let_go.set()
    await until(lambda: said in caplog.text and asyncio.all_tasks() == others)
