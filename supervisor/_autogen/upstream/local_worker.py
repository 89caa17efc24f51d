"""A runtime in this process that is served: how it is started, fed and stopped."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from autogen_core import SingleThreadedAgentRuntime

from supervisor._autogen.upstream.runtimes import Delivery, SharedRuntime, delivery, delivery_of
from supervisor._autogen.upstream.served import Intake, Watch
from supervisor._core.tasks import AnyTask


class LocalWorker:
    """A `SingleThreadedAgentRuntime`.

    In DRAIN a published message is turned away. One that is sent to an agent is still taken, for a
    handler may wait for its answer. The messages of a team that runs on this runtime belong to that
    run, which handles their end itself.

    Args:
        runtime: The runtime.
        is_of_a_run: Returns whether a message belongs to a run of a team.
    """

    def __init__(
        self, runtime: SingleThreadedAgentRuntime, is_of_a_run: Callable[[Delivery], bool]
    ) -> None:
        self._runtime = runtime
        self._is_of_a_run = is_of_a_run
        self._shared = SharedRuntime(runtime)
        self._watch: Watch | None = None

    async def start(self) -> None:
        """Start the message loop, unless it is started."""
        if self._runtime._run_context is None:
            self._runtime.start()

    def watch(self, watch: Watch) -> list[AnyTask]:
        """See `Served`."""
        runtime, intake = self._runtime, Intake(self._runtime, watch)
        self._watch, self._intake = watch, intake

        # No coroutine functions: of a run's message the task must get AutoGen's own coroutine,
        # by which the run finds it.
        def send(envelope: Any) -> Coroutine[Any, Any, None]:
            if self._is_of_a_run(delivery(runtime, envelope)):
                return own_send(envelope)
            what = f"{envelope.recipient.type}/{envelope.recipient.key}"
            return intake.take(what, lambda: own_send(envelope))

        def publish(envelope: Any) -> Coroutine[Any, Any, None]:
            if self._is_of_a_run(delivery(runtime, envelope)):
                return own_publish(envelope)
            what = f"{envelope.topic_id.type}/{envelope.topic_id.source}"
            return intake.take(what, lambda: own_publish(envelope), self._count_off)

        own_send = intake.replace("_process_send", send)
        own_publish = intake.replace("_process_publish", publish)
        return [task for task in runtime._background_tasks if not self._is_a_runs(task)]

    async def _count_off(self) -> None:
        self._runtime._message_queue.task_done()

    def _is_a_runs(self, task: AnyTask) -> bool:
        found = delivery_of(task.get_coro())
        return found is not None and self._is_of_a_run(found)

    def release(self) -> None:
        """See `Served`."""
        self._intake.put_back()

    async def stop(self) -> None:
        """End the message loop."""
        runtime, context = self._runtime, self._runtime._run_context
        if context is None:
            return
        watched, unwatched = self._watch, bool(runtime._background_tasks)
        is_at_work = watched.is_at_work if watched is not None else unwatched
        queue: Any = runtime._message_queue
        self._shared.ignore_errors()  # else a cancelled handler's error comes out here
        try:
            if not is_at_work:
                await runtime.stop_when_idle()  # answers are still on their way
        finally:
            # Given up: AutoGen's stop() would replace the queue on which a handler still counts.
            context._stopped.set()
            queue.shutdown(immediate=True)
            self._shared.restore()
