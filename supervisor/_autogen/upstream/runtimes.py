"""Runtimes: messages on their way, message loops, queues and their counts."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

from autogen_core import AgentId, CancellationToken, SingleThreadedAgentRuntime
from autogen_core._single_threaded_agent_runtime import (
    PublishMessageEnvelope,
    RunContext,
    SendMessageEnvelope,
)


class Delivery(NamedTuple):
    """A message of a runtime, in its queue or about to be handled."""

    runtime: SingleThreadedAgentRuntime
    message: Any
    key: str
    """The key of the agents concerned; that of a team's agents is the team's id."""
    address: str
    """The type of the topic, where it is published; of the recipient, where it is sent."""
    is_sent: bool
    """Whether it is sent to one agent, which answers."""
    token: CancellationToken | None
    """The token that cancels its handling."""
    sender: str = ""
    """The type of the agent that publishes it."""


def delivery(runtime: SingleThreadedAgentRuntime, envelope: Any) -> Delivery:
    """Return the message in an envelope of a runtime."""
    if isinstance(envelope, PublishMessageEnvelope):
        topic, token = envelope.topic_id, envelope.cancellation_token
        by = envelope.sender.type if envelope.sender is not None else ""
        return Delivery(runtime, envelope.message, topic.source, topic.type, False, token, by)  # noqa: FBT003
    if isinstance(envelope, SendMessageEnvelope):
        to, token = envelope.recipient, envelope.cancellation_token
        return Delivery(runtime, envelope.message, to.key, to.type, True, token)  # noqa: FBT003
    answering: AgentId = envelope.sender
    return Delivery(runtime, envelope.message, answering.key, answering.type, False, None)  # noqa: FBT003


_HANDLERS: Final = ("_process_send", "_process_publish", "_process_response")


def delivery_of(coro: Any) -> Delivery | None:
    """Return the message that the task of a handler delivers, by its coroutine.

    Returns:
        None where that is unknown: for a wrapper before its first step.
    """
    while inspect.iscoroutine(coro):  # a wrapper of AutoGen's coroutine waits for it
        if coro.cr_code.co_name in _HANDLERS and coro.cr_frame is not None:
            given = coro.cr_frame.f_locals
            return delivery(given["self"], given["message_envelope"])
        coro = coro.cr_await
    return None


def queued(runtime: SingleThreadedAgentRuntime) -> list[Delivery]:
    """Return the messages in a runtime's queue, the oldest first."""
    return [delivery(runtime, envelope) for envelope in cast(Any, runtime._message_queue)._queue]


class Engine:
    """A team's own runtime, which works for one run: its message loop, its queue, its handlers.

    Args:
        context: AutoGen's context of the message loop.
    """

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._runtime = context._runtime
        # Typed as asyncio's of Python 3.11, which lacks what AutoGen's copy of 3.13's has.
        self._queue: Any = self._runtime._message_queue

    @property
    def id(self) -> int:
        """The `id()` of the runtime."""
        return id(self._runtime)

    def queued(self) -> list[Delivery]:
        """Return the messages in its queue, the oldest first."""
        return queued(self._runtime) if self._runtime._message_queue is self._queue else []

    def close_intake(self) -> None:
        """Let no further message begin: those in the queue are dropped, with exact counts.

        The message loop ends by itself. A handler that still sends gets `QueueShutDown`, as from
        the runtime's own `stop()`.
        """
        self._context._stopped.set()
        self._queue.shutdown(immediate=True)

    def settle_count(self) -> bool:
        """Count handlers off that ended without counting themselves off.

        A handler counts itself off in a `finally` that never runs when it was cancelled before its
        first step, and in code that an exception skips when its sender had given up. With the
        queue shut and no handler left, whatever is unfinished belongs to those.

        Returns:
            False while a handler is still active; then nothing is counted.
        """
        if self._runtime._background_tasks:
            return False
        while self._queue._unfinished_tasks > 0:
            self._queue.task_done()
        return True

    def forget_failure(self) -> None:
        """Drop the cancellation of a handler, kept to be raised by the next message loop."""
        self._runtime._background_exception = None


class SharedRuntime:
    """A runtime that the user gave, and that others use too.

    Args:
        runtime: The runtime.
    """

    def __init__(self, runtime: SingleThreadedAgentRuntime) -> None:
        self._runtime = runtime
        self._raises = not runtime._ignore_unhandled_handler_exceptions

    def ignore_errors(self) -> None:
        """Let no cancelled handler end the runtime, as it would where the runtime raises errors."""
        self._runtime._ignore_unhandled_handler_exceptions = True

    def restore(self) -> None:
        """End `ignore_errors`."""
        if self._raises:
            self._runtime._ignore_unhandled_handler_exceptions = False

    def waits_for(self, is_ours: Callable[[Delivery], bool]) -> bool:
        """Return whether such a message is in the queue, and will be handled."""
        is_running = self._runtime._run_context is not None
        return is_running and any(is_ours(found) for found in queued(self._runtime))

    def withdraw(self, is_ours: Callable[[Delivery], bool]) -> None:
        """Take such messages off the queue, with exact counts."""
        queue: Any = self._runtime._message_queue
        envelopes = list(queue._queue)
        ours = {id(e): e for e in envelopes if is_ours(delivery(self._runtime, e))}
        if not ours:
            return
        queue._queue.clear()
        queue._queue.extend(e for e in envelopes if id(e) not in ours)
        for envelope in ours.values():
            queue.task_done()
            future = getattr(envelope, "future", None)
            if future is not None:
                future.cancel()

    def count_off(self) -> None:
        """Count a handler off that ended without counting itself off."""
        self._runtime._message_queue.task_done()
