"""Telemetry of AutoGen's runtime that nobody reads, which is not prepared.

For each message the runtime makes three spans, writes the message out as JSON three times, and
describes it in a span's attributes, before it asks whether there is a logger or a tracer. That is
most of what a streamed event costs. While a team's own runtime works for a run, it asks first: each
time, for a log or a tracer may be set up meanwhile. Messages, tasks and their order stay the same.

One outcome differs: a message that cannot be written out (its own serializer raises) fails no
delivery.
"""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from autogen_agentchat.teams import BaseGroupChat
from autogen_core import EVENT_LOGGER_NAME, SingleThreadedAgentRuntime
from autogen_core._telemetry import TraceHelper
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    NoOpTracer,
    ProxyTracer,
    get_current_span,
)

from supervisor._autogen.upstream.methods import Method
from supervisor._autogen.upstream.overrides import Overrides

_EVENTS: Final = logging.getLogger(EVENT_LOGGER_NAME)
_NO_SPAN: Final = contextlib.nullcontext(INVALID_SPAN)
_NO_ATTRIBUTES: Final[Mapping[str, str]] = {}

_TRACE_BLOCK: Final = Method(TraceHelper, "trace_block")
_TRY_SERIALIZE: Final = Method(SingleThreadedAgentRuntime, "_try_serialize")
_CREATE_ATTRIBUTES: Final = Method(SingleThreadedAgentRuntime, "_create_otel_attributes")


def records_nothing(tracer: Any) -> bool:
    """Return whether a tracer makes no spans now; a proxy of a later tracer may, later."""
    kind = cast(Any, type(tracer))
    return kind is NoOpTracer or (kind is ProxyTracer and type(tracer._tracer) is NoOpTracer)


class Telemetry:
    """A runtime's spans, texts and attributes, which are left out while nobody reads them.

    Args:
        team: The team that starts its own runtime.
    """

    def __init__(self, team: BaseGroupChat) -> None:
        self._runtime: Any = team._runtime
        self._class: Any = type(self._runtime)
        self._helper: Any = getattr(self._runtime, "_tracer_helper", None)
        self._overrides: list[Overrides] = []

    def open(self) -> None:
        """Ask first from now on, before anything is prepared."""
        if self._class is SingleThreadedAgentRuntime and self._helper.__class__ is TraceHelper:
            runtime, helper = self._overrides = [Overrides(self._runtime), Overrides(self._helper)]
            runtime.put("_try_serialize", self._try_serialize)
            runtime.put("_create_otel_attributes", self._create_attributes)
            helper.put("trace_block", self._trace_block)

    def close(self) -> None:
        """Leave the runtime as it was found."""
        for overrides in self._overrides:
            overrides.take_back()

    def is_untraced(self) -> bool:
        """Return whether the runtime's tracer makes no spans."""
        return records_nothing(self._helper.tracer)

    def _is_unread(self, what: str) -> bool:
        for holds in CONDITIONS[what].values():  # noqa: SIM110 - `all` of a generator costs as much again
            if not holds(self):
                return False
        return True

    def _trace_block(self, *args: Any, **options: Any) -> Any:
        if self._is_unread("trace_block"):
            return _NO_SPAN
        cls = cast(Any, type(self._helper))
        return cls.trace_block(self._helper, *args, **options)

    def _try_serialize(self, message: Any) -> str:
        if self._is_unread("_try_serialize"):
            return ""
        found: str = self._class._try_serialize(self._runtime, message)
        return found

    async def _create_attributes(
        self, sender_agent_id: Any = None, recipient_agent_id: Any = None, **options: Any
    ) -> Mapping[str, str]:
        if not self._is_unread("_create_otel_attributes"):
            create = self._class._create_otel_attributes
            found: Mapping[str, str] = await create(
                self._runtime, sender_agent_id, recipient_agent_id, **options
            )
            return found
        for agent in (sender_agent_id, recipient_agent_id):
            if agent:
                await self._runtime._get_agent(agent)  # which makes it, or raises
        return _NO_ATTRIBUTES


Conditions = Mapping[str, Callable[[Telemetry], bool]]

CONDITIONS: Final[Mapping[str, Conditions]] = {
    "trace_block": {
        "the tracer makes no spans": Telemetry.is_untraced,
        # The tracer that makes none would put one that records nothing in its place.
        "no span is being recorded": lambda _: type(get_current_span()) is NonRecordingSpan,
        "trace_block is AutoGen's own": lambda _: _TRACE_BLOCK.is_plain(),
    },
    "_try_serialize": {
        "nobody logs the runtime's events": lambda _: not _EVENTS.isEnabledFor(logging.INFO),
        "the tracer makes no spans": Telemetry.is_untraced,
        "_try_serialize is AutoGen's own": lambda _: _TRY_SERIALIZE.is_plain(),
    },
    "_create_otel_attributes": {
        "the tracer makes no spans": Telemetry.is_untraced,
        "_create_otel_attributes is AutoGen's own": lambda _: _CREATE_ATTRIBUTES.is_plain(),
    },
}
"""What must hold for each of them to be left out; asked each time."""
