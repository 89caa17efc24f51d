"""What the contract tests share: a team at work, the tasks that are created, sources."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import importlib
import importlib.util
import inspect
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_core import SingleThreadedAgentRuntime

from supervisor._autogen import upstream
from supervisor._autogen.kinds import HANDLER
from supervisor._autogen.upstream import Group
from supervisor._core.tasks import Kind
from tests.agents import Agent, Stubborn, team


@asynccontextmanager
async def team_at_work() -> AsyncGenerator[
    tuple[RoundRobinGroupChat, SingleThreadedAgentRuntime], None
]:
    """Run a team by AutoGen alone, whose second member is at work; let it go at the end."""
    stubborn = Stubborn()
    group = team(Agent("first"), stubborn, turns=2)
    running = asyncio.create_task(group.run(task="go"))
    await stubborn.is_working.wait()
    runtime = group._runtime
    assert isinstance(runtime, SingleThreadedAgentRuntime)
    try:
        yield group, runtime
    finally:
        stubborn.let_go.set()
        await running


@dataclasses.dataclass
class Created:
    """A task that was created."""

    coro: Any
    given: dict[str, Any]
    """What its coroutine was given."""
    kind: Kind
    names: dict[str, Any]
    """The local names of the function of AutoGen's that creates it."""
    starter: BaseGroupChat | None


@contextmanager
def tasks_created() -> Generator[list[Created]]:
    """Collect the tasks that are created meanwhile."""
    loop, found = asyncio.get_running_loop(), list[Created]()

    def make(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        kind, frame = upstream.classify(coro)
        names = dict(frame.f_locals) if frame is not None else {}
        found.append(
            Created(coro, dict(coro.cr_frame.f_locals), kind, names, upstream.starting_team())
        )
        return asyncio.Task(coro, loop=loop, **options)

    loop.set_task_factory(make)
    try:
        yield found
    finally:
        loop.set_task_factory(None)


def names_of(created: list[Created], kind: Kind) -> list[dict[str, Any]]:
    """Return the local names of the functions that have created tasks of a kind."""
    return [made.names for made in created if made.kind is kind]


def delivered(created: list[Created]) -> list[upstream.Delivery]:
    """Return the messages for which handlers were created."""
    handlers = names_of(created, HANDLER)
    return [upstream.delivery(names["self"], names["message_envelope"]) for names in handlers]


async def group_after_a_run(team: BaseGroupChat) -> Group:
    """Run a team, and return its group."""
    await team.run(task="go")
    runtime = team._runtime
    assert isinstance(runtime, SingleThreadedAgentRuntime)
    return Group(runtime, manager_of(runtime).id)


def manager_of(runtime: SingleThreadedAgentRuntime) -> BaseGroupChatManager:
    """Return the manager of the team that has this runtime."""
    agents = runtime._instantiated_agents.values()
    return next(agent for agent in agents if isinstance(agent, BaseGroupChatManager))


def code_of(task: asyncio.Task[Any]) -> CodeType:
    """Return the code of a task's coroutine."""
    coro: Any = task.get_coro()
    code: CodeType = coro.cr_code
    return code


def methods_in(*path: str) -> dict[str, str]:
    """Return the sources of the methods in a file of AutoGen's extras, without importing it."""
    spec = importlib.util.find_spec("autogen_ext")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    source = Path(spec.submodule_search_locations[0]).joinpath(*path).read_text()
    return {
        f"{cls.name}.{node.name}": "".join((ast.get_source_segment(source, node) or "").split())
        for cls in ast.walk(ast.parse(source))
        if isinstance(cls, ast.ClassDef)
        for node in cls.body
        if isinstance(node, ast.AsyncFunctionDef)
    }


async def team_after_a_run() -> tuple[RoundRobinGroupChat, Any, Any]:
    """Return a team after its first run, its runtime and its manager."""
    group = team(Agent("a"), turns=1)
    await group.run(task="go")
    assert isinstance(group._runtime, SingleThreadedAgentRuntime)
    return group, group._runtime, manager_of(group._runtime)


def source_of(function: Any) -> str:
    """Return the source of a function or a class, without white space."""
    return "".join(inspect.getsource(function).split())
