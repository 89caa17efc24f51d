"""The events of a run, and the last one, which tells how it has ended."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from autogen_core import CancellationToken

from supervisor import Ladder, Run, Rung, SettingsError, StopRequest, Supervisor
from supervisor._supervisor.facade import parts_of
from supervisor.integrations.streams import StreamEvent, sse, stream_events
from supervisor.testing import ScriptedAgent, assert_settled, calls
from supervisor.types import Phase
from tests.agents import Agent, Deaf, Failing, Gate, Stubborn, scripted, team
from tests.unit.integrations.sse_text import received

Problems = list[dict[str, Any]]


def _problems() -> Problems:
    """Return a list that gets what the loop's exception handler is given."""
    found: Problems = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    return found


async def _all(run: Run[Any, Any], **settings: Any) -> list[StreamEvent]:
    return [event async for event in stream_events(run, **settings)]


async def _until_done(run: Run[Any, Any]) -> None:
    while run.phase is not Phase.DONE:  # noqa: ASYNC110 - it was given up, and tells nobody
        await asyncio.sleep(0)


def _facts(event: StreamEvent) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(event.data)
    return found


async def test_a_run_that_ends_by_itself_is_finished() -> None:
    """Each event has its number, and the last has the reason, the messages and the tokens."""
    events: list[StreamEvent] = []
    async with Supervisor(signals={}) as sup:
        events = await _all(sup.stream(team(Agent(chunks=2), turns=2), "go"))
    assert [event.event for event in events] == [
        "message",
        *["chunk", "chunk", "message"] * 2,
        "finished",
    ]
    assert [event.id for event in events] == [str(number) for number in range(1, 9)]
    last = _facts(events[-1])
    assert last.items() >= {"type": "result", "status": "finished", "messages": 3}.items()
    assert "Maximum number of messages" in last["stop_reason"]
    assert (last["rung"], last["resumable"], last["retry_after"]) == (None, False, None)
    assert events[-1].retry is None


async def test_a_run_that_was_stopped_alone_can_go_on() -> None:
    """A Stop button ends one run: `stopped`, with its reason, and without a time to come back."""
    events: list[StreamEvent] = []
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(Agent(chunks=1), Deaf()), "go")
        async for event in stream_events(run):
            events.append(event)
            if event.event == "chunk":
                run.stop("The user pressed Stop")
    last = _facts(events[-1])
    assert events[-1].event == last["status"] == "stopped"
    assert (last["stop_reason"], last["rung"]) == ("The user pressed Stop", "CANCEL")
    assert last["resumable"]
    assert events[-1].retry is None


async def test_a_signal_is_named() -> None:
    """A stop of the whole program has the signal, and a browser comes back after the grace."""
    events: list[StreamEvent] = []
    async with Supervisor(signals={}, ladder=Ladder(total=6)) as sup:
        run = sup.stream(team(Agent(chunks=1), Deaf()), "go")
        stream = stream_events(run)
        await anext(stream)
        term = StopRequest(reason="Stopped by SIGTERM", rung=Rung.CANCEL, signal=signal.SIGTERM)
        parts_of(sup).scope.follow(term, Rung.CANCEL)
        events = [event async for event in stream]
    last = _facts(events[-1])
    assert (last["status"], last["signal"]) == ("stopped", "SIGTERM")
    assert (last["retry_after"], events[-1].retry) == (6.0, 6000)


async def test_what_a_stop_has_withheld_comes_before_the_end() -> None:
    """The messages of the stream are those of the result, also where it was not read in time."""
    events: list[StreamEvent] = []
    ids: list[str] = []
    async with Supervisor(signals={}) as sup:
        deaf = Gate()
        members = Agent("first"), Agent("second"), scripted("third", [calls("wait")], deaf.wait)
        run = sup.stream(team(*members, turns=9), "go")
        stream = stream_events(run)
        events = [await anext(stream)]
        await deaf.is_entered.wait()
        sup.stop("Enough")
        events += [event async for event in stream]
        assert run.result is not None
        ids = [message.id for message in run.result.messages]
    assert [_facts(event)["id"] for event in events[:-1]] == ids
    assert len(ids) == 5  # the tool call and its result stand there too


class _Begun(Deaf):
    """Tells that its turn has begun."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(name, seconds)
        self.begun = asyncio.Event()

    async def work(self, token: CancellationToken) -> None:
        """Wait."""
        self.begun.set()
        await super().work(token)


async def _until_stopped(sup: Supervisor, seconds: float) -> list[StreamEvent]:
    """Stop a run that is kept in its third turn, unless that ends before."""
    last = _Begun("c", seconds)
    run = sup.stream(team(Agent("a"), Agent("b"), last, turns=3), "go", id="one")
    events = asyncio.create_task(_all(run))
    await last.begun.wait()
    if seconds:
        run.stop("Enough")
    return await events


async def test_what_earlier_processes_have_said_is_not_said_again(tmp_path: Path) -> None:
    """A run that goes on has it in its result, whether it is stopped again or comes to its end."""
    found: list[list[str]] = []
    async with Supervisor(signals={}, checkpoints=f"sqlite:///{tmp_path}/runs.db") as sup:
        for seconds in (60.0, 60.0, 0.0):
            events = await _until_stopped(sup, seconds)
            found.append([_facts(event).get("source", event.event) for event in events])
    assert found == [["user", "a", "b", "stopped"], ["stopped"], ["c", "finished"]]


async def test_a_failure_keeps_its_text_to_itself() -> None:
    """A client learns that the run has failed; the loop's handler, so the log, learns of what."""
    problems = _problems()
    events: list[StreamEvent] = []
    async with Supervisor(signals={}) as sup:
        events = await _all(sup.stream(team(Failing(error=ValueError("a secret"))), "go"))
    last = _facts(events[-1])
    assert events[-1].event == last["status"] == "failed"
    assert last["error"]["type"] == "ValueError"
    assert "a secret" not in events[-1].data
    assert not last["resumable"]
    (problem,) = problems
    assert "a secret" in str(problem["exception"])


async def test_a_failure_has_its_text_where_that_was_asked_for() -> None:
    """`show_errors=True` is for those who may see it."""
    problems = _problems()
    events: list[StreamEvent] = []
    async with Supervisor(signals={}) as sup:
        run = sup.stream(Failing(error=ValueError("a secret")), "go")
        events = await _all(run, show_errors=True)
    assert _facts(events[-1])["error"] == {"type": "ValueError", "message": "a secret"}
    assert problems


async def test_a_team_that_refuses_to_stop_is_abandoned() -> None:
    """It ends as `stopped` and cannot go on; its report was made elsewhere."""
    problems = _problems()
    agent = Stubborn()
    events: list[StreamEvent] = []
    async with Supervisor(signals={}, ladder=Ladder(drain=0, cancel=0.02, abandon=0.02)) as sup:
        run = sup.stream(team(agent), "go")
        stream = stream_events(run)
        await anext(stream)
        run.stop("Enough")
        events = [event async for event in stream]
        agent.let_go.set()
        await _until_done(run)
    last = _facts(events[-1])
    assert (events[-1].event, last["status"], last["resumable"]) == ("stopped", "abandoned", False)
    assert last["error"]["type"] == "Quarantined"
    assert not problems


async def test_a_run_that_was_refused_is_stopped() -> None:
    """A run that would start after the stop has one event, which says why."""
    events: list[StreamEvent] = []
    async with Supervisor(signals={}) as sup:
        sup.stop("The server restarts", Rung.DRAIN)
        events = await _all(sup.stream(team(Agent()), "go"))
    (event,) = events
    assert event.event == "stopped"
    assert _facts(event)["stop_reason"] == "The server restarts"
    assert event.retry == 8000


async def test_a_run_that_is_cancelled_from_within_is_stopped() -> None:
    """A tool that raises `CancelledError` ends its run, and not its reader."""

    async def give_up(_heard: object, _token: object) -> str:
        raise asyncio.CancelledError

    events: list[StreamEvent] = []
    async with Supervisor(signals={}) as sup:
        events = await _all(sup.stream(ScriptedAgent("a", give_up), "go"))
    assert events[-1].event == "stopped"


async def test_any_iterator_can_be_streamed() -> None:
    """What `iterate` returns has its items as events, and `finished` or `stopped` at its end."""

    async def numbers() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    events: list[StreamEvent] = []
    async with Supervisor(signals={}) as sup:
        events = await _all(sup.iterate(numbers()))
    assert [_facts(event).get("content") for event in events] == [0, 1, 2, None]
    assert events[-1].event == "finished"


async def test_a_reader_that_leaves_stops_the_run() -> None:
    """A generator that is closed early has settled the run before `aclose()` returns."""
    group = team(Agent(chunks=1), Deaf())
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        stream = stream_events(run)
        await anext(stream)
        await stream.aclose()
        assert run.phase is Phase.DONE
        assert_settled(group)


async def test_comments_keep_a_silent_connection_alive() -> None:
    """While no event comes, comments do; the run goes on, and no event is lost."""
    gate = Gate()
    asks = scripted("asks", [calls("wait"), "Done."], gate.wait)
    async with Supervisor(signals={}) as sup:
        body: list[bytes] = []
        async for part in sse(sup.stream(asks, "go"), keep_alive=0.001):
            body.append(part)
            if body[-2:] == [b": keep-alive\n\n"] * 2:
                gate.let_go.set()
    events = received(b"".join(body))
    assert [event.event for event in events][-1] == "finished"
    assert [event.id for event in events] == [str(n + 1) for n in range(len(events))]


@pytest.mark.parametrize("how", ["close", "cancel", "scope"])
async def test_a_client_that_leaves_stops_the_run(how: str) -> None:
    """However a web framework ends its response, the run is settled, and nothing is logged."""
    problems = _problems()
    group = team(Agent(chunks=1), Deaf())
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        body = sse(run)
        begun = asyncio.Event()

        async def respond() -> None:
            async for part in body:
                if b"chunk" in part:
                    begun.set()

        if how == "close":
            await anext(body)
            await body.aclose()
        elif how == "cancel":
            task = asyncio.create_task(respond())
            await begun.wait()
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled()
        else:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(respond)
                await begun.wait()
                tasks.cancel_scope.cancel()
        assert run.phase is Phase.DONE
        assert_settled(group)
    assert not problems


async def test_a_run_can_be_streamed_once() -> None:
    """A second stream of the same run says that it has failed, and why stands in the log."""
    problems = _problems()
    events: list[StreamEvent] = []
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(Agent(), Deaf()), "go")
        first = stream_events(run)
        await anext(first)
        events = await _all(run, show_errors=True)
        await first.aclose()
    (event,) = events
    assert event.event == "failed"
    assert "has a reader already" in _facts(event)["error"]["message"]
    assert len(problems) == 1


async def test_a_response_that_never_began_leaves_no_warning() -> None:
    """A framework that drops the body of a response unread has not forgotten a run."""
    async with Supervisor(signals={}) as sup:
        for stream in (sse, stream_events):
            run = sup.stream(team(Agent()), "go")
            body = stream(run)
            del body
            assert run.stop_request is not None
            del run
            gc.collect()  # a run that nobody has awaited would warn, which fails a test


@pytest.mark.parametrize("seconds", [-1, "15", None, math.nan])
def test_a_pause_that_is_none_is_refused_at_once(seconds: Any) -> None:
    """A `keep_alive` that is no number of seconds is an error at the call."""
    with pytest.raises(SettingsError, match="keep_alive"):
        sse(cast("Any", None), keep_alive=seconds)


@pytest.mark.parametrize("helper", [sse, stream_events])
def test_what_is_no_run_is_refused_at_once(helper: Any) -> None:
    """A team in place of a run is one error that says what to give."""
    with pytest.raises(TypeError, match="is no run; give what Supervisor"):
        helper(ScriptedAgent("writer", ["word"]))
