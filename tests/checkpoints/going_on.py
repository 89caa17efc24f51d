"""One run in a chain of processes: each goes on where the one before was stopped or killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent, TaskResult, Team
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import FunctionCall

from supervisor import Supervisor, checkpoints, current_call, run
from supervisor.testing import ScriptedAgent, ScriptedModel
from supervisor.types import Durability
from tests.checkpoints.preloaded import Pipe, fork, wait

MESSAGES = 12
RUN = "count"
STOPS = [("SIGKILL", 3), ("SIGTERM", 2), ("SIGKILL", 1), ("SIGINT", 2)]


class _Turns:
    """Lets agents be one message ahead of who reads them: so a kill finds the run at work."""

    def __init__(self) -> None:
        self._permits = asyncio.Semaphore(1)

    async def take(self, heard: Sequence[BaseChatMessage], _token: object) -> str:
        """Take a turn: say what was heard, in short."""
        await self._permits.acquire()
        text = "\n".join(str(message.to_model_text()) for message in heard)
        return f"{len(heard)}:{zlib.crc32(text.encode())}"

    def allow(self) -> None:
        """Let one more turn be taken."""
        self._permits.release()


def _team(turns: _Turns) -> RoundRobinGroupChat:
    agents: list[ChatAgent | Team] = [
        ScriptedAgent(name, turns.take) for name in ("one", "two", "three")
    ]
    return RoundRobinGroupChat(agents, termination_condition=MaxMessageTermination(MESSAGES))


def go_on(path: str, stops: Sequence[tuple[str, int]], durability: str) -> list[Any]:
    """Run a team in one process after the other, until one is not stopped.

    Args:
        path: The file of the store.
        stops: The name of a signal and the number of messages after which it comes.
        durability: When it is written.

    Returns:
        The exit status of each process, and what it has said.
    """
    told: list[Any] = []
    for name, after in [*stops, ("", 0)]:
        pipe = Pipe()
        child = fork(lambda: _work(path, pipe, name, after, durability))  # noqa: B023 - at once
        lines = [json.loads(line) for line in pipe.lines()]
        told.append([wait(child), lines])
    return told


def _work(path: str, pipe: Pipe, name: str, after: int, durability: str) -> None:
    async def main(sup: Supervisor) -> None:
        turns, seen = _Turns(), 0
        async for event in sup.stream(_team(turns), "Count", id=RUN):
            if isinstance(event, TaskResult):
                pipe.say(json.dumps([cast(Any, item).content for item in event.messages]))
                continue
            pipe.say(json.dumps(cast(Any, event).content))
            turns.allow()
            seen += 1
            if seen == after:
                os.kill(os.getpid(), signal.Signals[name])

    store = f"sqlite:///{path}"
    run(main, guard=False, checkpoints=store, durability=cast(Durability, durability))


def uninterrupted() -> list[str]:
    """Return what the same team says in one go."""

    async def main() -> list[str]:
        turns = _Turns()
        for _ in range(MESSAGES):
            turns.allow()
        async with Supervisor(signals={}) as sup:
            result = await sup.stream(_team(turns), "Count")
        return [cast(Any, item).content for item in result.messages]

    return asyncio.run(main())


def pay_twice(path: str, notes: str, *, is_idempotent: bool) -> list[Any]:
    """Kill a process in the midst of a tool, and go on.

    Args:
        path: The file of the store.
        notes: A file in which each call notes its key.
        is_idempotent: Whether the call may be made again.

    Returns:
        The exit status of each process, and the contents of its result.
    """
    told: list[Any] = []
    for is_first in (True, False):
        pipe = Pipe()
        child = fork(
            lambda: _pay(path, notes, pipe, is_first=is_first, is_idempotent=is_idempotent)  # noqa: B023
        )
        lines = [json.loads(line) for line in pipe.lines()]
        told.append([wait(child), lines])
    return told


def _pay(path: str, notes: str, pipe: Pipe, *, is_first: bool, is_idempotent: bool) -> None:
    def note() -> None:
        call = current_call()
        assert call is not None
        with Path(notes).open("a") as file:
            file.write(f"{call.idempotency_key}\n")

    async def pay(amount: int) -> str:
        """Pay an amount."""
        note()
        if is_first:
            os.kill(os.getpid(), signal.SIGKILL)
        return f"paid {amount}"

    async def main(sup: Supervisor) -> None:
        call = FunctionCall(id="1", name="pay", arguments='{"amount": 5}')
        agent = AssistantAgent("clerk", ScriptedModel([[call], "Done"]), tools=[pay])
        team = RoundRobinGroupChat([agent], termination_condition=MaxMessageTermination(2))
        result = await sup.stream(team, "Pay", id=RUN)
        pipe.say(json.dumps([str(cast(Any, item).content) for item in result.messages]))

    names = {"pay"} if is_idempotent else set[str]()
    run(main, guard=False, checkpoints=f"sqlite:///{path}", idempotent=names)


def go_on_in_each_way(folder: str) -> dict[str, Any]:
    """Run the same team in chains of processes, by when it is written.

    Args:
        folder: Where the stores are.

    Returns:
        What `go_on` returns for each; and what the team says in one go.
    """
    found: dict[str, Any] = {"uninterrupted": uninterrupted()}
    for durability in ("async", "sync"):
        found[durability] = go_on(f"{folder}/{durability}.db", STOPS, durability)
    late = [("SIGKILL", 4), ("SIGTERM", 4)]
    found["exit"] = go_on(f"{folder}/exit.db", late, "exit")
    return found


def call_tools_and_cancel(folder: str) -> dict[str, Any]:
    """Kill processes in the midst of tools, and cancel one.

    Args:
        folder: Where the stores are.
    """
    found: dict[str, Any] = {}
    for name, is_idempotent in (("open", False), ("idempotent", True)):
        notes = f"{folder}/{name}.txt"
        told = pay_twice(f"{folder}/{name}.db", notes, is_idempotent=is_idempotent)
        found[name] = [told, Path(notes).read_text().split()]
    found["cancelled"] = cancel_elsewhere(f"{folder}/cancelled.db")
    return found


def cancel_elsewhere(path: str) -> list[Any]:
    """Cancel a run that is at work in another process.

    Returns:
        The exit status of that process, and why its run was stopped.
    """
    pipe = Pipe()
    child = fork(lambda: _wait_for_ever(path, pipe))
    lines = pipe.lines()
    assert next(lines) == "at work"
    with checkpoints.open(f"sqlite:///{path}") as runs:
        told = str(runs.cancel(RUN))
        rest = list(lines)
        return [wait(child), told, rest, str(runs.get(RUN).status)]


def _wait_for_ever(path: str, pipe: Pipe) -> None:
    async def think(_heard: object, _token: object) -> str:
        pipe.say("at work")
        await asyncio.Event().wait()
        return "never"

    async def main(sup: Supervisor) -> None:
        result = await sup.stream(ScriptedAgent("thinker", think), "Think", id=RUN)
        pipe.say(result.stop_reason)

    run(main, guard=False, checkpoints=f"sqlite:///{path}")
