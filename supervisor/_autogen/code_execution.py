"""Code that an agent has given to its executor: whether it has begun, and what it has answered.

Code that has begun may have taken effect, like a tool that was called. So its turn is kept, its
output says that it was interrupted, and it is not run again. It counts as begun as soon as its
executor was asked: no executor tells when the code really starts.

The code is found by the frames in which a handler waits. Not chosen: to put a stand-in around
executors. The user's code could tell it from the real one.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import FrameType
from typing import Final

from autogen_agentchat.agents import CodeExecutorAgent
from autogen_agentchat.messages import CodeExecutionEvent, TextMessage
from autogen_core.code_executor import CodeExecutor, CodeResult
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import UserMessage

from supervisor._autogen import upstream
from supervisor._autogen.repair_thread import drive_sync
from supervisor._core.tasks import AnyTask
from supervisor._reports.frames import frames_of

INTERRUPTED: Final = (
    "Interrupted: the run was stopped before this code had ended; it may have taken effect."
)
CANCELLED: Final = 125
"""The exit code of what was interrupted, as AutoGen's local executor has it."""


def can_run() -> bool:
    """Return whether anything in the process can have an executor."""
    return bool(CodeExecutor.__subclasses__())


def executor_in(frames: Sequence[FrameType]) -> CodeExecutor | None:
    """Return the executor that a task waits for, by the frames it waits in."""
    for frame in frames:
        if frame.f_code.co_name == "execute_code_blocks":
            found = frame.f_locals.get("self")
            if isinstance(found, CodeExecutor):
                return found
    return None


class Code:
    """Code that was begun in a turn.

    Args:
        agent: The agent of AutoGen's that waits for it; None where the agent is one of the user's,
            or where the code has ended.
        attempt: Which of the agent's attempts it is, from 0.
        result: What it has come to, as it was recorded; None where it was interrupted by this stop.
    """

    def __init__(
        self,
        agent: CodeExecutorAgent | None = None,
        attempt: int = 0,
        result: CodeResult | None = None,
    ) -> None:
        self.answer: TextMessage | None = None
        """What an agent without a model says of it; that is its whole turn."""
        self.event: CodeExecutionEvent | None = None
        """What is shown of it, where a model goes on with it."""
        self._context: ChatCompletionContext | None = None
        if agent is None:
            return
        result = result or CodeResult(exit_code=CANCELLED, output=INTERRUPTED)
        if not upstream.has_model(agent):
            self.answer = TextMessage(content=result.output, source=agent.name)
            return
        self.event = CodeExecutionEvent(retry_attempt=attempt, result=result, source=agent.name)
        self._context = agent.model_context
        self._before = upstream.messages_of(agent.model_context)
        self._length = len(self._before or [])

    def keep(self) -> None:
        """Let the agent remember the code's output, and nothing else about it.

        An executor may have made a result of its cancellation.
        """
        if self._context is None or self.event is None:
            return
        output = UserMessage(content=self.event.result.output, source=self.event.source)
        if self._before is None:
            drive_sync(self._context.add_message(output))
        else:
            upstream.put_messages(self._context, [*self._before[: self._length], output])


def begun_by(task: AnyTask) -> Code | None:
    """Return the code that a handler waits for, or that was run in its turn."""
    frames = frames_of(task)
    is_running = executor_in(frames) is not None
    for frame in frames:
        found = upstream.code_agent(frame)
        if found is not None and is_running:
            return Code(found.agent, found.attempt)
        if found is not None:
            return Code() if found.has_executed else None
    return Code() if is_running else None
