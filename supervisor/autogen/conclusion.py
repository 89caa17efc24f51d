"""The conclusion of a run: its team is made consistent, and what was delivered agrees with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import cast

from autogen_agentchat.messages import BaseChatMessage

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


def conclude(
    stage: Stage, channel: Channel, task: object, *, shows_task: bool, was_drained: bool
) -> None:
    """Make the team, or the agent, consistent.

    What cannot be is logged: a user's manager, condition or context may raise anything.

    Args:
        stage: Of the run.
        channel: What was delivered. Afterwards it holds the task's own messages exactly if the
            team has taken them, and of a drained run all that was said.
        task: What the run was given.
        shows_task: Whether the task's messages are among the events.
        was_drained: Whether the run has ended between two turns.
    """
    try:
        taken, said = _conclude(stage, channel, task)
    except Exception as error:  # noqa: BLE001 - of the user's; see above
        event = "team not made consistent; reset() it before its next run"
        reporter.event(event, level=logging.ERROR, exc_info=error)
        for group in stage.journal.groups():
            group.unlock()
        return
    if shows_task and taken is not None:
        _show_task(channel, *taken)
    if was_drained:
        _show(channel, said)


def _conclude(
    stage: Stage, channel: Channel, task: object
) -> tuple[tuple[list[BaseChatMessage], bool] | None, Sequence[Item]]:
    """What the task's messages are and whether they were taken, and what was said."""
    root, turn = stage.journal.root, stage.journal.turn
    for chat in stage.journal.others:
        chat.conclude()
    if root is not None:
        seen = {id(message) for message in channel.held()}
        root.conclude(is_seen=any(id(message) in seen for message in root.task))
        return (root.task, root.has_taken), [*root.said(), *root.unheard()]
    if turn is not None:
        messages = _messages(task)
        return (messages, turn.conclude_run(messages)), []
    return None, []


def conclude_handlers(stage: Stage) -> None:
    """Make those teams consistent that the handlers of a worker's agents have run."""
    repair(stage, None)
    for chat in filter(None, (stage.journal.root, *stage.journal.others)):
        chat.conclude()


def _messages(task: object) -> list[BaseChatMessage]:
    given = cast("list[object]", task if isinstance(task, list) else [task])
    return [message for message in given if isinstance(message, BaseChatMessage)]


def _show_task(channel: Channel, task: list[BaseChatMessage], has_taken: bool) -> None:  # noqa: FBT001
    own = {id(message) for message in task}
    others = [item for item in channel.delivered if id(item) not in own]
    channel.delivered[:] = [*task, *others] if has_taken else others


def _show(channel: Channel, said: Sequence[Item]) -> None:
    seen = {id(item) for item in channel.held()}
    for item in said:
        if id(item) not in seen:
            channel.put(item)
