"""Programs whose teams start processes."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from autogen_agentchat.agents import CodeExecutorAgent
from autogen_agentchat.base import ChatAgent
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor, run
from tests.process import agents
from tests.process.agents import Work, streamer
from tests.process.scenarios import LADDER, LINGER, loop_factory
from tests.process.server import tell

REFUSES = "trap '' TERM; echo ready $$; exec sleep 300"
OBEYS = "echo ready $$; exec sleep 300"


async def _run(sup: Supervisor, *people: ChatAgent, task: Any = "go") -> None:
    team = RoundRobinGroupChat(list(people), max_turns=len(people), name="team")
    result = await sup.stream(team, task=task)
    tell("result", reason=result.stop_reason, said=[repr(m)[:300] for m in result.messages])


def family(*, loop: Any, script: str, cancels: float, children: int = 1) -> None:
    """Run an agent that starts waiting processes, and swallows so many cancellations."""

    async def work() -> AsyncGenerator[str, None]:
        started = [await _shell(script) for _ in range(children)]
        waits = agents.ignores(LINGER, cancels=cancels)
        tell("children", pids=[pid for _, pid in started])
        async for chunk in waits():
            yield chunk

    async def main(sup: Supervisor) -> None:
        await _run(sup, streamer("parent", work))

    run(main, loop=loop, ladder=LADDER)


_PAIR = "(trap '' TERM; echo ready; exec sleep 300) & (echo ready; exec sleep 300) &"
_HALF = f"{_PAIR * 12} trap '' TERM; echo ready $$; exec sleep 300"


def tree(*, loop: Any, cancels: float) -> None:
    """Run an agent that starts fifty processes, half stubborn, and swallows cancellations."""

    async def work() -> AsyncGenerator[str, None]:
        started = [await _shell(_HALF, lines=25) for _ in range(2)]
        pids = [child.pid for child in psutil.Process().children(recursive=True)]
        tell("children", pids=pids, leaders=[pid for _, pid in started])
        async for chunk in agents.ignores(LINGER, cancels=cancels)():
            yield chunk

    async def main(sup: Supervisor) -> None:
        await _run(sup, streamer("parent", work))

    def count() -> None:
        tell("left", pids=[child.pid for child in psutil.Process().children(recursive=True)])

    atexit.register(count)
    run(main, loop=loop, ladder=LADDER)


def blocked_family(*, loop: Any, script: str) -> None:
    """Run the same, with a loop that is blocked by Python code that computes."""

    async def work() -> AsyncGenerator[str, None]:
        _, pid = await _shell(script)
        tell("children", pids=[pid])
        tell("busy")
        end = time.monotonic() + LINGER
        while time.monotonic() < end:
            with contextlib.suppress(BaseException):  # interrupted, it goes on
                _compute()
        yield "at last"

    async def main(sup: Supervisor) -> None:
        await _run(sup, streamer("parent", work))

    run(main, loop=loop, ladder=LADDER)


def _compute() -> None:
    for _ in range(10_000_000):
        pass


async def _shell(script: str, lines: int = 1) -> tuple[asyncio.subprocess.Process, int]:
    pipe = asyncio.subprocess.PIPE
    made = await asyncio.create_subprocess_exec("sh", "-c", script, stdout=pipe)
    assert made.stdout is not None
    words = b"".join([await made.stdout.readline() for _ in range(lines)]).split()
    return made, next(int(word) for word in words if word.isdigit())


# -- who dies of the same Ctrl-C ----------------------------------------------------------------


def _asyncio_child(agent_name: str) -> Work:
    async def work() -> AsyncGenerator[str, None]:
        child, _ = await _shell(OBEYS)
        tell("busy")
        status = await child.wait()
        tell("child died", status=status)
        if status:
            raise RuntimeError(f"{agent_name}'s child ended with {status}")
        yield "done"

    return work


def _blocking_child(agent_name: str) -> Work:
    async def work() -> AsyncGenerator[str, None]:
        yield agent_name
        _wait_for_a_child()

    return work


async def _async_tool() -> str:
    """Look something up."""
    child, _ = await _shell(OBEYS)
    tell("busy")
    status = await child.wait()
    tell("child died", status=status)
    raise RuntimeError(f"the child ended with {status}")


def _sync_tool() -> str:
    """Look something up."""
    _wait_for_a_child()
    return "found"


def _wait_for_a_child() -> None:
    with subprocess.Popen(["sh", "-c", OBEYS], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        tell("busy")
        status = child.wait()
        tell("child died", status=status)
        raise subprocess.CalledProcessError(status, child.args)


_PARENTS: dict[str, Callable[[], ChatAgent]] = {
    "asyncio": lambda: streamer("parent", _asyncio_child("parent")),
    "blocking": lambda: streamer("parent", _blocking_child("parent")),
    "async tool": lambda: agents.tool_caller("parent", _async_tool),
    "sync tool": lambda: agents.tool_caller("parent", _sync_tool),
}
PARENTS = tuple(_PARENTS)


def shares_signal(*, loop: Any, parent: str) -> None:
    """Run a tool that raises an error because its child dies of the signal that stops us."""

    async def main(sup: Supervisor) -> None:
        await _run(sup, _PARENTS[parent](), streamer("closer", agents.speaks("last", 0.01)))

    run(main, loop=loop, ladder=LADDER)


# -- AutoGen's code executor --------------------------------------------------------------------


def executes(*, loop: Any, script: str, as_guest: bool = False, limit: int = 60) -> None:
    """Run a script in a code executor; it writes a file `ready` with pids in it.

    `as_guest`: in a block that handles no signal, and is stopped by code. `limit`: the executor's.
    """
    from autogen_ext.code_executors.local import LocalCommandLineCodeExecutor

    async def main(sup: Supervisor) -> None:
        with TemporaryDirectory() as folder:
            executor = LocalCommandLineCodeExecutor(work_dir=folder, timeout=limit)
            watcher = sup.spawn(_tell_ready(f"{folder}/ready"))
            code = TextMessage(content=f"```sh\n{script}\n```", source="user")
            people: list[ChatAgent] = [CodeExecutorAgent("coder", executor)]
            if limit < LINGER:  # its turn may be over by then
                people.append(streamer("next", agents.waits(LINGER)))
            await _run(sup, *people, task=[code])
            watcher.cancel()
            tell("settled", at=time.monotonic())

    async def block() -> None:
        async with Supervisor(ladder=LADDER, signals={}) as sup:
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, sup.stop, "The guest left")
            await main(sup)
        await asyncio.sleep(LINGER)

    if not as_guest:
        run(main, loop=loop, ladder=LADDER)
        return
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        runner.run(block())


_SERVER = """
import os, signal, sys, threading, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
from mcp.server.fastmcp import FastMCP
server = FastMCP("stubborn")
@server.tool()
def look_up() -> str:
    return str(os.getpid())
try:
    server.run()
finally:
    time.sleep(300)
"""


def keeps_a_server(*, loop: str) -> None:
    """As a guest: an agent starts a tool server that does not end; a stop by code on SIGINT."""
    from autogen_ext.tools.mcp import (  # pyright: ignore[reportMissingTypeStubs]
        McpWorkbench,
        StdioServerParams,
    )

    async def work() -> AsyncGenerator[str, None]:
        # Starting it, a busy machine may need more than AutoGen's five seconds.
        params = StdioServerParams(
            command=sys.executable, args=["-c", _SERVER], read_timeout_seconds=30
        )
        workbench = McpWorkbench(params)
        await workbench.start()
        found = await workbench.call_tool("look_up", {})
        tell("children", pids=[int(str(found.result[0].content))])
        async for chunk in agents.ignores(LINGER, cancels=2)():
            yield chunk

    async def block() -> None:
        async with Supervisor(ladder=LADDER, signals={}) as sup:
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, sup.stop, "The guest left")
            await _run(sup, streamer("parent", work))
        tell("settled", at=time.monotonic())
        await asyncio.sleep(LINGER)

    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        runner.run(block())


async def _tell_ready(path: str) -> None:
    while True:
        try:
            with open(path, encoding="utf-8") as file:  # noqa: ASYNC230, PTH123
                words = file.read().split()
        except FileNotFoundError:
            words = []
        if "end" in words:
            tell("children", pids=[int(word) for word in words if word != "end"])
            return
        await asyncio.sleep(0.02)
