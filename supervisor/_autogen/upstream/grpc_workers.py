"""A gRPC worker and its host that are served: how each is started, fed and stopped.

AutoGen's gRPC is an extra, which is imported where it is used.
"""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from supervisor._autogen.upstream.served import Intake, Watch, tolerate_cancellation
from supervisor._core.asyncio_tools import retrieve
from supervisor._core.tasks import AnyTask

EVENT_ERROR: Final = "Error handling event"
"""How a worker's log record begins about an event whose handler raised or was cancelled."""


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
        vars(queue).update(get=self._asked, put=self._given)

    async def _asked(self) -> Any:
        if self._queue.empty():
            self._is_written.set()
        return await self._get()

    async def _given(self, message: Any) -> None:
        self._is_written.clear()
        await self._put(message)

    async def until_written(self) -> None:
        """Wait until all is written."""
        await self._is_written.wait()

    def release(self) -> None:
        """Leave the queue as it was found."""
        for name in ("get", "put"):
            vars(self._queue).pop(name, None)


class GrpcWorker:
    """A `GrpcWorkerAgentRuntime`.

    A message is an event, for which nobody waits, or a request, whose sender waits. A request that
    is turned away is answered with an error, for otherwise the sender would wait for ever. Requests
    between agents of this worker are always taken: a handler waits for each.
    """

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._outboxes: list[Outbox] = []  # one, while it is served
        self._unanswered: dict[int, Any] = {}

    async def start(self) -> None:
        """Connect to the host, unless connected."""
        if not self._runtime._running:
            await self._runtime.start()

    def watch(self, watch: Watch) -> list[AnyTask]:
        """See `Served`."""
        runtime, connection = self._runtime, self._runtime._host_connection
        intake = self._intake = Intake(runtime, watch)

        async def answer(message: Any) -> None:
            self._unanswered[id(message)] = message
            try:
                await own_request(message)
            finally:
                del self._unanswered[id(message)]

        async def request(message: Any) -> None:
            is_own = message.source.type in runtime._known_agent_names
            turn_away = None if is_own else lambda: connection.send(_refusal(message))
            await intake.take(_recipient(message), lambda: answer(message), turn_away)

        async def event(message: Any) -> None:
            await intake.take(_topic(message), lambda: own_event(message), _unanswering)

        own_request = intake.replace("_process_request", request)
        own_event = intake.replace("_process_event", event)
        self._outboxes.append(Outbox(connection._send_queue))
        return tolerate_cancellation(intake, runtime)

    def release(self) -> None:
        """See `Served`."""
        self._intake.put_back()
        for outbox in self._outboxes:
            outbox.release()

    async def stop(self) -> None:
        """Send the outgoing messages, and disconnect."""
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

        for outbox in self._outboxes:
            await outbox.until_written()
        # The host answers in the order in which it reads.
        ask = connection.stub.GetSubscriptions
        await ask(pb.GetSubscriptionsRequest(), metadata=connection.metadata)

    async def _disconnect(self) -> None:
        from grpc.aio import AioRpcError  # type: ignore[import-untyped]

        runtime, connection = self._runtime, self._runtime._host_connection
        if connection._connection_task.done():
            # It is lost: gRPC's writer would wait for a message for ever. Give it one that fails.
            await connection.send(_message())
        try:
            with contextlib.suppress(AioRpcError):  # the error with which it was lost
                await runtime.stop()
        finally:  # where the connection was lost, AutoGen leaves its reader behind
            runtime._read_task.cancel()


class GrpcHost:
    """A `GrpcWorkerAgentRuntimeHost`, which passes on what workers send each other.

    It is at work on each request that waits for its answer.
    """

    def __init__(self, host: Any) -> None:
        self._host = host
        self._servicer = host._servicer
        self._outboxes: dict[str, Outbox] = {}  # by the client's id

    async def start(self) -> None:
        """Listen, unless it does."""
        if self._host._serve_task is None:
            self._host.start()

    def watch(self, watch: Watch) -> list[AnyTask]:
        """See `Served`."""
        servicer = self._servicer
        intake = self._intake = Intake(servicer, watch)

        async def request(message: Any, client: str) -> None:
            self._know_connections()
            await intake.take(
                _recipient(message),
                lambda: own_request(message, client),
                lambda: servicer._data_connections[client].send(_refusal(message)),
            )

        async def event(message: Any) -> None:
            self._know_connections()
            await intake.take(_topic(message), lambda: own_event(message), _unanswering)

        async def response(future: Any, client: str) -> None:
            await intake.take(f"an answer for {client}", lambda: own_response(future, client))

        own_request = intake.replace("_process_request", request)
        own_event = intake.replace("_process_event", event)
        own_response = intake.replace("_wait_and_send_response", response)
        return tolerate_cancellation(intake, servicer)

    def _know_connections(self) -> None:
        connected = self._servicer._data_connections
        for client in self._outboxes.keys() - connected.keys():
            del self._outboxes[client]
        for client in connected.keys() - self._outboxes.keys():
            self._outboxes[client] = Outbox(connected[client]._send_queue)

    def release(self) -> None:
        """See `Served`."""
        self._intake.put_back()
        for outbox in self._outboxes.values():
            outbox.release()

    async def stop(self) -> None:
        """Send the outgoing messages, and disconnect all workers."""
        connected = self._servicer._data_connections
        try:
            for client in self._outboxes.keys() & connected.keys():
                await self._outboxes[client].until_written()
        finally:
            if self._host._serve_task is not None:
                # Its connections are streams without an end: to wait for them is in vain.
                await self._host.stop(grace=0)


def _recipient(request: Any) -> str:
    return f"{request.target.type}/{request.target.key}"


def _topic(event: Any) -> str:
    return f"{event.type}/{event.source}"


async def _unanswering() -> None:
    """Turn an event away: nobody waits for an answer."""


def _message(**content: Any) -> Any:
    from autogen_ext.runtimes.grpc.protos import agent_worker_pb2 as pb

    return pb.Message(**content)


def _refusal(request: Any) -> Any:
    from autogen_ext.runtimes.grpc.protos import agent_worker_pb2 as pb

    error = "The message was not handled, for its recipient's process is stopping"
    return _message(response=pb.RpcResponse(request_id=request.request_id, error=error))
