"""Telemetry that nothing reads is not prepared; what is read is as AutoGen's own."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
from autogen_core import SingleThreadedAgentRuntime
from autogen_core._telemetry import TraceHelper
from opentelemetry.trace import NonRecordingSpan, NoOpTracer, Tracer, get_current_span, use_span

from supervisor._autogen.upstream import telemetry
from tests.agents import Agent, team
from tests.unit.autogen.streaming import (
    Recorder,
    Streaming,
    counting_calls,
    logged,
    runtime_of,
    stream,
    told,
)


async def test_nothing_is_serialized_without_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a log and a tracer, no message is serialized, and no span is made."""
    group, counts = team(Agent("a"), turns=2), dict[str, int]()
    registry = runtime_of(group)._serialization_registry
    serialize = registry.serialize

    def count(*args: Any, **options: Any) -> bytes:
        counts["serialized"] = counts.get("serialized", 0) + 1
        return serialize(*args, **options)

    monkeypatch.setattr(registry, "serialize", count)
    await stream(group)
    assert not counts
    await stream(group, fast_path=False)
    assert counts["serialized"] > 0


async def _spans(*, fast_path: bool | None) -> list[str]:
    group, recorder = team(Streaming(), turns=1), Recorder()
    runtime_of(group)._tracer_helper.tracer = recorder
    with contextlib.suppress(RuntimeError):
        if fast_path is None:
            await told(group.run_stream(task="go"))
        else:
            await stream(group, fast_path=fast_path)
    return sorted(name.replace(group._team_id, "") for name in recorder.spans)


async def test_a_tracer_gets_each_span() -> None:
    """With a tracer, each span is made that AutoGen makes."""
    bare = await _spans(fast_path=None)
    assert len(bare) > 10
    assert await _spans(fast_path=True) == bare


async def _payloads(*, fast_path: bool | None) -> list[str]:
    group = team(Agent("a"), turns=1)
    with logged("autogen_core.events") as log:
        if fast_path is None:
            await told(group.run_stream(task="go"))
        else:
            await stream(group, fast_path=fast_path)
    return [re.sub(r"[0-9a-f]{8}-[0-9a-f-]+|\d\d:[\d:.]+Z", "_", r.getMessage()) for r in log.kept]


async def test_a_log_of_events_gets_each_message() -> None:
    """With a log of the runtime's events, each message is written out as AutoGen does."""
    bare = await _payloads(fast_path=None)
    assert len(bare) > 5
    assert await _payloads(fast_path=True) == bare


async def test_a_span_that_is_being_recorded_stays_hidden() -> None:
    """A tracer that makes no spans hides the current one from agents, as in AutoGen."""

    class Recording(NonRecordingSpan):
        """A span that is recorded, as one of an SDK."""

    seen = list[list[type]]()
    for fast_path in (False, True):
        agent = Streaming()
        with use_span(Recording(get_current_span().get_span_context())):
            await stream(team(agent, turns=1), fast_path=fast_path)
        seen.append([type(span) for span in agent.spans])
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (TraceHelper, "trace_block"),
        (SingleThreadedAgentRuntime, "_try_serialize"),
        (SingleThreadedAgentRuntime, "_create_otel_attributes"),
    ],
)
async def test_a_wrapper_on_what_is_left_out_is_called(cls: Any, name: str) -> None:
    """A wrapper around a method that is left out is called as often as AutoGen would."""
    with counting_calls(cls, name)(team(Agent())):
        await stream(team(Agent("a"), turns=1))


def test_a_tracer_for_a_later_one_is_asked_each_time() -> None:
    """A proxy of a later tracer records as soon as that tracer is set up."""
    proxy = runtime_of(team(Agent()))._tracer_helper.tracer
    assert telemetry.records_nothing(proxy)
    proxy._real_tracer = Recorder()  # type: ignore[attr-defined]
    assert not telemetry.records_nothing(proxy)
    assert telemetry.records_nothing(NoOpTracer())
    assert not telemetry.records_nothing(_Wrapping(NoOpTracer()))


class _Wrapping(Tracer):
    """A user's own tracer, around one that makes no spans."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self.start_span = tracer.start_span  # type: ignore[method-assign]
        self.start_as_current_span = tracer.start_as_current_span  # type: ignore[method-assign]

    def start_span(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError

    def start_as_current_span(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError
