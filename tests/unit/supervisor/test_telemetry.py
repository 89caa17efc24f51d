"""What OpenTelemetry is told: real providers of the SDK, which keep it in memory."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import re
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import get_current_span

from supervisor import Ladder, Run, Rung, Supervisor
from supervisor._core.run_state import Phase
from supervisor._reports.log import reporter
from supervisor._reports.telemetry.flush import Flush
from supervisor._reports.telemetry.runs import RunTelemetry, unended
from supervisor._supervisor.facade import parts_of
from supervisor._supervisor.stop_telemetry import StopTelemetry
from supervisor.errors import Quarantined
from supervisor.testing import ScriptedAgent
from tests.agents import Agent, Deaf, Streaming, Stubborn, team
from tests.unit.supervisor.fakes import LONG
from tests.unit.supervisor.outages import faulty_store

Point = tuple[Mapping[str, Any], Any]


class Seen:
    """What two providers have been told."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meters = MeterProvider([self._reader])

    @property
    def spans(self) -> list[ReadableSpan]:
        """The supervisor's spans that have ended."""
        scopes = [(span, span.instrumentation_scope) for span in self._finished()]
        return [span for span, scope in scopes if scope and scope.name == "supervisor"]

    def take_names(self) -> list[str]:
        """Return the names of all spans that have ended, without the ids in them; forget these."""
        found = sorted(re.sub(r"[0-9a-f]{8}-[0-9a-f-]+", "_", it.name) for it in self._finished())
        self._spans.clear()
        return found

    def _finished(self) -> Sequence[ReadableSpan]:
        return self._spans.get_finished_spans()

    def above(self, span: ReadableSpan) -> list[str]:
        """Return the names of the spans above one, the nearest first."""
        by_id = {it.context.span_id: it for it in self._finished() if it.context}
        names = list[str]()
        while span.parent is not None:
            span = by_id[span.parent.span_id]
            names.append(span.name)
        return names

    def metrics(self) -> dict[str, list[Point]]:
        """Return the points of each metric: attributes, and the value or the count."""
        data = self._reader.get_metrics_data()
        scopes = [
            it for each in (data.resource_metrics if data else ()) for it in each.scope_metrics
        ]
        return {
            metric.name: [(dict(it.attributes or {}), _value(it)) for it in metric.data.data_points]
            for scope in scopes
            for metric in scope.metrics
        }

    def value(self, name: str, **attributes: str) -> Any:
        """Return the value of a metric, of the only point that has these attributes."""
        wanted = {key.replace("_", "."): value for key, value in attributes.items()}
        [value] = [it for has, it in self.metrics()[name] if wanted.items() <= has.items()]
        return value


def _value(point: Any) -> Any:
    return point.value if hasattr(point, "value") else point.count


def _set(patch: pytest.MonkeyPatch, seen: Seen) -> None:
    # Not for good, as the API would: other tests of this process run without a provider.
    patch.setattr("opentelemetry.trace._TRACER_PROVIDER", seen.tracers)
    patch.setattr("opentelemetry.metrics._internal._METER_PROVIDER", seen.meters)


@pytest.fixture(autouse=True)
def _no_earlier_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the runs of earlier tests out, which were dropped with their loops."""
    monkeypatch.setattr("supervisor._reports.telemetry.runs._runs", {})


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """Give providers that are set meanwhile."""
    seen = Seen()
    _set(monkeypatch, seen)
    yield seen
    seen.tracers.shutdown()
    seen.meters.shutdown()


def _facts(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def _events(span: ReadableSpan) -> list[Any]:
    rungs = [(it.attributes or {}).get("supervisor.rung") for it in span.events]
    return [rung or it.name for it, rung in zip(span.events, rungs, strict=True)]


async def _stopped(deaf: Deaf, run: Run[Any, Any], stop: Callable[[], object]) -> None:
    reader = asyncio.ensure_future(run)
    await deaf.is_working.wait()
    stop()
    await reader


async def _words() -> AsyncGenerator[str, None]:
    yield "one"
    yield "two"


async def test_a_run_has_one_span_and_counts_once(seen: Seen) -> None:
    """A run that ends by itself is one span without a status, and one in each metric of runs."""
    async with Supervisor(signals={}) as sup:
        await sup.stream(team(Agent("ann"), turns=1), "go")
    [span] = seen.spans
    assert span.name == "invoke_agent team"
    assert (span.status.status_code.name, _events(span)) == ("UNSET", [])
    attributes = _facts(span)
    assert attributes.pop("supervisor.run")
    assert attributes == {
        "supervisor.kind": "team",
        "supervisor.outcome": "finished",
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "team",
    }
    for metric in ("supervisor.runs", "supervisor.run.duration"):
        assert seen.value(metric, supervisor_outcome="finished", supervisor_kind="team") == 1
    assert "supervisor.stops" not in seen.metrics()


async def test_an_interrupted_run_does_not_look_successful(seen: Seen) -> None:
    """It has the status ERROR and the type `cancelled`, and events that tell of its stop."""
    deaf = Deaf()
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(deaf, turns=1), "go")
        await _stopped(deaf, run, lambda: run.stop("Enough"))
    [span] = seen.spans
    assert (span.status.status_code.name, _facts(span)["error.type"]) == ("ERROR", "cancelled")
    assert _facts(span)["supervisor.outcome"] == "stopped"
    assert _facts(span)["supervisor.stop.reason"] == "Enough"
    assert _events(span) == ["stop requested", "CANCEL", "settled", "repaired"]
    assert span.events[0].timestamp <= span.events[1].timestamp
    assert seen.value("supervisor.stops", supervisor_stop_scope="run") == 1
    assert seen.value("supervisor.stop.duration", supervisor_rung="CANCEL") == 1


async def test_a_drained_run_has_no_error(seen: Seen) -> None:
    """A run that a stop has ended between two turns leaves its status unset."""
    agent = Agent("ann")
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(agent, turns=5), "go")
        async for _ in run:
            run.drain("Enough")
    [span] = seen.spans
    assert (span.status.status_code.name, _facts(span)["supervisor.outcome"]) == (
        "UNSET",
        "drained",
    )
    assert _events(span) == ["stop requested", "DRAIN", "settled", "repaired"]


async def test_a_stop_of_the_block_counts_once(seen: Seen) -> None:
    """The stop of a supervisor is one stop, however many runs it ends, with its last rung."""
    first, second = Deaf("ann"), Deaf("bob")
    async with Supervisor(signals={}) as sup:
        runs = [sup.stream(team(it, turns=1), "go") for it in (first, second)]
        readers = [asyncio.ensure_future(run) for run in runs]
        await asyncio.gather(first.is_working.wait(), second.is_working.wait())
        assert seen.value("supervisor.runs.active") == 2
        sup.stop("Enough", rung=Rung.CANCEL)
        await asyncio.gather(*readers)
    assert seen.value("supervisor.runs.active") == 0
    assert seen.value("supervisor.runs", supervisor_outcome="stopped") == 2
    assert seen.metrics()["supervisor.stops"] == [
        ({"supervisor.stop.cause": "code", "supervisor.stop.scope": "block"}, 1)
    ]
    assert seen.value("supervisor.stop.duration", supervisor_rung="CANCEL") == 1
    for span in seen.spans:
        assert _events(span) == ["stop requested", "CANCEL", "settled", "repaired"]


async def test_a_stop_of_nested_blocks_is_one(seen: Seen) -> None:
    """The stop of a block and of those inside it is one; that of an inner block alone, too."""
    block = {"supervisor.stop.cause": "code", "supervisor.stop.scope": "block"}
    async with Supervisor(signals={}) as outer, Supervisor(signals={}):
        outer.stop("Enough")
    assert seen.metrics()["supervisor.stops"] == [(block, 1)]
    async with Supervisor(signals={}), Supervisor(signals={}) as inner:
        inner.stop("Enough")
    assert seen.metrics()["supervisor.stops"] == [(block, 2)]


async def _by_time(sup: Supervisor, deaf: Deaf) -> None:
    await sup.stream(team(deaf, turns=1), "go", timeout=0.01)


async def _by_caller(sup: Supervisor, deaf: Deaf) -> None:
    reader = asyncio.ensure_future(sup.stream(team(deaf, turns=1), "go"))
    await deaf.is_working.wait()
    reader.cancel()
    await asyncio.wait([reader])


async def _by_reader(sup: Supervisor, deaf: Deaf) -> None:
    async for _ in sup.stream(team(deaf, turns=1), "go"):
        break


@pytest.mark.parametrize(
    ("stop", "cause"),
    [(_by_time, "timeout"), (_by_caller, "cancelled"), (_by_reader, "reader")],
)
async def test_a_stop_has_its_cause(
    seen: Seen, stop: Callable[[Supervisor, Deaf], Coroutine[Any, Any, None]], cause: str
) -> None:
    """A time limit, a cancelled caller and a loop that is left are causes of their own."""
    async with Supervisor(signals={}) as sup:
        await stop(sup, Deaf())
    assert seen.value("supervisor.stops", supervisor_stop_cause=cause) == 1
    [span] = seen.spans
    assert _facts(span)["supervisor.stop.cause"] == cause
    assert _facts(span)["supervisor.outcome"] == "stopped"


async def test_a_failed_run_has_its_exception(seen: Seen) -> None:
    """A run that raises has the status ERROR, the class of the exception, and the exception."""

    async def fail() -> AsyncGenerator[str, None]:
        yield "one"
        raise LookupError("no")

    async with Supervisor(signals={}) as sup:
        with pytest.raises(LookupError):
            await sup.iterate(fail())
    [span] = seen.spans
    assert (span.name, span.status.description) == ("iterate fail", "LookupError: no")
    assert _facts(span)["error.type"] == "LookupError"
    assert _facts(span)["supervisor.outcome"] == "failed"
    assert "gen_ai.operation.name" not in _facts(span)
    assert [event.name for event in span.events] == ["exception"]
    assert seen.value("supervisor.runs", supervisor_outcome="failed") == 1


async def test_a_refusing_team_is_in_the_gauge_until_it_ends(seen: Seen) -> None:
    """The span of a run that is given up ends at once; the gauge shows it while it is at work."""
    stubborn = Stubborn()
    async with Supervisor(signals={}, ladder=Ladder(cancel=0.05, abandon=0.05)) as sup:
        run = sup.stream(team(stubborn, turns=1), "go")
        reader = asyncio.ensure_future(run)
        await stubborn.is_working.wait()
        run.stop("Enough")
        with pytest.raises(Quarantined):
            await reader
        [span] = seen.spans
        assert span.status.status_code.name == "ERROR"
        assert _facts(span)["supervisor.outcome"] == "quarantined"
        assert _events(span) == ["stop requested", "CANCEL", "ABANDON"]
        assert seen.value("supervisor.runs.quarantined") == 1
        assert seen.value("supervisor.runs.active") == 0
        stubborn.let_go.set()
        while sup.quarantined:  # noqa: ASYNC110 - until the team is free
            await asyncio.sleep(0.01)
    assert seen.value("supervisor.runs.quarantined") == 0
    assert seen.value("supervisor.runs", supervisor_outcome="quarantined") == 1
    assert len(seen.spans) == 1


async def test_a_run_that_has_ended_before_a_stop_is_told_of_as_no_stopped_one(
    seen: Seen, tmp_path: Path
) -> None:
    """Its end is still being written: the stop goes on to the body, and the run has finished."""
    store, faults = faulty_store(tmp_path / "runs.db")
    faults.may_commit.clear()
    ladder = Ladder(drain=0.05, cancel=0.05, abandon=LONG)
    readers: list[asyncio.Future[Any]] = []
    async with Supervisor(checkpoints=store, signals={}, ladder=ladder) as sup:
        run = sup.stream(ScriptedAgent("ann", ["word"]), "go", id="talk")
        readers.append(asyncio.ensure_future(run))
        while run.phase is not Phase.STOPPING:  # noqa: ASYNC110 - it is told to nobody
            await asyncio.sleep(0.001)
        sup.stop("Enough")
        try:
            await asyncio.sleep(LONG)
        finally:
            faults.may_commit.set()
    await readers[0]
    [span] = seen.spans
    assert (_facts(span)["supervisor.outcome"], _events(span)) == ("finished", [])


async def test_a_run_inside_a_run_is_below_it(seen: Seen) -> None:
    """A run that an agent starts is a child of the agent's run, and both of the caller's span."""
    async with Supervisor(signals={}) as sup:

        async def ask(*_: object) -> AsyncGenerator[str, None]:
            await sup.stream(ScriptedAgent("inner", ["word"]), "go")
            yield "answer"

        with seen.tracers.get_tracer("program").start_as_current_span("request"):
            await sup.stream(team(ScriptedAgent("outer", ask), turns=1), "go")
    inner, outer = seen.spans
    assert (inner.name, _facts(inner)["supervisor.kind"]) == ("invoke_agent inner", "agent")
    above = seen.above(inner)
    assert above.index("invoke_agent outer") < above.index("invoke_agent team"), above
    assert above[-1] == "request"
    assert seen.above(outer) == ["request"]


async def test_the_fast_path_leaves_no_span_out(seen: Seen) -> None:
    """With a provider, AutoGen makes the same spans with the fast path and without."""
    names = list[list[str]]()
    for fast_path in (True, False):
        async with Supervisor(signals={}, fast_path=fast_path) as sup:
            await sup.stream(team(Streaming("ann", n=3), turns=1), "go")
        names.append(seen.take_names())
    assert names[0] == names[1]
    assert len(names[0]) > 20


async def test_a_provider_may_come_while_a_block_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that begins after a provider was set is told of, and so is the end of one before."""
    seen, deaf = Seen(), Deaf()
    async with Supervisor(signals={}) as sup:
        before = sup.stream(team(deaf, turns=1), "go")
        reader = asyncio.ensure_future(before)
        await deaf.is_working.wait()
        _set(monkeypatch, seen)
        await sup.stream(ScriptedAgent("ann", ["word"]), "go")
        assert seen.value("supervisor.runs.active") == 1
        before.stop("Enough")
        await reader
    assert [span.name for span in seen.spans] == ["invoke_agent ann"]
    assert seen.value("supervisor.runs", supervisor_outcome="finished") == 1
    assert seen.value("supervisor.runs", supervisor_outcome="stopped") == 1


async def test_what_is_not_sampled_is_counted(monkeypatch: pytest.MonkeyPatch, seen: Seen) -> None:
    """A run whose span is not sampled is current all the same, and counts."""
    seen.tracers = TracerProvider(sampler=ALWAYS_OFF)
    _set(monkeypatch, seen)
    current: list[bool] = []

    async def source() -> AsyncGenerator[str, None]:
        current.append(get_current_span().get_span_context().is_valid)
        yield "one"

    async with Supervisor(signals={}) as sup:
        await sup.iterate(source())
    assert (current, seen.spans) == ([True], [])
    assert seen.value("supervisor.runs", supervisor_kind="source") == 1


async def test_a_stop_of_what_is_not_sampled_is_counted(
    monkeypatch: pytest.MonkeyPatch, seen: Seen
) -> None:
    """It has no span to tell of its stop, and the metrics tell as ever."""
    seen.tracers = TracerProvider(sampler=ALWAYS_OFF)
    _set(monkeypatch, seen)
    deaf = Deaf()
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(deaf, turns=1), "go")
        await _stopped(deaf, run, lambda: run.stop("Enough"))
    assert seen.spans == []
    assert seen.value("supervisor.stops", supervisor_stop_scope="run") == 1
    assert seen.value("supervisor.stop.duration", supervisor_rung="CANCEL") == 1


@pytest.mark.blocks  # for the log's thread
async def test_a_processor_that_raises_stops_nobody(
    seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    """What a span processor raises is logged, and the run has its result."""

    class Broken(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            raise LookupError("no")

    seen.tracers.add_span_processor(Broken())
    async with Supervisor(signals={}) as sup:
        assert await sup.iterate(_words()) == ["one", "two"]
    assert reporter.flush(10)
    [record] = [it for it in caplog.records if it.message == "telemetry failed"]
    assert record.exc_info is not None
    assert record.exc_info[0] is LookupError


async def test_threads_that_nobody_waits_for_are_in_the_gauge(seen: Seen) -> None:
    """A call in a thread whose awaiting task was cancelled counts until it ends."""
    begun, let_go = threading.Event(), threading.Event()

    def call() -> None:
        begun.set()
        let_go.wait(30)

    async with Supervisor(signals={}) as sup:
        await sup.stream(ScriptedAgent("ann", ["word"]), "go")
        waiting = asyncio.ensure_future(asyncio.to_thread(call))
        while not begun.is_set():  # noqa: ASYNC110 - it is another thread's
            await asyncio.sleep(0.001)
        assert seen.value("supervisor.orphan_threads") == 0
        waiting.cancel()
        await asyncio.wait([waiting])
        assert seen.value("supervisor.orphan_threads") == 1
        let_go.set()
        while seen.value("supervisor.orphan_threads"):  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.001)


@pytest.mark.blocks
async def test_the_lag_of_a_blocked_loop_is_measured(seen: Seen) -> None:
    """Code that blocks the loop shows in the histogram, in the block of the main thread."""
    async with Supervisor(signals={"SIGUSR2": "DRAIN"}):
        while "supervisor.loop.lag" not in seen.metrics():  # noqa: ASYNC110 - it is told to nobody
            await asyncio.sleep(0.01)
    assert seen.value("supervisor.loop.lag") >= 1


async def test_a_log_line_of_an_agent_tells_whose_it_is() -> None:
    """In a run alone, structlog's context variables have its number, the team and the agent."""
    found: list[Mapping[str, Any]] = []

    async def note(*_: object) -> AsyncGenerator[str, None]:
        found.append(structlog.contextvars.get_contextvars())
        yield "word"

    async with Supervisor(signals={}) as sup:
        members = [ScriptedAgent(name, note) for name in ("ann", "bob")]
        await sup.stream(team(*members, turns=3), "go")
        await sup.stream(ScriptedAgent("cid", note), "go")
    number = found[0]["run"]
    *turns, last = found
    whose = [("ann", "team"), ("bob", "team"), ("ann", "team")]
    assert turns == [{"run": number, "team": name, "agent": agent} for agent, name in whose]
    assert last == {"run": number + 1, "agent": "cid"}
    assert "run" not in structlog.contextvars.get_contextvars()


async def test_a_forced_end_without_threads_exports_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where no thread can be started the end of the process does not wait for telemetry."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    sup = Supervisor(signals={})
    telemetry = StopTelemetry(parts_of(sup).scope)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        wait = telemetry.begin_forced_end(60.0)
    wait()  # or this would take a minute


@pytest.mark.blocks
async def test_a_flush_without_threads_is_over_at_once(
    monkeypatch: pytest.MonkeyPatch, seen: Seen
) -> None:
    """Where no thread can be started nothing is exported, and nobody waits for it."""
    over: list[str] = []

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        flush = Flush(60.0, lambda: over.append("over"))
    assert flush.wait()
    assert over == ["over"]


@pytest.mark.blocks
async def test_a_run_is_logged_where_the_level_lets_it_through(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its beginning and its end say whose they are; the end says how, and how long it took."""
    caplog.set_level(logging.DEBUG, "supervisor")
    async with Supervisor(signals={}) as sup:
        await sup.stream(ScriptedAgent("ann", ["word"]), "go")
    assert reporter.flush(5)
    began, ended = (it.__dict__ for it in caplog.records if it.getMessage().startswith("run "))
    assert (began["message"], began["agent"]) == ("run began", "ann")
    assert (ended["message"], ended["agent"], ended["outcome"]) == ("run ended", "ann", "finished")
    assert ended["run"] == began["run"]
    assert ended["seconds"] >= 0


def test_a_run_of_which_nobody_tells_the_end_is_forgotten_with_it() -> None:
    """One that is dropped with its loop does not count as at work for ever."""
    run = RunTelemetry("agent", "ann")
    run.begin(contextvars.copy_context())
    assert unended() == [run]
    del run
    assert unended() == []
