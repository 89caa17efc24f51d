"""The tool calls of `AssistantAgent`s: begun or not, ended or not, and with which result.

A call that has begun may have taken effect, and is not made again. One that has not begun is taken
back with its turn. The difference is one step of the loop: AutoGen starts a task for each call, and
most workbenches start another one for the tool within it.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from autogen_core import FunctionCall
from autogen_core.models import FunctionExecutionResult

from supervisor._autogen import upstream
from supervisor._core.tasks import AnyTask


class KnownCall(Protocol):
    """What is known of a tool call, by its task or by what was recorded of it."""

    call: FunctionCall
    """What is called."""
    is_handoff: bool
    """Whether it hands off to another agent."""

    @property
    def has_started(self) -> bool:
        """Whether the tool itself was reached."""
        ...

    @property
    def has_taken_effect(self) -> bool:
        """Whether it must not be made again."""
        ...

    @property
    def result(self) -> FunctionExecutionResult | None:
        """What stands behind it in a model context; None where that is to be found out."""
        ...


class Call:
    """One tool call, by its task.

    Args:
        task: The task of AutoGen's that carries it out.
        coro: Its coroutine, before its first step.
        call: What is called.
        agent: The name of the agent that makes it.
        is_handoff: Whether it hands off to another agent.
    """

    def __init__(
        self, task: AnyTask, coro: Any, call: FunctionCall, agent: str, *, is_handoff: bool = False
    ) -> None:
        self.call = call
        self.agent = agent
        self.is_handoff = is_handoff
        self.made_by = asyncio.current_task()
        """The task in which the calls of one request are made."""
        self.task = task
        self._coro = coro
        self._children: list[Any] = []
        self._has_started: bool | None = None

    def add_child(self, coro: Any) -> None:
        """Note a task that the call has started, by its coroutine."""
        self._children.append(coro)

    def refuse(self) -> None:
        """Note that the tool is not reached any more."""
        self._has_started = False

    def freeze(self) -> None:
        """Fix whether it has started: a call that is cancelled now does not start any more."""
        self._has_started = self.has_started

    @property
    def has_started(self) -> bool:
        """Whether the tool itself was reached."""
        if self._has_started is not None:
            return self._has_started
        if self.task.done():
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
        """What the tool has answered; None where it has not."""
        if not self.task.done() or self.task.cancelled() or self.task.exception() is not None:
            return None
        match self.task.result():
            case (_, FunctionExecutionResult() as result):
                return result
            case _:  # a wrapper may answer anything
                return None


class ToolCalls:
    """The tool calls of a run, by their tasks."""

    def __init__(self) -> None:
        self._calls: dict[AnyTask, Call] = {}

    def add(self, task: AnyTask, coro: Any, frame: Any) -> Call:
        """Note a call.

        Args:
            task: The task that carries it out.
            coro: Its coroutine.
            frame: The frame that creates the task.
        """
        number = len(self.of_request(asyncio.current_task()))
        found = upstream.tool_call(frame, number)
        call = self._calls[task] = Call(
            task, coro, found.call, found.agent, is_handoff=found.is_handoff
        )
        return call

    def of_request(self, made_by: AnyTask | None) -> list[Call]:
        """Return the calls of one request of a model, by the task in which they are made."""
        return [call for call in self._calls.values() if call.made_by is made_by]

    def add_child(self, task: AnyTask, coro: Any) -> None:
        """Note that a task which carries out a call has started another task."""
        self._calls[task].add_child(coro)

    def at(self, task: AnyTask) -> Call | None:
        """Return the call that a task carries out."""
        return self._calls.get(task)

    def freeze(self) -> None:
        """Fix for each call whether it has started."""
        for call in self._calls.values():
            call.freeze()

    def drop_done(self) -> None:
        """Forget the calls that have ended."""
        self._calls = {task: call for task, call in self._calls.items() if not task.done()}


def interrupted(wanted: FunctionCall, *, has_begun: bool) -> FunctionExecutionResult:
    """Return the result for a call that got none."""
    what = "it may have taken effect" if has_begun else "it was not started"
    return FunctionExecutionResult(
        content=f"Interrupted: the run was stopped before this call had a result; {what}.",
        name=wanted.name,
        call_id=wanted.id,
        is_error=True,
    )
