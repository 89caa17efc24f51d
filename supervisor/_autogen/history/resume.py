"""Stand-ins that let a team go on where it was interrupted, under the supervisor or without.

AutoGen has no word for "go on". A team within a team is always given a task, and refuses an empty
one. A model that selects the speaker is asked anew. Each stand-in does its work once, and then
removes itself.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, cast
from weakref import WeakKeyDictionary

from autogen_agentchat.base import TaskResult, Team, TerminationCondition
from autogen_agentchat.messages import BaseChatMessage, HandoffMessage
from autogen_core import CancellationToken, ComponentModel, MessageContext

from supervisor._autogen import upstream
from supervisor._autogen.upstream import ChatItem, Group, GroupChatStart, ManagerState
from supervisor._core.errors import HandedOff

Task = str | BaseChatMessage | Sequence[BaseChatMessage]
PutCondition = Callable[[TerminationCondition], None]


class EarlierRun:
    """The run of a team before an interruption, for the run that resumes it.

    Args:
        group: The team.
        task: What it was given.
        said: What its members have said.
        deltas: What its condition was asked with: the task, and what each turn has said.
        turns: How many turns were taken.
        has_ended: Whether it had come to its end, and need not go on.
        put_condition: Brings its condition to where it stood before all deltas; None resets it.
        is_same_turn: Whether the run that resumes it is part of the same turn: its result has what
            was said before as well.
    """

    def __init__(
        self,
        group: Group,
        task: Sequence[BaseChatMessage],
        said: Sequence[ChatItem],
        *,
        deltas: Sequence[Sequence[ChatItem]],
        turns: int,
        has_ended: bool,
        put_condition: PutCondition | None = None,
        is_same_turn: bool = False,
    ) -> None:
        self.put_condition = put_condition
        self.unfinished: list[ChatItem] = []
        """What was said in a turn that goes on: its condition is asked about it with the rest."""
        self.is_same_turn = is_same_turn
        self._group = group
        self.task = list(task)
        self.said = list(said)
        self.said_ids = {item.id for item in said}
        self.deltas = list(deltas)
        self.turns = turns
        self.has_ended = has_ended

    def add_said(self, items: Sequence[ChatItem]) -> None:
        """Add what its members have said in turns that were not finished."""
        new = [item for item in items if item.id not in self.said_ids]
        self.said.extend(new)
        self.said_ids.update(item.id for item in new)

    def resume(self, *, is_anew: bool) -> None:
        """Let the team count on, as if it had not been interrupted; or from zero."""
        _resumed.pop(self._group.manager, None)
        self._group.termination.ask_later(() if is_anew else self.unfinished)
        if not is_anew:
            self._group.termination.recount(self.turns, self.deltas, self.put_condition)
            _resumed[self._group.manager] = self


def refuse_handed_off(team: object, name: str, task: object) -> None:
    """Raise where a team waits for a `HandoffMessage`, and its task is none.

    Raises:
        HandedOff: It does.
    """
    given: list[object] = cast("list[object]", task) if isinstance(task, list) else [task]
    found = upstream.handed_off(team)
    if found is not None and not any(isinstance(item, HandoffMessage) for item in given):
        raise HandedOff(name, *found)


replayed: set[str] = set()
"""The ids of earlier events that are replayed to a summarising agent.

They are hidden from the user's stream, for the user has seen them.
"""


def is_replayed(event: object) -> bool:
    """Return whether an event is one of an earlier run that is replayed."""
    return bool(replayed) and getattr(event, "id", None) in replayed


def without_replayed(items: list[ChatItem]) -> list[ChatItem]:
    """Return the items of a run that has ended, without the replayed ones; forget those."""
    if not replayed:
        return items
    own = [item for item in items if not is_replayed(item)]
    replayed.difference_update(item.id for item in items)
    return own


_resumed: WeakKeyDictionary[object, EarlierRun] = WeakKeyDictionary()


def earlier_run(group: Group) -> EarlierRun | None:
    """Return the run that a team's beginning run resumes; asked once."""
    return _resumed.pop(group.manager, None)


class ResumingTeam(Team):
    """Stands in for a team within a team, or within an agent, that was interrupted.

    Its next run leaves out what the team was given before: where nothing is new, the team goes on
    without a task. Everything else goes to the team itself.

    Args:
        team: The team.
        put_back: Puts the team back in its place.
        earlier: What it did before the interruption; None where that is over.
        is_replayed: Whether that is replayed, for an agent that sums up what was said.
    """

    def __init__(
        self,
        team: Team,
        put_back: Callable[[], None],
        earlier: EarlierRun | None = None,
        *,
        is_replayed: bool = False,
    ) -> None:
        self.team = team
        self.earlier = earlier
        """What it did before the interruption."""
        self._put_back = put_back
        goes_on = earlier is not None and (is_replayed or earlier.is_same_turn)
        self._is_replayed = is_replayed
        self._taken = {m.id for m in earlier.task} if earlier and goes_on else set[str]()
        self.said = earlier.said if earlier and goes_on else []
        """What its result begins with."""

    @property
    def name(self) -> str:
        """The team's name."""
        return self.team.name

    @property
    def description(self) -> str:
        """The team's description."""
        return self.team.description

    async def run(
        self,
        *,
        task: Task | None = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
    ) -> TaskResult:
        """Go on, and return the result."""
        result: TaskResult | None = None
        async for event in self.run_stream(
            task=task,
            cancellation_token=cancellation_token,
            output_task_messages=output_task_messages,
        ):
            if isinstance(event, TaskResult):
                result = event
        assert result is not None
        return result

    async def run_stream(
        self,
        *,
        task: Task | None = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
    ) -> AsyncGenerator[ChatItem | TaskResult, None]:
        """Go on, and yield what is said."""
        self._put_back()
        if self._is_replayed:
            replayed.update(item.id for item in self.said)
            for item in self.said:
                yield item
        new = self._new(task)
        if self.earlier is not None and not new and self.earlier.has_ended:
            yield TaskResult(messages=self.said)
            return
        if self.earlier is not None:
            self.earlier.resume(is_anew=bool(new))
        async for event in self.team.run_stream(
            task=new,
            cancellation_token=cancellation_token,
            output_task_messages=output_task_messages,
        ):
            if isinstance(event, TaskResult):
                messages = [*self.said, *event.messages]
                yield TaskResult(messages=messages, stop_reason=event.stop_reason)
            else:
                yield event

    def _new(self, task: Task | None) -> str | BaseChatMessage | list[BaseChatMessage] | None:
        if task is None or isinstance(task, (str, BaseChatMessage)):
            return task
        return [message for message in task if self._is_new(message)] or None

    def _is_new(self, message: BaseChatMessage) -> bool:
        # A `SocietyOfMindAgent` tells its team what it was asked before; it has been told already.
        is_reminder = isinstance(message, HandoffMessage) and not message.target
        return message.id not in self._taken and not (is_reminder and self._taken)

    async def reset(self) -> None:
        """Reset the team."""
        self._put_back()
        await self.team.reset()

    async def pause(self) -> None:
        """Pause the team."""
        await self.team.pause()

    async def resume(self) -> None:
        """Resume the team."""
        await self.team.resume()

    async def save_state(self) -> Mapping[str, Any]:
        """Save the team's state."""
        return await self.team.save_state()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Load the team's state."""
        self._put_back()
        await self.team.load_state(state)

    def dump_component(self) -> ComponentModel:
        """Dump the team."""
        return self.team.dump_component()


def resume_member(
    group: Group, name: str, team: Team, earlier: EarlierRun | None = None
) -> ResumingTeam:
    """Put a stand-in in the place of a member that is a team, which is asked with nothing new.

    AutoGen would refuse that.
    """
    stand_in = ResumingTeam(team, functools.partial(group.put_agent, name, team), earlier)
    group.put_agent(name, stand_in)
    return stand_in


def behind(agent: Any) -> Any:
    """Return the agent or team itself, where a stand-in is in its place."""
    return agent.team if isinstance(agent, ResumingTeam) else agent


class NextSpeakers:
    """Overrides a manager's `select_speaker`, for the first turn after an interruption.

    The interrupted members speak next, where no new task has come. A graph that is given a new task
    begins at its start.

    Args:
        group: The team.
        names: The members that are asked; none where the manager finds them itself.
        then: The state by which the manager selects after that.
        unasked: An answer that has ended a turn, and about which the condition was not asked yet:
            it is asked first, and may end the team.
    """

    def __init__(
        self,
        group: Group,
        names: Sequence[str],
        *,
        then: ManagerState | None = None,
        unasked: Sequence[ChatItem] = (),
    ) -> None:
        self.manager = group.manager
        self.names = list(names)
        self.then = then or {}
        self.unasked = list(unasked)
        self._group = group
        self._heard = len(group.thread)
        self._last = group.thread[-1].id if group.thread else None
        self.put()

    def put(self) -> None:
        """Put the override in place."""
        vars(self.manager)["select_speaker"] = self.select_speaker

    def remove(self) -> None:
        """Remove the override."""
        vars(self.manager).pop("select_speaker", None)

    async def select_speaker(self, thread: Sequence[ChatItem]) -> list[str] | str:
        """Return the interrupted members; ask the manager where there is a new task."""
        self.remove()
        # By its id: the team may have been loaded from its own state meanwhile, or from another.
        heard = thread[self._heard - 1].id if 0 < self._heard <= len(thread) else None
        is_new_task = heard == self._last and len(thread) > self._heard
        if heard == self._last and not is_new_task and self.names:
            if self._group.graph is not None:
                self._group.graph.take_out(self.names)
            self._group.put_state(self.then)
            return list(self.names)
        if (
            self.unasked
            and not is_new_task
            and await self._group.termination.ends_with(self.unasked)
        ):
            return []
        if is_new_task and self._group.graph is not None:
            self._group.graph.start_over()
        return await self.manager.select_speaker(thread)


def next_speakers(group: Group) -> NextSpeakers | None:
    """Return the override that is in place for a team."""
    found = getattr(vars(group.manager).get("select_speaker"), "__self__", None)
    return found if isinstance(found, NextSpeakers) else None


class OneShotOverride:
    """Overrides how MagenticOne begins a run, for one run: AutoGen's asks for a task each time.

    Without a task the next run goes on: the orchestrator looks at what was said, and asks the next
    member. With a task it begins with the facts, as ever.

    Args:
        group: The team.
        is_replanning: Whether the orchestrator was making its plan anew, and its members were
            forgetting the old one.
        asked: Whom it had asked: they are asked again.
        unheard: An answer about which its condition was not asked yet.
    """

    def __init__(
        self,
        group: Group,
        *,
        is_replanning: bool,
        asked: Sequence[str] = (),
        unheard: Sequence[ChatItem] = (),
    ) -> None:
        self.is_replanning = is_replanning
        self.asked = asked
        self.unheard = unheard
        self._group = group
        vars(group.manager)["on_message_impl"] = self.on_message_impl

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        """Go on, where the run has no task; otherwise pass the message on."""
        manager = self._group.manager
        if not isinstance(message, GroupChatStart):
            return await type(manager).on_message_impl(manager, message, ctx)
        vars(manager).pop("on_message_impl", None)
        orchestrator = self._group.orchestrator
        if orchestrator is not None and message.messages is None and self._group.thread:
            token = ctx.cancellation_token
            return await orchestrator.resume(
                token, is_replanning=self.is_replanning, asked=self.asked, unheard=self.unheard
            )
        return await manager.on_message_impl(message, ctx)


def one_shot_override(group: Group) -> OneShotOverride | None:
    """Return the override that is in place for a team of MagenticOne's."""
    found = getattr(vars(group.manager).get("on_message_impl"), "__self__", None)
    return found if isinstance(found, OneShotOverride) else None
