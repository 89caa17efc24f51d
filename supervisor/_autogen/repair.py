"""The repair after a run: its team is made consistent, and the result agrees with the team."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from autogen_agentchat.messages import BaseChatMessage
from autogen_core.model_context import ChatCompletionContext

from supervisor._autogen import mcp_sessions, results, upstream
from supervisor._autogen.history.team_repair import TeamRepair, TurnRepair
from supervisor._autogen.history.team_run import TeamRun
from supervisor._autogen.messages import Event, Item
from supervisor._autogen.results import Remains
from supervisor._autogen.run_context import RunContext
from supervisor._core.channel import Channel
from supervisor._reports import log_events
from supervisor._reports.log import reporter


def make_usable(context: RunContext, things: Iterable[object]) -> None:
    """Make the surroundings of a team usable again; only once nothing of the run is at work.

    Args:
        context: The context of the run.
        things: The team, and the components that it holds.
    """
    context.close_journal()
    for engine in context.engines.values():
        engine.forget_failure()
    for thing in things:
        mcp_sessions.forget_ended(thing)
        upstream.unmark_running(thing)


class Repair:
    """The repair of a stopped run's team, and the messages of the run's result.

    Args:
        context: The context of the run, of which `make_usable` was called.
        channel: The events that were delivered.
        task: What the run was given.
    """

    def __init__(self, context: RunContext, channel: Channel[Event], task: object) -> None:
        self._journal = context.journal
        self._channel = channel
        self._task = task
        self._has_taken: bool | None = None  # None where it is unknown
        self._remains = Remains()

    def may_wait(self, things: Iterable[object]) -> bool:
        """Return whether the repair calls code of the user's, which may really wait.

        Args:
            things: The team, and the components that it holds.
        """
        called = list[object]()
        for group in self._journal.groups():
            called += [group.manager, group.condition]
        called += [thing for thing in things if isinstance(thing, ChatCompletionContext)]
        return not all(thing is None or upstream.is_autogens(thing) for thing in called)

    def apply(self) -> None:
        """Make the team, or the agent, consistent; in any thread, while nothing is at work on it.

        What fails is logged: a user's manager, condition or context may raise anything.
        """
        try:
            self._apply()
        except Exception as error:  # noqa: BLE001 - of the user's; see above
            reporter.event(log_events.NOT_CONSISTENT, exc_info=error)
            for group in self._journal.groups():
                group.unlock()

    def _apply(self) -> None:
        root, turn = self._journal.root, self._journal.turn
        for team_run in self._journal.others:
            TeamRepair(team_run).apply()
        if root is not None:
            seen = {id(message) for message in self._channel.held()}
            team = TeamRepair(root)
            team.apply(is_seen=any(id(message) in seen for message in root.task))
            self._has_taken, self._remains = team.has_taken, team.remains
        elif turn is not None:
            agent = TurnRepair(turn)
            self._has_taken = agent.apply(_messages(self._task))
            self._remains = agent.remains

    @property
    def has_taken(self) -> bool:
        """Whether the team, or the agent, has taken the task."""
        if self._has_taken is None:  # a user's own team class: it has, if it says anything
            return bool(self._channel.held())
        return self._has_taken

    def messages(self, *, shows_task: bool) -> list[Item]:
        """Return the messages of the result.

        Args:
            shows_task: Whether the task's messages are among them, if the team has taken them.
        """
        root = self._journal.root
        shown = cast("list[Item]", self._channel.held())  # a result is none of them
        held = root.added() if root is not None else []
        items = results.with_new(results.merged(shown, held), self._remains.events)
        items = results.with_answers(items, held, self._remains)
        if self._has_taken is None:
            return items
        task = root.task if root is not None else _messages(self._task)
        first = task if shows_task and self._has_taken else []
        return [*first, *results.without(items, task)]


def natural(shown: list[Item], root: TeamRun, *, shows_task: bool) -> list[Item]:
    """Return the messages of AutoGen's own result, merged with all that the team holds.

    They are the same, in the same order, except where branches are parallel, or where an agent has
    kept its inner messages from the stream.
    """
    held = root.added()
    return results.merged(shown, held if shows_task else results.without(held, root.task))


def repair_handlers(context: RunContext) -> None:
    """Make the teams consistent that the handlers of a worker's agents have run."""
    make_usable(context, ())
    for team_run in filter(None, (context.journal.root, *context.journal.others)):
        TeamRepair(team_run).apply()


def _messages(task: object) -> list[BaseChatMessage]:
    given = cast("list[object]", task if isinstance(task, list) else [task])
    return [message for message in given if isinstance(message, BaseChatMessage)]
