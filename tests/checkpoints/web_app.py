"""A web application whose requests have runs that are kept; it prints what becomes of them."""

from __future__ import annotations

import asyncio
import os
from typing import Any, cast

from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from fastapi import FastAPI

from supervisor import Ladder, current
from supervisor.integrations.asgi import SupervisorMiddleware
from supervisor.testing import ScriptedAgent

app = FastAPI()
app.add_middleware(
    SupervisorMiddleware,
    ladder=Ladder(drain=0.2),
    checkpoints=f"sqlite:///{os.environ.get('RUNS', 'runs.db')}",
)


async def _wait(heard: list[Any], _token: object) -> str:
    if "WAIT" in os.environ:
        print("waiting", flush=True)
        await asyncio.Event().wait()
    return f"after {len(heard)}"


def make_team() -> RoundRobinGroupChat:
    """Return a team whose second member waits for ever, where the environment says so."""
    members: list[Any] = [ScriptedAgent("one"), ScriptedAgent("two", cast(Any, _wait))]
    return RoundRobinGroupChat(members, termination_condition=MaxMessageTermination(4))


@app.get("/plain")
async def plain() -> str:
    """Answer at once."""
    return "plain"


@app.get("/run/{run_id}")
async def run(run_id: str) -> list[str]:
    """Do a run, or go on with it."""
    result = await current().stream(make_team(), "Talk", id=run_id)
    print(f"{run_id}: {result.stop_reason}", flush=True)
    return [cast(Any, item).content for item in result.messages]
