"""Contract tests: what the runtime prepares for logs and traces."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from autogen_core import AgentId, SingleThreadedAgentRuntime, _single_threaded_agent_runtime
from autogen_core._telemetry import TraceHelper
from opentelemetry.trace import NoOpTracer, ProxyTracer

from tests.unit.autogen.upstream.parts import source_of, team_after_a_run


def test_tracer_helper_is_a_trace_helper_with_a_tracer() -> None:
    """`_tracer_helper` is a `TraceHelper`; its `tracer` is a proxy of a later one."""
    helper = SingleThreadedAgentRuntime()._tracer_helper
    assert type(helper) is TraceHelper
    assert type(helper.tracer) is ProxyTracer
    assert type(helper.tracer._tracer) is NoOpTracer


def test_trace_block_makes_a_span_and_does_nothing_else() -> None:
    """`trace_block` is the tracer's `start_as_current_span`, and its span is not used."""
    helper: Any = TraceHelper
    assert source_of(helper.trace_block).endswith(")asspan:yieldspan")
    runtime = source_of(SingleThreadedAgentRuntime)
    assert "trace_block(" in runtime
    assert ")as" not in "".join(part[:200] for part in runtime.split("trace_block(")[1:])


def test_try_serialize_is_for_logs_and_attributes_only() -> None:
    """The result of `_try_serialize` goes into log events and a span's attributes only."""
    source = source_of(SingleThreadedAgentRuntime)
    uses = source.count("self._try_serialize(")
    assert uses == source.count("payload=self._try_serialize(") + 1
    assert "serialized_message=self._try_serialize(message)" in source


async def test_create_otel_attributes_makes_the_agents_and_nothing_else() -> None:
    """`_create_otel_attributes` gets sender and recipient by `_get_agent`, for the span alone."""
    source = source_of(SingleThreadedAgentRuntime._create_otel_attributes)
    assert source.count("await") == source.count("awaitself._get_agent(") == 2
    uses = source_of(SingleThreadedAgentRuntime)
    assert uses.count("attributes=awaitself._create_otel_attributes(") == 3
    _, runtime, manager = await team_after_a_run()
    assert await runtime._get_agent(manager.id) is manager
    with pytest.raises(LookupError):
        await runtime._get_agent(AgentId("nobody", "key"))


def test_the_runtime_logs_to_these_two() -> None:
    """The runtime logs to `autogen_core` and `autogen_core.events`."""
    assert _single_threaded_agent_runtime.logger is logging.getLogger("autogen_core")
    assert _single_threaded_agent_runtime.event_logger is logging.getLogger("autogen_core.events")
