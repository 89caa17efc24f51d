"""The programs of the process tests: `python -m tests.serving.programs NAME {"ARGUMENT": …}`.

Facts are told on stdout, one JSON object a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import AgentId, CancellationToken, try_get_known_serializers_for_type
from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntime, GrpcWorkerAgentRuntimeHost

from supervisor import Ladder, Supervisor, run
from supervisor.testing import ScriptedAgent
from tests.as_found import Snapshot
from tests.serving.answerer import Text, Work, echo
from tests.serving.parts import register

LADDER = Ladder(drain=5, cancel=1, abandon=0.5)
HASTY = Ladder(drain=0.3, cancel=0.3, abandon=0.3)


def tell(fact: str, **details: Any) -> None:
    """Report a fact to the test."""
    print(json.dumps({"fact": fact, **details}), flush=True)


def _tell_soon(fact: str) -> None:
    """Report it once the next `await` has begun."""
    asyncio.get_running_loop().call_soon(tell, fact)


# -- what the worker's agent does ---------------------------------------------------------------


async def _finishes(text: str) -> str:
    tell("busy")
    await asyncio.sleep(0.5)
    return f"{text}!"


async def _waits(text: str) -> str:
    tell("busy")
    await asyncio.sleep(3600)
    return text


async def _refuses(text: str) -> str:
    tell("busy")
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


_WORK: dict[str, Work] = {
    "echoes": echo,
    "finishes": _finishes,
    "waits": _waits,
    "refuses": _refuses,
}


# -- the programs -------------------------------------------------------------------------------


def worker(*, address: str, does: str, loop: Any) -> None:
    """Serve a worker under `run`; it dies by the signal that stops it."""

    async def main(sup: Supervisor) -> None:
        runtime = await _started_worker(address, does)
        _tell_soon("ready")
        request = await sup.serve(runtime)
        tell("served", reason=request.reason)

    run(main, loop=loop, ladder=HASTY if does == "refuses" else LADDER)


def guest(*, address: str) -> None:
    """Serve a worker in a block, go on after it, and print what is left."""

    async def main() -> None:
        runtime = await _started_worker(address, "echoes")
        found = Snapshot.take()  # gRPC has left its own traces by now
        async with Supervisor(ladder=LADDER) as sup:
            _tell_soon("ready")
            await sup.serve(runtime)
        tell("left", changes=found.changes())

    asyncio.run(main())


async def _started_worker(address: str, does: str) -> GrpcWorkerAgentRuntime:
    runtime = GrpcWorkerAgentRuntime(address)
    await runtime.start()
    await register(runtime, _WORK[does])
    return runtime


def host(*, address: str) -> None:
    """Serve a host under `run`, with a client that asks the worker what the test says."""

    async def main(sup: Supervisor) -> None:
        serving = GrpcWorkerAgentRuntimeHost(address)
        serving.start()
        client = await _started_client(address)
        reading = asyncio.create_task(_ask_what_is_read(client))
        _tell_soon("ready")
        await sup.serve(serving)
        reading.cancel()
        tell("served")

    run(main, ladder=LADDER)


async def _started_client(address: str) -> GrpcWorkerAgentRuntime:
    client = GrpcWorkerAgentRuntime(address)
    await client.start()
    client.add_message_serializer(try_get_known_serializers_for_type(Text))
    return client


async def _ask(client: GrpcWorkerAgentRuntime, text: str) -> str:
    found: Text = await client.send_message(Text(text), AgentId("answerer", "default"))
    return found.content


async def _ask_what_is_read(client: GrpcWorkerAgentRuntime) -> None:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)

    async def ask(text: str) -> None:
        try:
            tell("answer", text=await _ask(client, text))
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
            tell("answer", error=str(error))

    async with asyncio.TaskGroup() as asking:
        while line := await reader.readline():
            asking.create_task(ask(line.decode().strip()))


def _asker(client: GrpcWorkerAgentRuntime) -> ScriptedAgent:
    """Make an agent that passes its turn to the agent in another process."""

    async def ask(_heard: Sequence[BaseChatMessage], _: CancellationToken) -> str:
        return await _ask(client, "hello")

    return ScriptedAgent("asker", ask)


def team(*, address: str, is_distributed: bool) -> None:
    """Run a team with an agent in another process; or, in vain, all on the gRPC runtime."""

    async def main(sup: Supervisor) -> None:
        client = await _started_client(address)
        own = client if is_distributed else None
        members = RoundRobinGroupChat([_asker(client)], runtime=own, max_turns=3)
        _tell_soon("ready")
        result = await sup.stream(members, "go")
        tell("result", reason=result.stop_reason)
        await client.stop()

    run(main, ladder=LADDER)


PROGRAMS: dict[str, Callable[..., None]] = {
    function.__name__: function for function in (worker, guest, host, team)
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](**json.loads(sys.argv[2]))
