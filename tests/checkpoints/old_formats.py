"""The store of each released format, made by `python -m tests.checkpoints.old_formats`.

A file is made once, by the version that had the format, and never again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import tempfile
from pathlib import Path
from typing import Final

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor._checkpoints.schema import FORMAT
from supervisor._checkpoints.store import RunStatus
from supervisor._checkpoints.urls import open_store
from supervisor.testing import ScriptedModel, calls
from tests.checkpoints.kept_run import KeptRun
from tests.checkpoints.preloaded import fork, wait

FOLDER: Final = Path(__file__).parent / "formats"
TEAM: Final = "team"
PLAIN: Final = "plain"
TASK: Final = "Look it up"
TURNS: Final = 12


def team(*, is_killed: bool) -> RoundRobinGroupChat:
    """Return a team whose second agent looks something up, and whose tool can be fatal."""

    async def look_up(word: str) -> str:
        if is_killed:
            os.kill(os.getpid(), signal.SIGKILL)
        return f"{word} is found"

    writer = AssistantAgent("writer", ScriptedModel(["A draft.", "The end."]))
    model = ScriptedModel([calls(("look_up", {"word": "draft"})), "Looked up."])
    reader = AssistantAgent("reader", model, tools=[look_up], reflect_on_tool_use=True)
    end = MaxMessageTermination(20) | TextMentionTermination("The end.")
    return RoundRobinGroupChat([writer, reader], termination_condition=end)


def make(path: Path) -> None:
    """Make a store with a run that was stopped, and one whose process was killed in a tool."""
    url = f"sqlite:///{path}"
    with contextlib.closing(open_store(url)) as store:
        store.setup()
        run = KeptRun(store, PLAIN)
        for _ in range(TURNS):
            run.call_tool()
            run.finish_turn()
        run.give_up(RunStatus.STOPPED)
    assert wait(fork(lambda: asyncio.run(_run_team(url)))) == -signal.SIGKILL
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")  # and the WAL goes with the last connection


async def _run_team(url: str) -> None:
    async with Supervisor(checkpoints=url) as sup:
        await sup.stream(team(is_killed=True), TASK, id=TEAM)


def _main() -> None:
    target = FOLDER / f"{FORMAT}.db"
    assert not target.exists(), "it is made once"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, target.name)
        make(path)
        FOLDER.mkdir(exist_ok=True)
        shutil.move(path, target)


if __name__ == "__main__":
    _main()
