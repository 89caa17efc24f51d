"""Runtimes that can be served, of gRPC too: how each is started, fed, quieted and stopped.

Each handles a message in a task of its own, made by a method of the runtime. That method is
replaced on the object while it is served: ours notes the task, so that it can be waited for and
cancelled, and turns messages away once no further one is to be taken. It is put back at the end.
Why not stop the loop that reads: it also reads the answers that handlers at work wait for.

AutoGen's own `stop()` of a worker waits without limit for what is at work, so it is called when
nothing is, or when that has been given up.
"""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

from autogen_core import AgentRuntime, SingleThreadedAgentRuntime

from supervisor._autogen.upstream.runtimes import Delivery, SharedRuntime, delivery, handled
from supervisor._core.tasks import AnyTask, retrieve

EVENT_ERROR: Final = "Error handling event"
"""How the worker's log record about an event whose handler raised begins (also a cancelled one)."""

Handle = Callable[[Any], Coroutine[Any, Any, None]]


class RuntimeHost(Protocol):
    """What `GrpcWorkerAgentRuntimeHost` has; it is no `AgentRuntime`."""

    def start(self) -> None:
        """Start the server."""
        ...

    async def stop(self, grace: int = 5) -> None:
        """Stop the server."""
        ...


Servable = AgentRuntime | RuntimeHost


class Watch(Protocol):
    """Who is told of the messages."""

    @property
    def is_closed(self) -> bool:
        """Whether no further message is to be taken."""
        ...

    @property
    def is_at_work(self) -> bool:
        """Whether a message is being handled."""
        ...

    async def handle(self, what: str, handling: Coroutine[Any, Any, None]) -> None:
        """Handle a message, in a task of its own.

        Args:
            what: Whom it is for, or what it is, for a report.
            handling: AutoGen's own coroutine.
        """
        ...

    def refuse(self, what: str) -> None:
        """A message was turned away."""
        ...


class Served(Protocol):
    """A runtime that is served."""

    async def start(self) -> None:
        """Start it, unless it is started."""
        ...

    def watch(self, watch: Watch) -> list[AnyTask]:
        """Tell of messages from now on; returns the tasks of those that are being handled."""
        ...

    def release(self) -> None:
        """Tell of no further message."""
        ...

    async def stop(self) -> None:
        """Stop it; nothing is at work on it, or what is has been given up."""
        ...


class Outbox:
    """Tells when all that was put into a queue of outgoing messages has been written.

    gRPC asks for a message when it has written the one before. Disconnecting any earlier would
    lose the last answers.
    """

    def __init__(self, queue: asyncio.Queue[Any]) -> None:
        self._queue = queue
        self._get, self._put = queue.get, queue.put
        self._is_written = asyncio.Event()
        self._is_written.set()
        _replace(queue, get=self._asked, put=self._given)

    async def _asked(self) -> Any:
        if self._queue.empty():
            self._is_written.set()
        return await self._get()

    async def _given(self, message: Any) -> None:
        self._is_written.clear()
        await self._put(message)

    async def until_written(self) -> None:
        """Wait for that."""
        await self._is_written.wait()

    def release(self) -> None:
        """Leave the queue as it was found."""
        _put_back(self._queue, "get", "put")


class Worker:
    """A `GrpcWorkerAgentRuntime`.

    A message is an event, which nobody waits for, or a request, whose sender does; a request that
    is turned away is answered with an error, for otherwise the sender would wait for ever. Requests
    between agents of this worker are always taken: a handler waits for each.
    """

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._outbox: Outbox | None = None
        self._unanswered: dict[int, Any] = {}

    async def start(self) -> None:
        """Connect to the host, unless connected."""
        if not self._runtime._running:
            await self._runtime.start()

    def watch(self, watch: Watch) -> list[AnyTask]:
        """See `Served`."""
        runtime = self._runtime
        handle_request: Handle = runtime._process_request
        handle_event: Handle = runtime._process_event

        async def request(message: Any) -> None:
            what = f"{message.target.type}/{message.target.key}"
            is_own = message.source.type in runtime._known_agent_names
            if watch.is_closed and not is_own:
                watch.refuse(what)
                await runtime._host_connection.send(_refusal(message))
                return
            self._unanswered[id(message)] = message
            try:
                await watch.handle(what, handle_request(message))
            finally:
                del self._unanswered[id(message)]

        async def event(message: Any) -> None:
            what = f"{message.type}/{message.source}"
            if watch.is_closed:
                watch.refuse(what)
            else:
                await watch.handle(what, handle_event(message))

        _replace(runtime, _process_request=request, _process_event=event)
        self._outbox = Outbox(runtime._host_connection._send_queue)
        return _tolerate_cancellation(runtime)

    def release(self) -> None:
        """See `Served`."""
        _put_back(self._runtime, "_process_request", "_process_event", "_raise_on_exception")
        if self._outbox is not None:
            self._outbox.release()

    async def stop(self) -> None:
        """Send what is to be sent, and disconnect."""
        runtime = self._runtime
        if not runtime._running:
            return
        runtime._background_tasks.clear()  # AutoGen would wait for them without limit
        connection = runtime._host_connection
        try:
            for request in self._unanswered.values():  # given up
                await connection.send(_refusal(request))
            await self._until_sent(connection)
        finally:
            await self._disconnect()

    async def _until_sent(self, connection: Any) -> None:
        """Wait until the host has read all, or the connection is lost."""
        sent = asyncio.ensure_future(self._round_trip(connection))
        try:
            await asyncio.wait({sent, connection._connection_task}, return_when="FIRST_COMPLETED")
        finally:
            sent.cancel()
            retrieve(sent)

    async def _round_trip(self, connection: Any) -> None:
        from autogen_ext.runtimes.grpc.protos import agent_worker_pb2 as pb

        if self._outbox is not None:
            await self._outbox.until_written()
        # The host answers in the order in which it reads.
        ask = connection.stub.GetSubscriptions
        await ask(pb.GetSubscriptionsRequest(), metadata=connection.metadata)

    async def _disconnect(self) -> None:
        runtime, connection = self._runtime, self._runtime._host_connection
        is_lost = connection._connection_task.done()
        if is_lost:  # gRPC's writer would wait for a message for ever: give it one that fails
            await connection.send(_message())
        try:
            await runtime.stop()
        except Exception:
            if not is_lost:
                raise
        finally:  # where the connection was lost, AutoGen leaves its reader behind
            runtime._read_task.cancel()


class WorkerHost:
    """A `GrpcWorkerAgentRuntimeHost`, which passes on what workers send each other.

    What is at work on it is each request that waits for its answer.
    """

    def __init__(self, host: Any) -> None:
        self._host = host
        self._servicer = host._servicer
        self._outboxes: dict[str, Outbox] = {}

    async def start(self) -> None:
        """Listen, unless it does."""
        if self._host._serve_task is None:
            self._host.start()

    def watch(self, watch: Watch) -> list[AnyTask]:
        """See `Served`."""
        servicer = self._servicer
        pass_on: Callable[..., Any] = servicer._process_request
        publish: Handle = servicer._process_event
        answer: Callable[..., Any] = servicer._wait_and_send_response

        async def request(message: Any, client: str) -> None:
            self._know_connections()
            what = f"{message.target.type}/{message.target.key}"
            if watch.is_closed:
                watch.refuse(what)
                await servicer._data_connections[client].send(_refusal(message))
            else:
                await watch.handle(what, pass_on(message, client))

        async def event(message: Any) -> None:
            self._know_connections()
            what = f"{message.type}/{message.source}"
            if watch.is_closed:
                watch.refuse(what)
            else:
                await watch.handle(what, publish(message))

        async def response(future: Any, client: str) -> None:
            await watch.handle(f"an answer for {client}", answer(future, client))

        _replace(servicer, _process_request=request, _process_event=event)
        _replace(servicer, _wait_and_send_response=response)
        return _tolerate_cancellation(servicer)

    def _know_connections(self) -> None:
        for client, connection in self._servicer._data_connections.items():
            if client not in self._outboxes:
                self._outboxes[client] = Outbox(connection._send_queue)

    def release(self) -> None:
        """See `Served`."""
        names = ("_process_request", "_process_event", "_wait_and_send_response")
        _put_back(self._servicer, *names, "_raise_on_exception")
        for outbox in self._outboxes.values():
            outbox.release()

    async def stop(self) -> None:
        """Send what is to be sent, and disconnect all."""
        connected = self._servicer._data_connections
        try:
            for client, outbox in self._outboxes.items():
                if client in connected:
                    await outbox.until_written()
        finally:
            if self._host._serve_task is not None:
                # Its connections are streams without an end: to wait for them is in vain.
                await self._host.stop(grace=0)


class InProcess:
    """A `SingleThreadedAgentRuntime`.

    In DRAIN a message that is published is turned away; one that is sent to an agent is still
    taken, for a handler may wait for its answer. What belongs to a run of a team that was put on
    this runtime is that run's matter.
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
        runtime = self._runtime
        handle_send: Handle = runtime._process_send
        handle_publish: Handle = runtime._process_publish
        self._watch = watch

        def is_of_a_run(envelope: Any) -> bool:
            return self._is_of_a_run(delivery(runtime, envelope))

        def send(envelope: Any) -> Coroutine[Any, Any, None]:
            handling = handle_send(envelope)
            what = f"{envelope.recipient.type}/{envelope.recipient.key}"
            return handling if is_of_a_run(envelope) else watch.handle(what, handling)

        def publish(envelope: Any) -> Coroutine[Any, Any, None]:
            handling = handle_publish(envelope)
            what = f"{envelope.topic_id.type}/{envelope.topic_id.source}"
            return handling if is_of_a_run(envelope) else take(what, handling)

        async def take(what: str, handling: Coroutine[Any, Any, None]) -> None:
            if watch.is_closed:
                watch.refuse(what)
                handling.close()
                runtime._message_queue.task_done()
            else:
                await watch.handle(what, handling)

        _replace(runtime, _process_send=send, _process_publish=publish)
        return [task for task in runtime._background_tasks if not self._is_a_runs(task)]

    def _is_a_runs(self, task: AnyTask) -> bool:
        found = handled(task.get_coro())
        return found is not None and self._is_of_a_run(found)

    def release(self) -> None:
        """See `Served`."""
        _put_back(self._runtime, "_process_send", "_process_publish")

    async def stop(self) -> None:
        """End the message loop."""
        runtime, context = self._runtime, self._runtime._run_context
        if context is None:
            return
        watched, unwatched = self._watch, bool(runtime._background_tasks)
        is_at_work = watched.is_at_work if watched is not None else unwatched
        queue: Any = runtime._message_queue
        self._shared.forgive()  # else a cancelled handler's error comes out here
        try:
            if not is_at_work:
                await runtime.stop_when_idle()  # answers are still on their way
        finally:
            # Given up: AutoGen's stop() would replace the queue on which a handler still counts.
            context._stopped.set()
            queue.shutdown(immediate=True)
            self._shared.restore()


def _message(**content: Any) -> Any:
    from autogen_ext.runtimes.grpc.protos import agent_worker_pb2 as pb

    return pb.Message(**content)


def _refusal(request: Any) -> Any:
    from autogen_ext.runtimes.grpc.protos import agent_worker_pb2 as pb

    error = "The message was not handled, for its recipient's process is stopping"
    return _message(response=pb.RpcResponse(request_id=request.request_id, error=error))


def _tolerate_cancellation(owner: Any) -> list[AnyTask]:
    """Have no cancelled task reported to the loop as an error; returns those that are at work."""
    complain: Callable[[AnyTask], None] = owner._raise_on_exception

    def tolerant(task: AnyTask) -> None:
        if not task.cancelled():
            complain(task)

    _replace(owner, _raise_on_exception=tolerant)
    found: list[AnyTask] = list(owner._background_tasks)
    for task in found:
        if task.remove_done_callback(complain):
            task.add_done_callback(tolerant)
    return found


def _replace(owner: object, **methods: Callable[..., Any]) -> None:
    """Replace methods of one object, until `_put_back`."""
    vars(owner).update(methods)


def _put_back(owner: object, *names: str) -> None:
    for name in names:
        vars(owner).pop(name, None)


def served(runtime: Any, is_of_a_run: Callable[[Delivery], bool]) -> Served:
    """What knows how to serve a runtime.

    Args:
        runtime: The runtime.
        is_of_a_run: Whether a message belongs to a team's run, which sees to it.

    Raises:
        TypeError: It is none that can be served.
    """
    if isinstance(runtime, SingleThreadedAgentRuntime):
        return InProcess(runtime, is_of_a_run)
    grpc: Any = sys.modules.get("autogen_ext.runtimes.grpc")  # whoever has one has imported it
    if grpc is not None and isinstance(runtime, grpc.GrpcWorkerAgentRuntime):
        return Worker(runtime)
    if grpc is not None and isinstance(runtime, grpc.GrpcWorkerAgentRuntimeHost):
        return WorkerHost(runtime)
    raise TypeError(
        f"{runtime!r} cannot be served; "
        "pass a GrpcWorkerAgentRuntime, its host, or a SingleThreadedAgentRuntime"
    )
