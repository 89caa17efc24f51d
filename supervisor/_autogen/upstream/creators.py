"""Which function of AutoGen's creates a task: that shows what the task will do.

The coroutine does not show it. Where a tracing library has wrapped a method, the coroutine is the
wrapper's. The code of one wrapper may stand before many methods. And a wrapper may start the method
in a task of its own, so that the same work would be seen twice. But the function that starts the
task is AutoGen's own code, even where it is wrapped itself: its frame is on the stack while the
task is created, and holds what the task works on.

Between that frame and the task factory are only frames of plain functions: asyncio's, and those of
its wrappers. The innermost asynchronous frame is the code that is running. Where that is not one of
AutoGen's functions below, or is not at the call named there, other code creates the task.
"""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import dis
import inspect
import itertools
import sys
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Final, NamedTuple, cast

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import BaseGroupChat
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_core import SingleThreadedAgentRuntime
from autogen_core._single_threaded_agent_runtime import RunContext

from supervisor._autogen.kinds import CALL, ENGINE, HANDLER, PROCESS, SELECTION
from supervisor._autogen.upstream.methods import Method
from supervisor._core.errors import UsageError
from supervisor._core.tasks import HELPER, SHIELDED, Kind


class _Creator(NamedTuple):
    """A function of AutoGen's that creates a task of some kind."""

    module: str
    call: str
    """The function of asyncio's that it calls."""
    kind: Kind


_RUNTIME: Final = "autogen_core._single_threaded_agent_runtime"
_GROUP_CHAT: Final = "autogen_agentchat.teams._group_chat._base_group_chat"
_EXECUTOR: Final = "autogen_ext.code_executors.local"

_CREATORS: Final[dict[str, _Creator]] = {
    "RunContext.__init__": _Creator(_RUNTIME, "create_task", ENGINE),
    "SingleThreadedAgentRuntime._process_next": _Creator(_RUNTIME, "create_task", HANDLER),
    "BaseGroupChat.run_stream": _Creator(_GROUP_CHAT, "create_task", SHIELDED),
    "BaseGroupChatManager._transition_to_next_speakers": _Creator(
        _GROUP_CHAT + "_manager", "ensure_future", SELECTION
    ),
    "AssistantAgent._process_model_result.<locals>._execute_tool_calls": _Creator(
        "autogen_agentchat.agents._assistant_agent", "gather", CALL
    ),
    "LocalCommandLineCodeExecutor._setup_functions": _Creator(_EXECUTOR, "create_task", PROCESS),
    "LocalCommandLineCodeExecutor._execute_code_dont_check_setup": _Creator(
        _EXECUTOR, "create_task", PROCESS
    ),
    # The task that owns an MCP session serves every later call as well.
    "McpSessionActor.initialize": _Creator("autogen_ext.tools.mcp._actor", "create_task", HELPER),
}
"""By the qualified name of the code."""

_ASYNCHRONOUS: Final = (
    inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
)


def creation() -> tuple[Kind, FrameType] | None:
    """Return the kind of the task that AutoGen is creating, and the frame that does.

    Call it from within the task factory.

    Returns:
        None where other code creates the task.
    """
    frame: FrameType | None = sys._getframe(2)  # the factory's
    while frame is not None:
        code = frame.f_code
        creator = _CREATORS.get(code.co_qualname)
        if creator is not None and _is_creating(frame, creator):
            return creator.kind, frame
        if code.co_flags & _ASYNCHRONOUS:
            return None
        frame = frame.f_back
    return None


_STARTERS: Final = ("BaseGroupChat.run_stream", "BaseGroupChat.reset")


def starting_team() -> BaseGroupChat | None:
    """Return the team that is starting its own runtime just now; None where other code starts one.

    Nothing else distinguishes a team's own runtime from one that a tool or an agent starts during a
    run.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not frame.f_code.co_flags & _ASYNCHRONOUS:
        frame = frame.f_back
    if frame is None or frame.f_code.co_qualname not in _STARTERS:
        return None
    if frame.f_globals.get("__name__") != _GROUP_CHAT:
        return None
    return cast(BaseGroupChat, frame.f_locals["self"])


_METHODS: Final = (
    Method(RunContext, "__init__"),
    Method(SingleThreadedAgentRuntime, "_process_next"),
    Method(SingleThreadedAgentRuntime, "start"),
    Method(BaseGroupChat, "run_stream"),
    Method(BaseGroupChat, "reset"),
    Method(BaseGroupChatManager, "_transition_to_next_speakers"),
    Method(AssistantAgent, "_process_model_result"),
)
"""The methods that must be AutoGen's own, behind whatever wrappers, for a run to be followed."""


def refuse_replaced() -> None:
    """Raise where AutoGen's own code is not called in a run, so that it could not be followed.

    Raises:
        UsageError: One of AutoGen's methods was replaced.
    """
    for method in _METHODS:
        if method.replaced is not None:
            raise UsageError(
                f"AutoGen's {method.qualname} was replaced by {_place(method.replaced)}, which "
                "does not call AutoGen's own, and without that no run can be followed; wrap the "
                "method instead, with functools.wraps or a like that sets __wrapped__"
            )


def _place(function: object) -> str:
    code = getattr(function, "__code__", None)
    if code is None:
        return repr(function)
    return f"{code.co_qualname} ({code.co_filename}:{code.co_firstlineno})"


_known: Final[dict[tuple[str, int], bool]] = {}


def _is_creating(frame: FrameType, creator: _Creator) -> bool:
    """Return whether the frame is at that call: other calls of its may create other tasks."""
    if frame.f_globals.get("__name__") != creator.module:
        return False
    at = (frame.f_code.co_qualname, frame.f_lasti)
    if at not in _known:
        _known[at] = _start_at(frame) in set(_starts(frame.f_code, creator.call))
    return _known[at]


_Start = tuple[int | None, int | None]  # line and column


def _start_at(frame: FrameType) -> _Start:
    """Return where the expression begins that a frame is at."""
    positions = frame.f_code.co_positions()
    line, _, column, _ = next(itertools.islice(positions, frame.f_lasti // 2, None))
    return line, column


def _starts(code: CodeType, name: str) -> Iterator[_Start]:
    """Yield where the calls of `asyncio.name` begin."""
    for instruction in dis.get_instructions(code):
        if instruction.argval == name and instruction.positions is not None:
            yield instruction.positions.lineno, instruction.positions.col_offset
