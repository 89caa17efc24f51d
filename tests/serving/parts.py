"""A host, a worker with one agent, and a client that asks it: on loopback, in one loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    TopicId,
    TypeSubscription,
    try_get_known_serializers_for_type,
)
from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntime, GrpcWorkerAgentRuntimeHost
from autogen_ext.runtimes.grpc.protos import agent_worker_pb2

from tests.serving.answerer import Answerer, Text, Work, until


def free_address() -> str:
    """Return an address on loopback at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def register(runtime: GrpcWorkerAgentRuntime, work: Work, name: str = "answerer") -> None:
    """Put the agent on a worker; it answers requests, and subscribes to the topic "news"."""
    await Answerer.register(runtime, name, lambda: Answerer(work))
    await runtime.add_subscription(TypeSubscription("news", name))


@dataclass
class Cluster:
    """A host, its worker and its client."""

    address: str
    host: GrpcWorkerAgentRuntimeHost
    worker: GrpcWorkerAgentRuntime
    client: GrpcWorkerAgentRuntime

    async def ask(self, text: str) -> str:
        """Ask the worker's agent."""
        found: Text = await self.client.send_message(Text(text), AgentId("answerer", "default"))
        return found.content

    async def publish(self, text: str) -> None:
        """Publish an event to the worker's agent."""
        await self.client.publish_message(Text(text), TopicId("news", "default"))


@asynccontextmanager
async def cluster(work: Work) -> AsyncGenerator[Cluster]:
    """Start all of them, and stop them at the end, except the worker: the test stops that."""
    address = free_address()
    host = GrpcWorkerAgentRuntimeHost(address)
    host.start()
    worker, client = GrpcWorkerAgentRuntime(address), GrpcWorkerAgentRuntime(address)
    await worker.start()
    await client.start()
    client.add_message_serializer(try_get_known_serializers_for_type(Text))
    await register(worker, work)
    try:
        yield Cluster(address, host, worker, client)
    finally:
        await disconnect(client)
        if host._serve_task is not None:
            await host.stop(grace=0)
        await until(lambda: not any(map(_is_grpcs, asyncio.all_tasks())))


def _is_grpcs(task: asyncio.Task[object]) -> bool:
    """Return whether gRPC's server has started it, and will end it by itself."""
    return task.get_name().startswith(("rpc_task", "HandleExceptions"))


async def disconnect(runtime: GrpcWorkerAgentRuntime) -> None:
    """Stop a worker as AutoGen does; if the host is gone, AutoGen leaves two tasks behind."""
    connection = runtime._host_connection
    assert connection is not None
    assert connection._connection_task is not None
    was_connected = not connection._connection_task.done()
    if not was_connected:
        await connection.send(agent_worker_pb2.Message())
    await asyncio.gather(runtime.stop(), return_exceptions=True)
    if was_connected:  # the host may have gone meanwhile; else nobody reads this
        await connection.send(agent_worker_pb2.Message())
    assert runtime._read_task is not None
    runtime._read_task.cancel()
    await asyncio.wait([runtime._read_task])
