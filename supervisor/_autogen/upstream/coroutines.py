"""What the tasks of a run do, and what they work on, as they are created."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import inspect
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_core import FunctionCall, SingleThreadedAgentRuntime
from autogen_core._single_threaded_agent_runtime import RunContext

from supervisor._autogen.kinds import SELECTION
from supervisor._autogen.upstream.creators import creation
from supervisor._core.tasks import WORK, Kind

HANDLER_ERROR: Final = "Error processing publish message"
"""How the runtime's log record about a handler that raised begins (also a cancelled one)."""


_NOTHING: Final = (WORK, None)
# Created with each streamed chunk, and of no interest to a run.
_OFTEN: Final = {"SingleThreadedAgentRuntime._process_publish.<locals>._on_message", "Queue.get"}


def classify(coro: Any) -> tuple[Kind, FrameType | None]:
    """Classify the task that is being created for a coroutine; WORK for a user's.

    Returns:
        The kind, and the frame of AutoGen's that creates it, if one does; do not keep it.
    """
    code: CodeType | None = getattr(coro, "cr_code", None)
    if code is not None and code.co_qualname in _OFTEN:
        return _NOTHING
    found = creation()
    if found is not None:
        return found
    # Of a manager of the user's that asks for the next speaker in a way of its own.
    is_selection = code is not None and code.co_name == "select_speaker"
    return (SELECTION, None) if is_selection else _NOTHING


_GATHERING: Final = "AssistantAgent._process_model_result.<locals>._execute_tool_calls"


def gathers_calls(task: asyncio.Task[Any]) -> bool:
    """Return whether a task waits for the tool calls of an `AssistantAgent`'s turn.

    Where one of them raises, this task ends without the item that its agent waits for.
    """
    code: CodeType | None = getattr(task.get_coro(), "cr_code", None)
    return code is not None and code.co_qualname == _GATHERING


def has_begun(coro: Any) -> bool:
    """Return whether a coroutine has been resumed at least once."""
    return inspect.getcoroutinestate(coro) != inspect.CORO_CREATED


class WantedCall(NamedTuple):
    """A tool call that an agent's model wants."""

    call: FunctionCall
    agent: str
    """The name of the agent."""
    is_handoff: bool


def tool_call(frame: FrameType, number: int) -> WantedCall:
    """Return the call that a CALL carries out.

    Args:
        frame: Where the task is created.
        number: How many tasks of the same request were created before it.
    """
    given = frame.f_locals
    call: FunctionCall = given["function_calls"][number]
    is_handoff = any(tool.name == call.name for tool in given["handoff_tools"])
    return WantedCall(call, given["agent_name"], is_handoff)


def message_loop(frame: FrameType) -> RunContext:
    """Return the context of an ENGINE that is created in a frame."""
    context: RunContext = frame.f_locals["self"]
    return context


def envelope_in(frame: FrameType) -> tuple[SingleThreadedAgentRuntime, Any]:
    """Return the runtime of a HANDLER that is created in a frame, and the envelope to deliver."""
    given = frame.f_locals
    return given["self"], given["message_envelope"]


def selecting_manager(coro: Any, frame: FrameType | None) -> BaseGroupChatManager | None:
    """Return the manager that is about to select the next speaker.

    Args:
        coro: The coroutine of the selection.
        frame: Where it is created; None in a user's code.
    """
    names = coro.cr_frame.f_locals if frame is None else frame.f_locals
    asking = names.get("self")
    manager = getattr(asking, "manager", asking)  # our override of `select_speaker` has one
    return manager if isinstance(manager, BaseGroupChatManager) else None
