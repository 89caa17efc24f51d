"""The conclusion of a run: its team is made consistent, and what was delivered agrees with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import cast

from autogen_agentchat.messages import BaseChatMessage
from autogen_core.model_context import ChatCompletionContext

from supervisor.autogen import private, sessions
from supervisor.autogen.channel import Channel, Item
from supervisor.autogen.reach import reach
from supervisor.autogen.stage import Stage
from supervisor.log import reporter


def repair(stage: Stage, team: object) -> None:
    """Make what is around a team usable again; only once nothing of the run is at work."""
    stage.close_journal()
    for engine in stage.engines.values():
        engine.forget_failure()
    for thing in reach(team):
        sessions.forget_ended(thing)
        private.free(thing)


class Conclusion:
    """What is to be made of a stopped run.

    Args:
        stage: Of the run, which was repaired.
        channel: What was delivered.
        task: What the run was given.
    """

    def __init__(self, stage: Stage, channel: Channel, task: object) -> None:
        self._journal = stage.journal
        self._channel = channel
        self._task = task
        self._messages: Sequence[BaseChatMessage] = []  # the task's own
        self._has_taken: bool | None = None  # whether the team has; None where nothing tells
        self._said: Sequence[Item] = []

    def may_wait(self, team: object) -> bool:
        """Whether something of the user's is called, which may really wait."""
        called = list[object]()
        for group in self._journal.groups():
            called += [group.manager, group.condition]
        called += [thing for thing in reach(team) if isinstance(thing, ChatCompletionContext)]
        return not all(thing is None or private.is_autogens(thing) for thing in called)

    def draw(self) -> None:
        """Make the team, or the agent, consistent; in any thread, while nothing is at work on it.

        What cannot be is logged: a user's manager, condition or context may raise anything.
        """
        try:
            self._draw()
        except Exception as error:  # noqa: BLE001 - of the user's; see above
            event = "team not made consistent; reset() it before its next run"
            reporter.event(event, level=logging.ERROR, exc_info=error)
            for group in self._journal.groups():
                group.unlock()

    def _draw(self) -> None:
        root, turn = self._journal.root, self._journal.turn
        for chat in self._journal.others:
            chat.conclude()
        if root is not None:
            seen = {id(message) for message in self._channel.held()}
            root.conclude(is_seen=any(id(message) in seen for message in root.task))
            self._messages, self._has_taken = root.task, root.has_taken
            self._said = [*root.said(), *root.unheard()]
        elif turn is not None:
            self._messages = _messages(self._task)
            self._has_taken = turn.conclude_run(self._messages)

    def show(self, *, shows_task: bool, was_drained: bool) -> None:
        """Have what was delivered agree with it.

        Args:
            shows_task: Whether the task's messages are to be there, if the team has taken them.
            was_drained: Whether the run has ended between two turns: all that was said is shown.
        """
        if shows_task and self._has_taken is not None:
            own = {id(message) for message in self._messages}
            others = [item for item in self._channel.delivered if id(item) not in own]
            taken = len(self._messages) if self._has_taken else 0
            self._channel.delivered[:] = [*self._messages[:taken], *others]
        if was_drained:
            seen = {id(item) for item in self._channel.held()}
            for item in self._said:
                if id(item) not in seen:
                    self._channel.put(item)


def conclude_handlers(stage: Stage) -> None:
    """Make those teams consistent that the handlers of a worker's agents have run."""
    repair(stage, None)
    for chat in filter(None, (stage.journal.root, *stage.journal.others)):
        chat.conclude()


def _messages(task: object) -> list[BaseChatMessage]:
    given = cast("list[object]", task if isinstance(task, list) else [task])
    return [message for message in given if isinstance(message, BaseChatMessage)]
