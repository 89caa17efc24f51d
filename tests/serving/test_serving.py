"""A served worker in one loop with its host and client: messages at a stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator

import pytest

pytest.importorskip("grpc", reason="grpc is not installed; pip install 'autogen-supervisor[grpc]'")

from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import AgentId, try_get_known_serializers_for_type
from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntime, GrpcWorkerAgentRuntimeHost

from supervisor import Ladder, Rung, Stopped, Supervisor, UsageError
from supervisor._autogen import log_filter
from supervisor.testing import calls
from tests import agents
from tests.serving.answerer import Gate, Text, echo, until
from tests.serving.parts import cluster, disconnect, free_address, register
from tests.unit.autogen.checks import SHORT, assert_settled

PROMPT = 1.0  # seconds for what comes at once
PATIENCE = 5.0  # seconds for what comes when a rung is over


@pytest.fixture(autouse=True)
def _no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that AutoGen, asyncio and gRPC log no error."""
    yield
    records = [r for r in caplog.get_records("call") if r.levelno >= logging.ERROR]
    complaints = [r.getMessage() for r in records if not r.name.startswith("supervisor")]
    assert not complaints


def _assert_put_back(worker: GrpcWorkerAgentRuntime) -> None:
    ours = {"_process_request", "_process_event", "_raise_on_exception"}
    assert not ours & vars(worker).keys()
    assert not worker._running
    assert not worker._background_tasks
    assert asyncio.get_running_loop().get_task_factory() is None
    assert not log_filter._uses


async def test_it_answers_until_the_stop() -> None:
    """Requests are handled as without us; an idle worker stops at once, and all is as found."""
    async with cluster(echo) as here:
        async with Supervisor(signals={}) as sup:
            serving = asyncio.create_task(sup.serve(here.worker))
            assert await here.ask("hello") == "hello!"
            sup.stop("The shop closes", Rung.DRAIN)
            request = await asyncio.wait_for(serving, PROMPT)
        assert request.reason == "The shop closes"
        _assert_put_back(here.worker)


async def test_it_starts_what_is_not_started() -> None:
    """A worker that is not connected yet is connected; it can be given its agents then."""
    async with cluster(echo) as here:
        worker = GrpcWorkerAgentRuntime(here.address)
        async with Supervisor(signals={}) as sup:
            serving = asyncio.create_task(sup.serve(worker))
            await until(lambda: worker._running)
            await register(worker, echo, "second")
            found = await here.client.send_message(Text("hello"), AgentId("second", "default"))
            assert found == Text("hello!")
            sup.stop("done")
            await serving
        _assert_put_back(worker)
        await disconnect(here.worker)


async def test_drain_finishes_what_is_being_handled() -> None:
    """In DRAIN the sender of a message gets its answer before the worker disconnects."""
    gate = Gate()
    async with cluster(gate) as here, Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.worker))
        asked = asyncio.create_task(here.ask("hello"))
        await gate.begun.wait()
        sup.stop("The shop closes", Rung.DRAIN)
        await until(lambda: sup.rung is Rung.DRAIN)
        gate.may_end.set()
        await serving
        assert await asyncio.wait_for(asked, PROMPT) == "hello!"
        assert sup.rung is Rung.DRAIN
    assert gate.ended == ["finished"]


async def test_drain_sends_all_answers() -> None:
    """A hundred requests that end in the same step are answered, each with a large text."""
    gate = Gate()
    async with cluster(gate) as here, Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.worker))
        asked = [asyncio.create_task(here.ask(f"{n} " * 10_000)) for n in range(100)]
        await gate.begun.wait()
        await until(lambda: len(here.worker._background_tasks) == 100)
        sup.stop("The shop closes", Rung.DRAIN)
        await until(lambda: sup.rung is Rung.DRAIN)
        gate.may_end.set()
        await serving
        answers = await asyncio.wait_for(asyncio.gather(*asked), PATIENCE)
        assert answers == [f"{n} " * 10_000 + "!" for n in range(100)]


async def test_drain_turns_further_messages_away() -> None:
    """A request is answered with an error, an event is dropped; both are logged."""
    gate = Gate()
    async with cluster(gate) as here, Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.worker))
        asked = asyncio.create_task(here.ask("hello"))
        await gate.begun.wait()
        sup.stop("The shop closes", Rung.DRAIN)
        await until(lambda: sup.rung is Rung.DRAIN)
        await here.publish("news")
        with pytest.raises(Exception, match="its recipient's process is stopping"):
            await asyncio.wait_for(here.ask("late"), PROMPT)
        gate.may_end.set()
        await serving
        await asked
    assert gate.ended == ["finished"]


async def test_drain_takes_what_a_handler_waits_for() -> None:
    """DRAIN handles a request from an agent of the same worker, which waits for its answer."""
    gate = Gate()

    async def asks_another(text: str) -> str:
        await gate(text)
        found: Text = await here.worker.send_message(
            Text(text), AgentId("other", "default"), sender=AgentId("answerer", "default")
        )
        return found.content

    async with cluster(asks_another) as here, Supervisor(signals={}) as sup:
        await register(here.worker, echo, "other")
        here.worker._next_request_id = 1000  # the host confuses equal numbers of two senders
        serving = asyncio.create_task(sup.serve(here.worker))
        asked = asyncio.create_task(here.ask("hello"))
        await gate.begun.wait()
        sup.stop("The shop closes", Rung.DRAIN)
        await until(lambda: sup.rung is Rung.DRAIN)
        gate.may_end.set()
        await serving
        assert await asyncio.wait_for(asked, PROMPT) == "hello!"


async def test_drain_ends_in_time() -> None:
    """A handler that goes on and on is cancelled when the seconds of DRAIN are over."""
    gate, ladder = Gate(), Ladder(drain=0.1, cancel=20, abandon=20)
    async with cluster(gate) as here, Supervisor(signals={}, ladder=ladder) as sup:
        serving = asyncio.create_task(sup.serve(here.worker))
        asked = asyncio.create_task(here.ask("hello"))
        await gate.begun.wait()
        sup.stop("The shop closes", Rung.DRAIN)
        await asyncio.wait_for(serving, PATIENCE)
        with pytest.raises(Exception, match="The shop closes"):
            await asyncio.wait_for(asked, PROMPT)
    assert gate.ended == ["cancelled"]


@pytest.mark.parametrize("kind", ["request", "event"])
async def test_cancel_ends_a_handler_at_once(kind: str) -> None:
    """CANCEL ends a handler at once, and its sender gets an error with the reason."""
    gate = Gate()
    async with cluster(gate) as here, Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.worker))
        sends = here.ask if kind == "request" else here.publish
        sent = asyncio.create_task(sends("hello"))
        await gate.begun.wait()
        sup.stop("The shop closes")
        await asyncio.wait_for(serving, PROMPT)
        assert gate.ended == ["cancelled"]
        if kind == "request":
            with pytest.raises(Exception, match="The shop closes"):
                await asyncio.wait_for(sent, PROMPT)
        await asyncio.wait({sent})
        _assert_put_back(here.worker)


async def test_cancel_ends_what_a_handler_has_started() -> None:
    """CANCEL also ends a tool call, which an AssistantAgent runs in a task of its own."""
    tool = agents.Gate()

    async def answers(text: str) -> str:
        assistant = agents.scripted("assistant", [calls("wait"), "done"], tool.wait)
        result = await assistant.run(task=text)
        return str(result.stop_reason)

    async with cluster(answers) as here, Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.worker))
        asked = asyncio.create_task(here.ask("hello"))
        await tool.is_entered.wait()
        sup.stop("The shop closes")
        await asyncio.wait_for(serving, PROMPT)
        assert tool.cancelled == 1
        with pytest.raises(Exception, match="The shop closes"):
            await asked


async def test_cancel_ends_a_team_in_a_handler() -> None:
    """CANCEL settles a team in a handler, with the team's own runtime."""
    agent = agents.Deaf()
    team = RoundRobinGroupChat([RoundRobinGroupChat([agent], name="inner")])

    async def answers(text: str) -> str:
        result = await team.run(task=text)
        return str(result.stop_reason)

    async with cluster(answers) as here, Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.worker))
        asked = asyncio.create_task(here.ask("hello"))
        await agent.is_working.wait()
        sup.stop("The shop closes")
        await asyncio.wait_for(serving, PROMPT)
        assert_settled(team)
        with pytest.raises(Exception, match="The shop closes"):
            await asked


async def test_a_handler_that_refuses_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """If a handler refuses, the runtime stops, `serve` returns, and the log names the agent."""
    may_end, begun = asyncio.Event(), asyncio.Event()

    async def refuses(text: str) -> str:
        begun.set()
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await may_end.wait()
        return text

    async with cluster(refuses) as here:
        async with Supervisor(signals={}, ladder=SHORT) as sup:
            serving = asyncio.create_task(sup.serve(here.worker))
            asked = asyncio.create_task(here.ask("hello"))
            await begun.wait()
            sup.stop("The shop closes")
            await asyncio.wait_for(serving, PATIENCE)
            assert not here.worker._running
        with pytest.raises(Exception, match="its recipient's process is stopping"):
            await asyncio.wait_for(asked, PROMPT)
        may_end.set()
        await until(lambda: asyncio.get_running_loop().get_task_factory() is None)
        _assert_put_back(here.worker)
    await until(lambda: "handlers refused to end" in caplog.messages)
    (record,) = [r for r in caplog.records if r.getMessage() == "handlers refused to end"]
    assert vars(record)["left"] == ["answerer/default"]


async def test_a_cancelled_caller_ends_the_serving_first() -> None:
    """`CancelledError` is raised once the handler has ended and the worker is disconnected."""
    gate = Gate()
    async with cluster(gate) as here, Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.worker))
        asked = asyncio.create_task(here.ask("hello"))
        await gate.begun.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert gate.ended == ["cancelled"]
        assert sup.stop_request is None
        _assert_put_back(here.worker)
        with pytest.raises(Exception, match="Cancelled by the caller"):
            await asked


async def test_the_body_goes_on_behind_it() -> None:
    """The block's own task waits in `serve`, and is not interrupted by the stop."""
    ended = False
    async with cluster(echo) as here, Supervisor(signals={}) as sup:
        asyncio.get_running_loop().call_later(0.01, sup.stop, "The shop closes")
        await sup.serve(here.worker)
        await asyncio.sleep(0)
        ended = True
    assert ended


async def test_after_a_stop_the_worker_is_only_stopped() -> None:
    """`Stopped` is raised, and the worker that was started before is disconnected."""
    async with cluster(echo) as here:
        async with Supervisor(signals={}) as sup:
            sup.stop("The shop closes")
            with pytest.raises(Stopped):
                await sup.serve(here.worker)
        assert not here.worker._running


async def test_a_worker_and_a_team_stop_by_the_same_request() -> None:
    """A worker and a team stop by the same request."""
    agent = agents.Deaf()
    async with cluster(echo) as here, Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.worker))
        run = asyncio.create_task(sup.stream(RoundRobinGroupChat([agent]), "go"))
        await agent.is_working.wait()
        sup.stop("The shop closes")
        assert (await serving).reason == (await run).stop_reason == "The shop closes"


async def test_a_host_that_has_died_is_no_obstacle() -> None:
    """A worker whose host is gone stops as fast as others."""
    async with cluster(echo) as here:
        async with Supervisor(signals={}) as sup:
            serving = asyncio.create_task(sup.serve(here.worker))
            assert await here.ask("hello") == "hello!"
            await here.host.stop(grace=0)
            sup.stop("The shop closes", Rung.DRAIN)
            await asyncio.wait_for(serving, PROMPT)
        _assert_put_back(here.worker)


async def test_a_host_is_served_as_well() -> None:
    """A served host answers a request on its way, refuses others, and disconnects all."""
    gate = Gate()
    async with cluster(gate) as here:
        async with Supervisor(signals={}) as sup:
            serving = asyncio.create_task(sup.serve(here.host))
            asked = asyncio.create_task(here.ask("hello"))
            await gate.begun.wait()
            sup.stop("The shop closes", Rung.DRAIN)
            await until(lambda: sup.rung is Rung.DRAIN)
            await here.publish("news")
            with pytest.raises(Exception, match="its recipient's process is stopping"):
                await asyncio.wait_for(here.ask("late"), PROMPT)
            gate.may_end.set()
            assert await asyncio.wait_for(asked, PROMPT) == "hello!"
            await asyncio.wait_for(serving, PROMPT)
        assert here.host._serve_task is None
        await disconnect(here.worker)
    assert gate.ended == ["finished"]


async def test_a_host_waits_for_no_client_that_has_left() -> None:
    """A host that a client has left answers the others, and stops at once."""
    async with cluster(echo) as here, Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.host))
        other = GrpcWorkerAgentRuntime(here.address)
        await other.start()
        other.add_message_serializer(try_get_known_serializers_for_type(Text))
        asked = AgentId("answerer", "default")
        assert await other.send_message(Text("hello"), asked) == Text("hello!")
        await disconnect(other)
        await until(lambda: len(here.host._servicer._data_connections) == 2)
        assert await here.ask("again") == "again!"
        sup.stop("The shop closes", Rung.DRAIN)
        await asyncio.wait_for(serving, PROMPT)
        await disconnect(here.worker)


@pytest.mark.parametrize("is_stopped", [False, True])
async def test_a_host_is_started_and_stopped_where_it_has_to_be(*, is_stopped: bool) -> None:
    """A host that was not started listens; one that the program has stopped is left alone."""
    host = GrpcWorkerAgentRuntimeHost(free_address())
    async with Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(host))
        await until(lambda: host._serve_task is not None)
        if is_stopped:
            await host.stop(grace=0)
        sup.stop("The shop closes")
        await asyncio.wait_for(serving, PROMPT)
    assert host._serve_task is None


async def test_a_request_that_came_before_is_cancelled_as_well() -> None:
    """CANCEL ends what was being handled as the serving began."""
    gate = Gate()
    async with cluster(gate) as here:
        async with Supervisor(signals={}) as sup:
            asked = asyncio.create_task(here.ask("hello"))
            await gate.begun.wait()
            serving = asyncio.create_task(sup.serve(here.worker))
            await until(lambda: "_process_request" in vars(here.worker))
            sup.stop("The shop closes")
            await asyncio.wait_for(serving, PROMPT)
        assert gate.ended == ["cancelled"]
        _assert_put_back(here.worker)
        with pytest.raises(Exception, match="The shop closes"):
            await asyncio.wait_for(asked, PROMPT)


async def test_a_host_outlives_a_worker_that_leaves_a_request_unanswered() -> None:
    """AutoGen gives the request up; the host is served on, and nothing is logged as an error."""
    gate = Gate()
    async with cluster(gate) as here, Supervisor(signals={}) as sup:
        serving = asyncio.create_task(sup.serve(here.host))
        asked = asyncio.create_task(here.ask("hello"))
        await gate.begun.wait()
        gate.may_end.set()
        here.worker._background_tasks.clear()
        await disconnect(here.worker)
        await until(lambda: len(here.host._servicer._data_connections) == 1)
        other = GrpcWorkerAgentRuntime(here.address)
        await other.start()
        await register(other, echo)
        assert await here.ask("again") == "again!"
        sup.stop("The shop closes")
        await asyncio.wait_for(serving, PROMPT)
        await disconnect(other)
        asked.cancel()


async def test_a_worker_that_the_program_has_stopped_is_left_alone() -> None:
    """The stop finds nothing to be stopped."""
    async with cluster(echo) as here:
        async with Supervisor(signals={}) as sup:
            serving = asyncio.create_task(sup.serve(here.worker))
            assert await here.ask("hello") == "hello!"
            await disconnect(here.worker)
            sup.stop("The shop closes")
            assert (await asyncio.wait_for(serving, PROMPT)).reason == "The shop closes"
        _assert_put_back(here.worker)


async def test_a_cancelled_host_waits_for_no_answer() -> None:
    """A host that is cancelled waits for no answer."""
    gate = Gate()
    async with cluster(gate) as here:
        async with Supervisor(signals={}) as sup:
            serving = asyncio.create_task(sup.serve(here.host))
            asked = asyncio.create_task(here.ask("hello"))
            await gate.begun.wait()
            sup.stop("The shop closes")
            await asyncio.wait_for(serving, PROMPT)
        asked.cancel()
        gate.may_end.set()
        await disconnect(here.worker)


async def test_other_things_cannot_be_served() -> None:
    """Anything else is refused by an error that says what can be served."""
    async with Supervisor(signals={}) as sup:
        with pytest.raises(TypeError, match="pass a GrpcWorkerAgentRuntime"):
            await sup.serve(object())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_outside_the_block_nothing_is_served() -> None:
    """`serve` needs an open block."""
    with pytest.raises(UsageError, match="serve"):
        await Supervisor(signals={}).serve(GrpcWorkerAgentRuntime(free_address()))
