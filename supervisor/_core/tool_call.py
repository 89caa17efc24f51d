"""The tool call that the running code belongs to, for the code of the tool."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolCall:
    """A tool call of a run that is kept, or code that such a run executes.

    Args:
        agent: The name of the agent that makes it.
        name: The name of the tool; of code, the class of the executor.
        arguments: JSON text, as the model has given it.
        call_id: The id that the model has given it; it may give the same to another call.
        idempotency_key: What no other call has, in any run: the same at each attempt of this one,
            also in another process.
        fence: A number that grows each time the run gets another owner. Who has seen a larger one
            can refuse this call, for it comes from a process that has lost the run.
    """

    agent: str
    name: str
    arguments: str
    call_id: str
    idempotency_key: str
    fence: int


CURRENT: Final[ContextVar[ToolCall | None]] = ContextVar("supervisor_tool_call", default=None)


def current_call() -> ToolCall | None:
    """Return the tool call that this code was called by.

    It is known in the tool, in whatever the tool calls or starts, and in a function that is no
    coroutine too, which AutoGen runs in a thread of the loop's default executor (unless the program
    has set an executor of its own there).

    Returns:
        None outside of a tool call, and in a run that is not kept, where no key would be stable:
        one without `id=`, or with `durability="exit"`.
    """
    return CURRENT.get()
