"""Code that runs elsewhere: its turn is kept, and what the executor can end is ended."""

from __future__ import annotations

import asyncio
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import CodeExecutorAgent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.code_executor import CodeExecutor

from supervisor._autogen.code_execution import INTERRUPTED
from tests.blocking.stops import run_again, stop, words

CODE = "```python\nprint(1)\n```"


def _team(executor: CodeExecutor) -> RoundRobinGroupChat:
    with warnings.catch_warnings(category=UserWarning, action="ignore"):
        agent = CodeExecutorAgent("coder", executor, supported_languages=["python"])
    return RoundRobinGroupChat([agent], max_turns=1)


@dataclass
class Outcome:
    """The outcome of a command in a container."""

    exit_code: int
    output: bytes = b""


class Container:
    """A container in which a command runs until it is killed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.started, self.killed = asyncio.Event(), asyncio.Event()
        self.commands: list[list[str]] = []
        self._loop = loop
        self._killed = threading.Event()

    def exec_run(self, command: list[str]) -> Outcome:
        """Run a command, in a thread of the executor's."""
        self.commands.append(command)
        if command[0] == "pkill":
            self._killed.set()
            self._loop.call_soon_threadsafe(self.killed.set)
            return Outcome(0)
        self._loop.call_soon_threadsafe(self.started.set)
        assert self._killed.wait(20)
        return Outcome(137)


@pytest.mark.blocks
async def test_docker(tmp_path: Path) -> None:
    """The command in the container is killed, and not run again."""
    pytest.importorskip("asyncio_atexit", reason="needs AutoGen's extra `docker`")
    pytest.importorskip("docker", reason="needs AutoGen's extra `docker`")
    from autogen_ext.code_executors.docker import (  # pyright: ignore[reportMissingTypeStubs]
        DockerCommandLineCodeExecutor,
    )

    executor: Any = DockerCommandLineCodeExecutor(work_dir=tmp_path)
    container = Container(asyncio.get_running_loop())
    executor._container, executor._running = container, True
    executor._loop = asyncio.get_running_loop()
    team = _team(executor)
    result = await stop(team, container.started.wait(), "sup.stop", task=CODE)
    assert result is not None
    assert words(result)[1:] == [INTERRUPTED]
    await asyncio.wait_for(container.killed.wait(), 20)
    await run_again(team, None)
    assert [command[0] for command in container.commands] == ["timeout", "pkill"]


class Credential:
    """A credential of nobody."""

    token = "none"

    def get_token(self, *scopes: str, **options: Any) -> Credential:
        """Give itself."""
        return self


async def test_azure(tmp_path: Path) -> None:
    """The connection is closed, since there is no other way, and the code is not run again."""
    pytest.importorskip("aiohttp", reason="needs AutoGen's extra `azure`")
    from aiohttp import web
    from autogen_ext.code_executors.azure import (  # pyright: ignore[reportMissingTypeStubs]
        ACADynamicSessionsCodeExecutor,
    )

    asked: list[str] = []
    started, closed = asyncio.Event(), asyncio.Event()

    async def execute(request: web.Request) -> web.Response:
        code = (await request.json())["properties"]["code"]
        if "print(1)" not in code:
            answer = {"status": "Success", "result": "", "stdout": "", "stderr": ""}
            return web.json_response({"properties": answer})
        asked.append(code)
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            closed.set()
        return web.Response()

    app = web.Application()
    app.router.add_post("/code/execute", execute)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        executor = ACADynamicSessionsCodeExecutor(
            f"http://127.0.0.1:{port}",
            Credential(),  # pyright: ignore[reportArgumentType]
            work_dir=tmp_path,
        )
        team = _team(executor)
        result = await stop(team, started.wait(), "sup.stop", task=CODE)
        assert result is not None
        assert words(result)[1:] == [INTERRUPTED]
        await asyncio.wait_for(closed.wait(), 20)
        await run_again(team, None)
        assert len(asked) == 1
    finally:
        await runner.cleanup()
