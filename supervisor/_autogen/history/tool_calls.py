"""A tool call of an `AssistantAgent`: begun or not, ended or not, and with which result.

A call that has begun may have taken effect, and is not made again; one that has not is taken back
with its turn. The difference is one step of the loop: AutoGen starts a task for each call, and
most workbenches start another one for the tool within it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from autogen_core import FunctionCall
from autogen_core.models import FunctionExecutionResult

from supervisor._autogen import upstream
from supervisor._core.tasks import AnyTask


class Call:
    """One tool call, by its task.

    Args:
        task: The task of AutoGen's that carries it out.
        coro: Its coroutine, before its first step.
        call: What is called.
        agent: The name of the agent that makes it, where that is known.
        is_handoff: Whether it hands off to another agent.
    """

    def __init__(
        self,
        task: AnyTask,
        coro: Any,
        call: FunctionCall,
        agent: str | None = None,
        *,
        is_handoff: bool = False,
    ) -> None:
        self.call = call
        self.agent = agent
        self.is_handoff = is_handoff
        self.made_by = asyncio.current_task()
        """The task in which the calls of one request are made."""
        self._task = task
        self._coro = coro
        self._children: list[Any] = []
        self._has_started: bool | None = None

    def add_child(self, coro: Any) -> None:
        """Note a task that it has started, by its coroutine."""
        self._children.append(coro)

    def freeze(self) -> None:
        """Say for good whether it has started: what is cancelled now does not start any more."""
        if self._has_started is None:
            self._has_started = self.has_started

    @property
    def has_started(self) -> bool:
        """Whether the tool itself was reached."""
        if self._has_started is not None:
            return self._has_started
        if self._task.done():
            return True
        if not upstream.has_begun(self._coro):
            return False
        return not self._children or any(upstream.has_begun(child) for child in self._children)

    @property
    def has_taken_effect(self) -> bool:
        """Whether it must not be made again. A handoff does nothing by itself."""
        return self.has_started and not self.is_handoff

    @property
    def result(self) -> FunctionExecutionResult | None:
        """What the tool has answered; None where it did not."""
        if not self._task.done() or self._task.cancelled() or self._task.exception() is not None:
            return None
        match self._task.result():
            case (_, FunctionExecutionResult() as result):
                return result
            case _:  # a wrapper may answer anything
                return None


def interrupted(wanted: FunctionCall, *, has_begun: bool) -> FunctionExecutionResult:
    """The result of a call that got none."""
    what = "it may have taken effect" if has_begun else "it was not started"
    return FunctionExecutionResult(
        content=f"Interrupted: the run was stopped before this call had a result; {what}.",
        name=wanted.name,
        call_id=wanted.id,
        is_error=True,
    )
