"""Scenarios: a run whose tools have effects is killed again and again, and continued."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import random
import shutil
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent, Team
from autogen_agentchat.messages import TextMessage, ToolCallExecutionEvent
from autogen_agentchat.teams import BaseGroupChat, DiGraphBuilder, GraphFlow, RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_core.models import FunctionExecutionResultMessage, LLMMessage
from autogen_core.tools import BaseStreamTool, StaticStreamWorkbench
from pydantic import BaseModel

from supervisor import Supervisor, current_call
from supervisor.testing import ScriptedModel, calls
from tests.checkpoints.preloaded import Pipe, fork, kill, wait

_RUN: Final = "run"
_PAUSE: Final = 0.01
_LONGEST: Final = 0.1
IDEMPOTENT: Final = "search"
MCP: Final = "mcp"
"""The team whose tools are those of a server; it needs the extra `mcp`."""
_LONGEST_OF: Final = {MCP: 0.03}  # from the next call on, for its server has to start first


def kill_at_random(folder: str, teams: Sequence[str], kills: int, seed: int) -> dict[str, Any]:
    """Kill a run of each team so many times at random moments, and go on to its end.

    Args:
        folder: Where the stores are, and the files in which each call notes its key.
        teams: The teams.
        kills: How often.
        seed: Draws the moments.

    Returns:
        Of each team the lines of that file, and the results of the calls in the run's own result.
    """
    if MCP in teams:
        importlib.import_module("autogen_ext.tools.mcp")  # once, for all children
    moments = random.Random(seed)
    return {team: _killed(Path(folder, team), team, kills, moments) for team in teams}


def _killed(folder: Path, team: str, kills: int, moments: random.Random) -> dict[str, Any]:
    done = 0
    while done < kills:
        folder.mkdir(exist_ok=True)
        if _kill_once(folder, team, moments.uniform(0, _LONGEST_OF.get(team, _LONGEST))):
            done += 1
        else:  # it has come to its end before: begin another one
            shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    child, said = _begin(folder, team)
    result = json.loads(next(said))
    assert wait(child) == 0
    return {"keys": (folder / "keys").read_text().splitlines(), **result}


def _kill_once(folder: Path, team: str, seconds: float) -> bool:
    """Kill a run after so many seconds; return whether it was still at work."""
    known = _count_keys(folder)
    child, _ = _begin(folder, team)
    while team == MCP and _count_keys(folder) == known and _ended(child, wants=False) is None:
        time.sleep(_PAUSE / 10)
    time.sleep(seconds)
    ended = _ended(child)
    if ended is None:
        kill(child)
    assert ended in (None, 0), "a child has failed; see above"
    return ended is None


def _begin(folder: Path, team: str) -> tuple[int, Iterator[str]]:
    """Begin a run, or go on with it, in a child; return once that is at work."""
    pipe = Pipe()
    child = fork(lambda: asyncio.run(_stream(folder, team, pipe)))
    said = pipe.lines()
    assert next(said, None) is not None, f"the child has ended with {wait(child)}"
    return child, said


def _count_keys(folder: Path) -> int:
    file = folder / "keys"
    return len(file.read_text().splitlines()) if file.exists() else 0


def _ended(child: int, *, wants: bool = True) -> int | None:
    """Return the status of a child that has ended.

    Args:
        child: Its pid.
        wants: Whether it is waited for then; else 0 is returned.
    """
    with contextlib.suppress(ChildProcessError):
        found = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return None if found is None else wait(child) if wants else 0
    return None


async def _stream(folder: Path, team: str, pipe: Pipe) -> None:
    made = TEAMS[team](_Tools(folder / "keys"))
    url = f"sqlite:///{folder}/runs.db"
    async with Supervisor(signals={}, checkpoints=url, idempotent={IDEMPOTENT}) as sup:
        run = sup.stream(made, "go", id=_RUN, timeout=60)
        says = False
        async for _ in run:
            if not says:
                pipe.say("at work")
            says = True
        result = await run
        assert run.stop_request is None, run.stop_request
    events = [m for m in result.messages if isinstance(m, ToolCallExecutionEvent)]
    answers = [answer.content for event in events for answer in event.content]
    pipe.say(json.dumps({"answers": answers, "messages": len(result.messages)}))


class _Tools:
    """Tools that note their keys durably, and answer with them.

    Args:
        file: Where.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def note(self) -> str:
        """Note the key of this call; return what answers it."""
        call = current_call()
        assert call is not None
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, f"{call.name} {call.idempotency_key}\n".encode())
        os.fsync(descriptor)
        os.close(descriptor)
        return f"did {call.idempotency_key}"

    async def pay(self) -> str:
        """Pay."""
        done = self.note()
        await asyncio.sleep(_PAUSE)
        return done

    async def search(self) -> str:
        """Search, which may be done again."""
        await asyncio.sleep(_PAUSE)
        return self.note()

    def count(self) -> str:
        """Count, in a thread."""
        done = self.note()
        time.sleep(_PAUSE)
        return done

    async def fail(self) -> str:
        """Fail, but do it."""
        raise ValueError(self.note())


class _Nothing(BaseModel):
    pass


class _Streaming(BaseStreamTool[_Nothing, TextMessage, TextMessage]):
    def __init__(self, tools: _Tools) -> None:
        super().__init__(_Nothing, TextMessage, "stream", "It streams.")
        self._tools = tools

    async def run(self, args: _Nothing, cancellation_token: CancellationToken) -> TextMessage:
        raise AssertionError("it is streamed")

    async def run_stream(
        self, args: _Nothing, cancellation_token: CancellationToken
    ) -> AsyncGenerator[TextMessage, None]:
        done = self._tools.note()
        yield TextMessage(content="half", source="stream")
        await asyncio.sleep(_PAUSE)
        yield TextMessage(content=done, source="stream")

    def return_value_as_string(self, value: Any) -> str:
        return str(value.content)


def _model(*wanted: str, rounds: int = 1) -> ScriptedModel:
    """Return a model that makes these calls, so often, once it is spoken to."""

    def answer(messages: Sequence[LLMMessage]) -> Any:
        made = 0
        for message in reversed(messages):
            if not isinstance(message, FunctionExecutionResultMessage):
                if message.type == "UserMessage":
                    break
                continue
            made += 1
        return "Done." if made >= rounds else calls(*wanted)

    return ScriptedModel(answer)


def _agents(tools: _Tools) -> list[ChatAgent | Team]:
    """Return agents that call each kind of tool, in each way."""
    own: list[Any] = [tools.pay, tools.search, tools.count, tools.fail]
    bench = StaticStreamWorkbench([_Streaming(tools)])
    return [
        AssistantAgent("parallel", _model("pay", "search", "count", "pay"), tools=own),
        AssistantAgent("loops", _model("pay", "fail", rounds=3), tools=own, max_tool_iterations=4),
        AssistantAgent("reflects", _model("count"), tools=own, reflect_on_tool_use=True),
        AssistantAgent("streams", _model("stream"), workbench=bench),
    ]


def _round_robin(tools: _Tools) -> BaseGroupChat:
    return RoundRobinGroupChat(_agents(tools), max_turns=8)


def _graph(tools: _Tools) -> BaseGroupChat:
    """Return a graph whose branches call tools at the same time."""
    first, *branches = cast("list[ChatAgent]", _agents(tools))
    last = AssistantAgent("last", _model("pay"), tools=[tools.pay])
    builder = DiGraphBuilder()
    for agent in (first, *branches, last):
        builder.add_node(agent)
    for branch in branches:
        builder.add_edge(first, branch)
        builder.add_edge(branch, last)
    return GraphFlow([first, *branches, last], graph=builder.build())


def _nested(tools: _Tools) -> BaseGroupChat:
    """Return a team with a team within it."""
    first, *others = _agents(tools)
    inner = RoundRobinGroupChat(others, name="inner", max_turns=3)
    return RoundRobinGroupChat([first, inner], max_turns=4)


def _mcp(tools: _Tools) -> BaseGroupChat:
    """Return a team whose tools are those of a server, which is started at the first call."""
    from autogen_ext.tools.mcp import (  # pyright: ignore[reportMissingTypeStubs]
        McpWorkbench,
        StdioServerParams,
    )

    words = [str(Path(__file__).with_name("mcp_server.py")), str(tools.file)]
    bench = McpWorkbench(StdioServerParams(command=sys.executable, args=words))
    agent = AssistantAgent("charges", _model("charge", "charge", rounds=4), workbench=bench)
    return RoundRobinGroupChat([agent], max_turns=4)


TEAMS: Final[dict[str, Callable[[_Tools], BaseGroupChat]]] = {
    "round robin": _round_robin,
    "graph": _graph,
    "nested": _nested,
    MCP: _mcp,
}
