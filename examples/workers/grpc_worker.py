"""A worker in its own process gets SIGTERM while it works, and its answer still arrives.

.venv/bin/python examples/workers/grpc_worker.py    (ends by itself; needs the extra `grpc`)

This process is the host. It starts the worker, sends it a request, and plays the container engine
that stops it. The worker's agent takes a second for its answer; DRAIN has more seconds than that.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    MessageContext,
    RoutedAgent,
    message_handler,
    try_get_known_serializers_for_type,
)
from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntime, GrpcWorkerAgentRuntimeHost

from supervisor import Supervisor, run


@dataclass
class Text:
    """A request to the agent, or its answer."""

    content: str


class Slow(RoutedAgent):
    """Takes a second for its answer."""

    @message_handler
    async def answer(self, message: Text, ctx: MessageContext) -> Text:
        """Answer in capitals."""
        print("worker: at work", flush=True)
        await asyncio.sleep(1)
        return Text(message.content.upper())


async def work(sup: Supervisor) -> None:
    """Serve one agent until a stop, as the worker."""
    worker = GrpcWorkerAgentRuntime(sys.argv[1])
    await worker.start()
    await Slow.register(worker, "slow", lambda: Slow("It takes its time."))
    print("worker: ready", flush=True)
    request = await sup.serve(worker)
    print(f"worker: {request.reason}", flush=True)


async def ask(address: str) -> None:
    """Start a worker, send it a request, and stop it meanwhile, as the host."""
    async with Supervisor() as sup:
        sup.spawn(sup.serve(GrpcWorkerAgentRuntimeHost(address)))
        client = GrpcWorkerAgentRuntime(address)
        await client.start()
        client.add_message_serializer(try_get_known_serializers_for_type(Text))

        command = [sys.executable, __file__, address]
        child = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        assert child.stdout is not None
        print((await child.stdout.readline()).decode(), end="")
        asking = client.send_message(Text("how are you?"), AgentId("slow", "default"))
        answer = asyncio.create_task(asking)
        print((await child.stdout.readline()).decode(), end="")
        child.send_signal(signal.SIGTERM)
        print(f"host: sent SIGTERM, and got {(await answer).content!r}", flush=True)
        print((await child.stdout.read()).decode(), end="")
        status = await child.wait()
        print(f"host: the worker ended with status {status}", flush=True)

        await client.stop()
        sup.stop("Done")  # the host, which nobody needs any more


def free_address() -> str:
    """Return an address on this machine at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


if __name__ == "__main__":
    if sys.argv[1:]:
        run(work)
    else:
        asyncio.run(ask(free_address()))
