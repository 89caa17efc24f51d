"""Kill or stop a run at a step of its own, and go on with it in another process."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TaskResult
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor, current_call
from supervisor.testing import ScriptedModel, Steps, calls
from supervisor.types import Runnable
from tests.checkpoints.preloaded import Pipe, fork, wait
from tests.unit.autogen.checkpoints.keeping import words
from tests.unit.autogen.checkpoints.kept_teams import TEAMS

RUN = "swept"
REASON = "Swept"
_WAYS = ("SIGKILL", "stop")
OPEN = "not known whether this call took effect"


def _note(notes: str) -> None:
    call = current_call()
    assert call is not None
    with Path(notes).open("a") as file:
        file.write(f"{call.idempotency_key}\n")


def _tools(notes: str) -> Runnable:
    """Return agents that call tools, each of which notes its key."""

    async def pay(amount: int) -> str:
        """Pay an amount."""
        _note(notes)
        await asyncio.sleep(0)
        return f"paid {amount}"

    def member(name: str, number: int) -> Any:
        two = calls(("pay", {"amount": number}), ("pay", {"amount": number + 1}))
        one = calls(("pay", {"amount": number + 2}))
        model = ScriptedModel([two, "Thanks", one, "Thanks again", "Nothing"])
        return AssistantAgent(name, model, tools=[pay], reflect_on_tool_use=True)

    return RoundRobinGroupChat([member("ann", 10), member("bob", 20)], max_turns=5)


def _make(kind: str, path: str) -> Runnable:
    return _tools(f"{path}.txt") if kind == "tools" else TEAMS[kind]()


async def _run(kind: str, path: str, plan: tuple[int, str] | None) -> tuple[int, TaskResult]:
    async with Supervisor(signals={}, checkpoints=f"sqlite:///{path}") as sup:
        steps = Steps()
        if plan is not None:
            steps.before(plan[0], _ending(sup, plan[1]))
        with steps:
            result = await sup.stream(_make(kind, path), "Begin", id=RUN)
    return steps.taken, result


def _ending(sup: Supervisor, way: str) -> Callable[[], object]:
    if way == "stop":
        return lambda: sup.stop(REASON)
    return lambda: os.kill(os.getpid(), signal.SIGKILL)


def _go(kind: str, path: str, plan: tuple[int, str] | None) -> tuple[int, Any]:
    """Run it in a child; return its exit status, and its steps and messages where it has ended."""
    pipe = Pipe()

    def work() -> None:
        taken, result = asyncio.run(_run(kind, path, plan))
        pipe.say(json.dumps([taken, result.stop_reason, words(result.messages)]))

    child = fork(work)
    lines = [json.loads(line) for line in pipe.lines()]
    return wait(child), lines[-1] if lines else None


def sweep(folder: str, kinds: Sequence[str], seed: int, ways: int, sample: int) -> list[str]:
    """Stop and kill teams at steps that are drawn, and go on with each.

    Args:
        folder: Where the stores are.
        kinds: Which teams.
        seed: Draws the ways and the steps.
        ways: In how many of the two ways each is ended.
        sample: At how many steps each is ended in each of these, at most.

    Returns:
        What was wrong.
    """
    draw, wrong = random.Random(seed), list[str]()
    for kind in kinds:
        whole = _go(kind, f"{folder}/{kind}.db", None)[1]
        every = range(2, whole[0] + 1)
        for way in draw.sample(_WAYS, ways):
            for step in draw.sample(every, min(sample, len(every))):
                path = f"{folder}/{kind}-{way}-{step}.db"
                wrong += _check(kind, path, (step, way), whole)
                for file in Path(folder).glob(f"{kind}-{way}-{step}.db*"):
                    file.unlink()
    return wrong


def _check(kind: str, path: str, plan: tuple[int, str], whole: Any) -> list[str]:
    status, _ = _go(kind, path, plan)
    after, found = _go(kind, path, None)
    where = f"{kind}, {plan[1]} before step {plan[0]}"
    if status not in (0, -signal.SIGKILL) or after != 0:
        return [f"{where}: exit status {status}, then {after}"]
    notes = Path(f"{path}.txt")
    keys = notes.read_text().split() if notes.exists() else []
    if len(keys) != len(set(keys)):
        return [f"{where}: a tool was called twice"]
    # An agent alone gives no reason of its own: one that was stopped as it ended has that.
    if found[2] == whole[2] and found[1] in (whole[1], REASON):
        return []
    if OPEN in json.dumps(found):  # such a call says something else, and may be in the same turn
        return [] if len(found[2]) == len(whole[2]) else [f"{where}: {found[2]}"]
    return [f"{where}: {found[1]}, {found[2]}"]
