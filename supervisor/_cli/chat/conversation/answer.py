"""One answer of a team: a run, and what is to be known of it once it is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from supervisor._cli.chat.conversation.exchange import ExchangeOutcome
from supervisor._cli.user_code import summary
from supervisor._core.errors import HandedOff, Quarantined

if TYPE_CHECKING:
    from supervisor._autogen.adapter import Runnable
    from supervisor._autogen.messages import Message
    from supervisor._supervisor.facade import Supervisor


class Answer:
    """One run.

    Args:
        sup: The supervisor.
        runnable: The team or the agent.
        task: What it is given; None to go on.
        on_turn: Called after each turn with the state, and with the number of messages since the
            start.
    """

    def __init__(
        self,
        sup: Supervisor,
        runnable: Runnable,
        task: Message | None,
        on_turn: Callable[[Mapping[str, Any], int], None],
    ) -> None:
        from supervisor._autogen import turns

        self.error: Exception | None = None
        """What it has failed with."""
        self._is_steered = False
        self._task = task
        self._run = sup.stream(runnable, task, output_task_messages=False)
        turns.watch(self._run, on_turn)

    async def read(self, on_event: Callable[[object], None]) -> None:
        """Read it to its end; what it fails with is in `error`."""
        from supervisor._autogen import user_words

        try:
            async for event in self._run:
                if user_words.is_said_by_team(event, self._task):
                    on_event(event)
        except Exception as error:  # noqa: BLE001 - a user's agent may raise anything
            self.error = error

    def stop(self) -> None:
        """Stop it now."""
        self._run.stop("Stopped by the user")

    def steer(self) -> None:
        """End it where the turn in progress ends."""
        self._is_steered = True
        self._run.drain("Interrupted by the user's next words")

    # -- once it is over ------------------------------------------------------------------------

    @property
    def is_given_up(self) -> bool:
        """Whether something of it refused to end, so that the team cannot be used again."""
        return isinstance(self.error, Quarantined)

    @property
    def was_steered(self) -> bool:
        """Whether it has ended where a turn ended, for other words to go in."""
        return self._is_steered and self._run.is_drained

    @property
    def was_stopped(self) -> bool:
        """Whether it was stopped, and not only steered."""
        is_stopped = self._run.stop_request is not None and self.error is None
        return is_stopped and not self.was_steered

    @property
    def leaves_nothing(self) -> bool:
        """Whether it was cut off before anything was finished in it that is to stay."""
        from supervisor._autogen import turns

        if self.was_steered:
            return not self.has_taken_task
        is_cut = self.was_stopped or self.error is not None
        return is_cut and not turns.has_answer(self._run, self._task)

    @property
    def has_taken_task(self) -> bool:
        """Whether the team has taken the task."""
        return self._run.has_taken_task

    @property
    def messages(self) -> int:
        """How many messages were said in it, without the task."""
        from supervisor._autogen import turns

        return turns.count_said(self._run, self._task)

    @property
    def outcome(self) -> ExchangeOutcome:
        """What it has come to, if what was finished of it stays."""
        if self.error is not None:
            return "failed"
        return "stopped" if self.was_stopped else "finished"

    @property
    def notice(self) -> str:
        """Why it has ended; "" where there is nothing to say."""
        if isinstance(self.error, HandedOff):
            return f"The team has handed off to {self.error.target!r}; type an answer."
        if self.error is not None:
            return f"The answer has failed: {summary(self.error).rstrip('.')}."
        if self.was_stopped:
            return "Stopped."
        result = self._run.result
        is_own_end = result is not None and self._run.stop_request is None
        return (result.stop_reason or "") if result is not None and is_own_end else ""
