"""A program in which tracing wraps AutoGen's methods; run by `test_wrapped.py`.

Two agents speak. The first calls a tool, in which the run is stopped; then the team goes on to its
end. Said at the end: how often the tool was called, and by which reasons the runs have ended.

Usage: python -m tests.unit.autogen.wrapped KIND before|after
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import sys
from typing import Any

RUNTIME = "autogen_core._single_threaded_agent_runtime"
TEAMS = "autogen_agentchat.teams._group_chat."

METHODS = [
    (RUNTIME, "SingleThreadedAgentRuntime", "_process_send"),
    (RUNTIME, "SingleThreadedAgentRuntime", "_process_publish"),
    (RUNTIME, "SingleThreadedAgentRuntime", "_process_response"),
    (RUNTIME, "SingleThreadedAgentRuntime", "_process_next"),
    (RUNTIME, "SingleThreadedAgentRuntime", "publish_message"),
    (RUNTIME, "SingleThreadedAgentRuntime", "send_message"),
    (RUNTIME, "SingleThreadedAgentRuntime", "start"),
    (RUNTIME, "SingleThreadedAgentRuntime", "stop_when_idle"),
    (RUNTIME, "RunContext", "__init__"),
    (RUNTIME, "RunContext", "_run"),
    (TEAMS + "_base_group_chat", "BaseGroupChat", "run_stream"),
    (TEAMS + "_base_group_chat", "BaseGroupChat", "reset"),
    (TEAMS + "_base_group_chat_manager", "BaseGroupChatManager", "_transition_to_next_speakers"),
    (TEAMS + "_base_group_chat_manager", "BaseGroupChatManager", "handle_agent_response"),
    (TEAMS + "_round_robin_group_chat", "RoundRobinGroupChatManager", "select_speaker"),
    ("autogen_agentchat.agents._assistant_agent", "AssistantAgent", "_execute_tool_call"),
    ("autogen_agentchat.agents._assistant_agent", "AssistantAgent", "_process_model_result"),
    ("autogen_agentchat.agents._assistant_agent", "AssistantAgent", "on_messages_stream"),
    ("autogen_core.model_context", "ChatCompletionContext", "add_message"),
]


def _forward(function: Any, *, in_a_task: bool) -> Any:
    async def generate(*args: Any, **options: Any) -> Any:
        async for item in function(*args, **options):
            yield item

    async def wait(*args: Any, **options: Any) -> Any:
        coro = function(*args, **options)
        return await (asyncio.create_task(coro) if in_a_task else coro)

    def call(*args: Any, **options: Any) -> Any:
        return function(*args, **options)

    if inspect.isasyncgenfunction(function):
        return generate
    return wait if inspect.iscoroutinefunction(function) else call


def plain(function: Any) -> Any:
    """Wrap a function as most people do."""
    return functools.wraps(function)(_forward(function, in_a_task=False))


def nameless(function: Any) -> Any:
    """Wrap a function without saying what is wrapped."""
    wrapper: Any = _forward(function, in_a_task=False)
    wrapper.__dict__.update(function.__dict__)  # AutoGen looks for the marks of its handlers
    return wrapper


def tasks(function: Any) -> Any:
    """Wrap a function that is run in a task of its own, as one with a time limit does."""
    return functools.wraps(function)(_forward(function, in_a_task=True))


class Traced:
    """A wrapper of the kind that instrumentation libraries give to `wrapt`."""

    async def __call__(self, wrapped: Any, _instance: Any, args: Any, options: Any) -> Any:
        """Call what is wrapped."""
        return await wrapped(*args, **options)


def passed(wrapped: Any, _instance: Any, args: Any, options: Any) -> Any:
    """Call what is wrapped, where that is no coroutine function."""
    return wrapped(*args, **options)


def wrap(kind: str, module: str, cls: str, name: str) -> None:
    """Wrap one method."""
    if (kind, name) == ("tasks", "send_message"):
        return  # AutoGen by itself ends with that: its runtime takes the team for idle
    owner: Any = getattr(importlib.import_module(module), cls)
    found: Any = owner.__dict__[name]
    binds: Any = found.__class__
    if kind == "wrapt":
        wrapt: Any = importlib.import_module("wrapt")
        is_async = inspect.iscoroutinefunction(getattr(owner, name))
        wrapt.wrap_function_wrapper(owner, name, Traced() if is_async else passed)
        return
    make = {"plain": plain, "nameless": nameless, "tasks": tasks}[kind]
    if binds in (staticmethod, classmethod):
        setattr(owner, name, binds(make(found.__func__)))
    else:
        setattr(owner, name, make(found))


async def trial() -> str:
    """Stop a run in a tool, and go on."""
    from supervisor import Supervisor
    from supervisor.testing import calls
    from tests.agents import Agent, Gate, scripted, team

    gate = Gate()
    ann = scripted("ann", [calls("wait"), *["thanks"] * 3], gate.wait)
    group = team(ann, Agent("bob"), turns=2)
    async with Supervisor(signals={}) as sup:
        run = sup.stream(group, "go")
        running = asyncio.create_task(run)
        await gate.is_entered.wait()
        run.stop("enough")
        first = await running
        gate.let_go.set()
        second = await sup.stream(group)
        await group.reset()
    sources = [message.source for message in second.messages]
    return f"{gate.entered} {first.stop_reason} {sources}"


def main(kind: str, when: str) -> None:
    """Wrap all methods before our import, or one after another after it."""
    if when == "before":
        for method in METHODS:
            wrap(kind, *method)
        print(asyncio.run(trial()))
        return
    print(asyncio.run(trial()))
    for method in METHODS:
        wrap(kind, *method)
        print(asyncio.run(trial()), *method[1:], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
