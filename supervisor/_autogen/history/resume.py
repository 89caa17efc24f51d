"""Stand-ins that let a team go on where it was interrupted, under the supervisor or without.

AutoGen has no word for "go on": a team within a team is always given a task (and refuses an empty
one), and a model that selects the speaker is asked anew. Each stand-in does its work once, and
takes itself out of the way.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, cast
from weakref import WeakKeyDictionary

from autogen_agentchat.base import TaskResult, Team
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    HandoffMessage,
)
from autogen_core import CancellationToken, ComponentModel, MessageContext

from supervisor._autogen import upstream
from supervisor._autogen.upstream import Group, GroupChatStart, ManagerState
from supervisor._core.errors import HandedOff

Item = BaseAgentEvent | BaseChatMessage


class EarlierRun:
    """The part of a team's run before an interruption, for one that goes on within a longer turn.

    Args:
        group: The team.
        task: What it was given.
        said: What its members have said.
        deltas: The same, as its condition was asked with: the task, and what each turn has said.
        turns: How many turns that were.
        has_ended: Whether it had come to its end, and need not go on.
    """

    def __init__(
        self,
        group: Group,
        task: Sequence[BaseChatMessage],
        said: Sequence[Item],
        *,
        deltas: Sequence[Sequence[Item]],
        turns: int,
        has_ended: bool,
    ) -> None:
        self._group = group
        self.task = list(task)
        self.said = list(said)
        self.deltas = list(deltas)
        self.turns = turns
        self.has_ended = has_ended

    def resume(self, *, is_anew: bool) -> None:
        """Have the team count on, as if it had not been interrupted; or from zero."""
        _resumed.pop(self._group.manager, None)
        if not is_anew:
            self._group.count_again(self.turns, self.deltas)
            _resumed[self._group.manager] = self


def refuse_handed_off(team: object, name: str, task: object) -> None:
    """Raise where a team waits for a `HandoffMessage`, and its task is none.

    Raises:
        HandedOff: So it is.
    """
    given: list[object] = cast("list[object]", task) if isinstance(task, list) else [task]
    found = upstream.handed_off(team)
    if found is not None and not any(isinstance(item, HandoffMessage) for item in given):
        raise HandedOff(name, *found)


_told: set[str] = set()  # the ids of what is told again, to who sums it up; users know it already


def was_told(event: object) -> bool:
    """Whether an event was among those of an earlier run."""
    return bool(_told) and getattr(event, "id", None) in _told


def without_told(items: list[Item]) -> list[Item]:
    """The items of a run that has ended, without those of an earlier run."""
    if not _told:
        return items
    own = [item for item in items if not was_told(item)]
    _told.difference_update(item.id for item in items)
    return own


_resumed: WeakKeyDictionary[object, EarlierRun] = WeakKeyDictionary()


def part_before(group: Group) -> EarlierRun | None:
    """What the run of a team that begins now continues; asked once."""
    return _resumed.pop(group.manager, None)


class ResumingTeam(Team):
    """Stands in for a team within a team, or within an agent, that was interrupted.

    Its next run does without what the team was given before: it goes on without a task where
    nothing is new. Everything else goes to the team itself.

    Args:
        team: The team.
        put_back: Puts the team back in its place.
        part: What it did before the interruption; None where that is over.
        is_told: Whether that is told again, for one who sums up what was said.
    """

    def __init__(
        self,
        team: Team,
        put_back: Callable[[], None],
        part: EarlierRun | None = None,
        *,
        is_told: bool = False,
    ) -> None:
        self.team = team
        self._put_back = put_back
        self._part = part
        self._taken = {message.id for message in part.task} if part and is_told else set[str]()
        self._said = part.said if part is not None and is_told else []

    @property
    def name(self) -> str:
        """The team's."""
        return self.team.name

    @property
    def description(self) -> str:
        """The team's."""
        return self.team.description

    async def run(
        self,
        *,
        task: str | BaseChatMessage | Sequence[BaseChatMessage] | None = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
    ) -> TaskResult:
        """Go on, and give the result."""
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
        task: str | BaseChatMessage | Sequence[BaseChatMessage] | None = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
    ) -> AsyncGenerator[Item | TaskResult, None]:
        """Go on."""
        self._put_back()
        _told.update(item.id for item in self._said)
        for item in self._said:
            yield item
        new = self._new(task)
        if self._part is not None and not new and self._part.has_ended:
            yield TaskResult(messages=self._said)
            return
        if self._part is not None:
            self._part.resume(is_anew=bool(new))
        async for event in self.team.run_stream(
            task=new,
            cancellation_token=cancellation_token,
            output_task_messages=output_task_messages,
        ):
            if isinstance(event, TaskResult):
                messages = [*self._said, *event.messages]
                yield TaskResult(messages=messages, stop_reason=event.stop_reason)
            else:
                yield event

    def _new(
        self, task: str | BaseChatMessage | Sequence[BaseChatMessage] | None
    ) -> str | BaseChatMessage | list[BaseChatMessage] | None:
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


def behind(agent: Any) -> Any:
    """The agent or team itself, where a stand-in is in its place."""
    return agent.team if isinstance(agent, ResumingTeam) else agent


class NextSpeakers:
    """Stands in for a manager's `select_speaker`, for the first turn after an interruption.

    Who was interrupted speaks next, where no new task has come. A graph that is given a new task
    begins at its start.

    Args:
        group: The team.
        names: Who is asked without being selected; nobody where the manager will find them itself.
        then: What the manager will select by after that.
    """

    def __init__(
        self, group: Group, names: Sequence[str], *, then: ManagerState | None = None
    ) -> None:
        self.manager = group.manager
        self.names = list(names)
        self.then = then or {}
        self._group = group
        self._heard = len(group.thread)
        self._last = group.thread[-1].id if group.thread else None
        self.put()

    def put(self) -> None:
        """Put it in place."""
        vars(self.manager)["select_speaker"] = self.select_speaker

    def remove(self) -> None:
        """Take it out of the way."""
        vars(self.manager).pop("select_speaker", None)

    async def select_speaker(self, thread: Sequence[Item]) -> list[str] | str:
        """Tell who was interrupted; ask the manager where there is a new task."""
        self.remove()
        # By its id: the team may have been loaded from its own state meanwhile, or from another.
        heard = thread[self._heard - 1].id if 0 < self._heard <= len(thread) else None
        is_new_task = heard == self._last and len(thread) > self._heard
        if heard == self._last and not is_new_task and self.names:
            if self._group.is_graph:
                self._group.take_out(self.names)
            self._group.put_fields(self.then)
            return list(self.names)
        if is_new_task and self._group.is_graph:
            self._group.start_over()
        return await self.manager.select_speaker(thread)


def next_speakers(group: Group) -> NextSpeakers | None:
    """The stand-in that is in place for this team."""
    found = getattr(vars(group.manager).get("select_speaker"), "__self__", None)
    return found if isinstance(found, NextSpeakers) else None


class OneShotOverride:
    """Stands in for MagenticOne's way to begin, which asks for a task each time.

    Without a task its next run goes on: the orchestrator looks at what was said, and asks the
    next member. With one it begins with the facts, as ever.

    Args:
        group: The team.
        is_replanning: Whether it was making its plan anew, and its members were forgetting the
            old one.
    """

    def __init__(self, group: Group, *, is_replanning: bool) -> None:
        self._group = group
        self._is_replanning = is_replanning
        vars(group.manager)["on_message_impl"] = self.on_message_impl

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        """Go on, where the run has no task; otherwise let the orchestrator see to it."""
        manager = self._group.manager
        if not isinstance(message, GroupChatStart):
            return await type(manager).on_message_impl(manager, message, ctx)
        vars(manager).pop("on_message_impl", None)
        if message.messages is None and self._group.thread:
            token = ctx.cancellation_token
            return await self._group.go_on(token, is_replanning=self._is_replanning)
        return await manager.on_message_impl(message, ctx)
