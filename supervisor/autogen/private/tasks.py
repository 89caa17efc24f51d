"""What the tasks of a run do, by the code of their coroutines."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
import functools
import inspect
import operator
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Final, cast

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import BaseGroupChat
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_core import SingleThreadedAgentRuntime
from autogen_core._single_threaded_agent_runtime import RunContext

from supervisor.tasks import Kind

HANDLER_ERROR: Final = "Error processing publish message"
"""How the runtime's log record about a handler that raised begins (also a cancelled one)."""


_Test = Callable[[CodeType], object]


def _inner_code(function: Callable[..., Any], name: str) -> CodeType:
    """The code of a function that is defined inside another one."""
    for constant in function.__code__.co_consts:
        if isinstance(constant, CodeType) and constant.co_name == name:
            return constant
    raise LookupError(f"{function.__qualname__} defines no {name}")


_CODES: Final = (
    (SingleThreadedAgentRuntime._process_send.__code__, Kind.HANDLER),
    (SingleThreadedAgentRuntime._process_publish.__code__, Kind.HANDLER),
    (SingleThreadedAgentRuntime._process_response.__code__, Kind.HANDLER),
    (RunContext._run.__code__, Kind.ENGINE),
    (_inner_code(BaseGroupChat.run_stream, "stop_runtime"), Kind.SHIELDED),
    (AssistantAgent._execute_tool_call.__code__, Kind.CALL),
    (asyncio.create_subprocess_exec.__code__, Kind.PROCESS),
)


def _is_select_speaker(_code: CodeType) -> bool:
    return True  # of any manager, the user's too


def _is_mcp_actor(code: CodeType) -> bool:
    # By file, for the module is an extra that need not be installed. The task that owns an MCP
    # session serves every later call as well; `McpWorkbench` cannot start a second one.
    return code.co_filename.endswith("_actor.py")


# First by name. This is asked three times for each streamed chunk, and of each task of a host's: to
# hash a code, as a dictionary of codes would, hashes all of its bytecode and its constants.
_KINDS: Final[dict[str, tuple[Kind, _Test]]] = {
    **{code.co_name: (kind, functools.partial(operator.is_, code)) for code, kind in _CODES},
    "select_speaker": (Kind.SELECTION, _is_select_speaker),
    "_run_actor": (Kind.HELPER, _is_mcp_actor),
}

_WORK: Final = Kind.WORK


def kind_of(coro: Any) -> Kind:
    """What a coroutine of AutoGen's does in a run; WORK for any other."""
    code: CodeType | None = getattr(coro, "cr_code", None)
    found = None if code is None else _KINDS.get(code.co_name)
    if code is None or found is None:
        return _WORK
    kind, is_it = found
    return kind if is_it(code) else _WORK


_GATHERING: Final = "AssistantAgent._process_model_result.<locals>._execute_tool_calls"


def gathers_calls(task: asyncio.Task[Any]) -> bool:
    """Whether a task waits for the tool calls of an `AssistantAgent`'s turn.

    Where one of them raises, this task ends without the word that its agent waits for.
    """
    code: CodeType | None = getattr(task.get_coro(), "cr_code", None)
    return code is not None and code.co_qualname == _GATHERING


def has_begun(coro: Any) -> bool:
    """Whether a coroutine has been resumed at least once."""
    return inspect.getcoroutinestate(coro) != inspect.CORO_CREATED


def tool_call(coro: Any) -> tuple[Any, bool]:
    """The `FunctionCall` that a CALL carries out, and whether it is a handoff."""
    given = coro.cr_frame.f_locals
    call = given["tool_call"]
    return call, any(tool.name == call.name for tool in given["handoff_tools"])


def selecting_manager(coro: Any) -> BaseGroupChatManager | None:
    """The manager that is about to select the next speaker."""
    found = coro.cr_frame.f_locals.get("self")
    manager = getattr(found, "manager", found)  # our stand-in for `select_speaker` has one
    return manager if isinstance(manager, BaseGroupChatManager) else None


_STARTERS: Final = {BaseGroupChat.run_stream.__code__, BaseGroupChat.reset.__code__}


def starter() -> BaseGroupChat | None:
    """The team that is starting its own runtime just now; None where somebody else does.

    Told by the frames: nothing else tells a team's own runtime from one that a tool or an agent
    starts while a run is at work.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not SingleThreadedAgentRuntime.start.__code__:
        frame = frame.f_back
    caller = frame.f_back if frame is not None else None
    if caller is None or caller.f_code not in _STARTERS:
        return None
    return cast(BaseGroupChat, caller.f_locals["self"])


# By name, for the module is an extra that need not be installed.
_CODE_EXECUTOR: Final = "code_executors/local/__init__.py"


def is_executing_code() -> bool:
    """Whether it is AutoGen's local code executor that is starting a process just now."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.replace("\\", "/").endswith(_CODE_EXECUTOR):
            return True
        frame = frame.f_back
    return False
