"""Teams: the manager, who speaks next, what the members are to be given, the conditions."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, cast

from autogen_agentchat.base import (
    AndTerminationCondition,
    OrTerminationCondition,
    TerminationCondition,
)
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, HandoffMessage
from autogen_agentchat.teams import BaseGroupChat, Swarm
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_agentchat.teams._group_chat._chat_agent_container import ChatAgentContainer
from autogen_agentchat.teams._group_chat._graph._digraph_group_chat import GraphFlowManager
from autogen_agentchat.teams._group_chat._magentic_one._magentic_one_orchestrator import (
    MagenticOneOrchestrator,
)
from autogen_agentchat.teams._group_chat._round_robin_group_chat import (
    RoundRobinGroupChatManager,
)
from autogen_agentchat.teams._group_chat._selector_group_chat import SelectorGroupChatManager
from autogen_agentchat.teams._group_chat._sequential_routed_agent import FIFOLock
from autogen_agentchat.teams._group_chat._swarm_group_chat import SwarmGroupChatManager
from autogen_core import Agent, AgentId, CancellationToken, SingleThreadedAgentRuntime
from autogen_core.model_context import ChatCompletionContext

from supervisor._autogen.repair_thread import drive_sync
from supervisor._autogen.upstream.methods import Method
from supervisor._reports.log import reporter

ChatItem = BaseAgentEvent | BaseChatMessage

_TURNS_END: Final = Method(BaseGroupChatManager, "handle_agent_response")
_NOT_STATE: Final = frozenset(
    {"_active_speakers", "_current_turn", "_message_thread", "_sequential_message_types"}
)
_FIELDS: Final[dict[type, tuple[str, ...]]] = {
    RoundRobinGroupChatManager: ("_next_speaker_index",),
    SelectorGroupChatManager: ("_previous_speaker",),
    SwarmGroupChatManager: ("_current_speaker",),
    GraphFlowManager: ("_ready", "_remaining", "_enqueued_any", "_triggered_activation_groups"),
    MagenticOneOrchestrator: (),  # each run starts with new ones
}
"""What a manager of AutoGen's selects the next speaker by."""

ManagerState = dict[str, Any]


class Group:
    """A team in its runtime: the manager, and a container for each member.

    Args:
        runtime: Where they are.
        manager: The id of the manager.

    Raises:
        Exception: What making one of them raises.
    """

    def __init__(self, runtime: SingleThreadedAgentRuntime, manager: AgentId) -> None:
        self._runtime = runtime
        self.manager = cast(BaseGroupChatManager, _instance(runtime, manager))
        topics = self.manager._participant_name_to_topic_type
        self._names = {topic: name for name, topic in topics.items()}
        self._members: dict[str, ChatAgentContainer] = {
            name: cast(ChatAgentContainer, _instance(runtime, AgentId(topic, manager.key)))
            for name, topic in topics.items()
        }

    @property
    def key(self) -> str:
        """The key of its agents: the team's id."""
        return self.manager.id.key

    @property
    def topic(self) -> str:
        """The type of the topic on which all members hear each other."""
        return self.manager._group_topic_type

    @property
    def names(self) -> Collection[str]:
        """The names of the members."""
        return self._members

    def name_at(self, topic: str) -> str | None:
        """The member that is asked to speak on this type of topic."""
        return self._names.get(topic)

    def agent(self, name: str) -> Any:
        """The agent, or team, that a member is."""
        return self._members[name]._agent

    def put_agent(self, name: str, agent: Any) -> None:
        """Have another agent, or team, asked in a member's place."""
        self._members[name]._agent = agent

    def buffer(self, name: str) -> list[BaseChatMessage]:
        """What a member has heard and was not given yet."""
        return list(self._members[name]._message_buffer)

    def put_buffer(self, name: str, messages: list[BaseChatMessage]) -> None:
        """Say what a member is to be given when it is asked next."""
        self._members[name]._message_buffer = messages

    @property
    def thread(self) -> list[ChatItem]:
        """The manager's own list of what was said."""
        return self.manager._message_thread

    def memory(self) -> list[object]:
        """What the manager remembers by."""
        held = vars(self.manager).values()
        return [self.manager, *(v for v in held if isinstance(v, ChatCompletionContext))]

    @property
    def condition(self) -> TerminationCondition | None:
        """What ends the team."""
        return self.manager._termination_condition

    @property
    def has_turns(self) -> bool:
        """Whether the manager selects a speaker after each turn, as the base class does."""
        return _TURNS_END.is_inherited(type(self.manager))

    @property
    def restarts(self) -> bool:
        """Whether each run starts anew, as MagenticOne's does."""
        return isinstance(self.manager, MagenticOneOrchestrator)

    @property
    def is_selector(self) -> bool:
        """Whether a model, or a function, selects the speaker."""
        return isinstance(self.manager, SelectorGroupChatManager)

    @property
    def is_graph(self) -> bool:
        """Whether a graph does."""
        return isinstance(self.manager, GraphFlowManager)

    def fields(self) -> ManagerState:
        """What the manager will select the next speaker by, now."""
        found = vars(self.manager)
        names = _FIELDS.get(type(self.manager))
        if names is None:  # of the user's: whatever is data
            names = tuple(name for name in found if name not in _NOT_STATE)
        return {name: _copy(found[name]) for name in names if _is_data(found[name])}

    def put_fields(self, fields: ManagerState) -> None:
        """Have the manager select by what `fields` has told."""
        for name, value in fields.items():
            setattr(self.manager, name, _copy(value))

    def add(self, messages: Sequence[ChatItem]) -> None:
        """Have the manager take these in, as it does with an answer."""
        had = len(self.thread)
        try:
            drive_sync(self.manager.update_message_thread(messages))
        except Exception as error:  # noqa: BLE001 - a user's manager or context may raise anything
            event = "messages not added to the model context of a team's manager"
            reporter.event(event, level=logging.ERROR, exc_info=error)
            self.thread[had:] = messages

    def add_unfinished(self, messages: Sequence[ChatItem]) -> None:
        """Have the manager take these in, though nobody's turn is over."""
        if self.is_graph:
            self.thread.extend(messages)
        else:
            self.add(messages)

    @property
    def turns(self) -> int:
        """How many turns the manager has counted in this run."""
        return self.manager._current_turn

    def count_again(self, turns: int, deltas: Sequence[Sequence[ChatItem]]) -> None:
        """Have a team that goes on count so many turns, and its condition what was said in them.

        What would end the team is left out: a part of a longer turn, with which it is asked later.
        """
        self.manager._current_turn = turns
        left = [delta for delta in deltas if delta]
        while (ending := self._count(left)) is not None:
            del left[ending]

    def _count(self, deltas: Sequence[Sequence[ChatItem]]) -> int | None:
        """Ask the condition with each of these; returns the place of the one that ends the team."""
        self._reset_condition()
        places = range(len(deltas))
        return next((place for place in places if self._condition_ends(deltas[place])), None)

    def would_end(self, turns: int, deltas: Sequence[Sequence[ChatItem]]) -> bool:
        """Whether the team is at its end after so many turns, the last of which is not counted.

        Args:
            turns: How many.
            deltas: What its condition is asked with: the task, and what was said in each turn.
        """
        if self.is_graph and self.is_complete():
            return True
        self.count_again(turns, deltas[:-1])
        if deltas and self._condition_ends(deltas[-1]):
            return True
        most = self.manager._max_turns
        return self.has_turns and most is not None and turns >= most

    def _condition_ends(self, delta: Sequence[ChatItem]) -> bool:
        return self.condition is not None and bool(delta) and _ask(self.condition, delta)

    def _reset_condition(self) -> None:
        if self.condition is not None:
            with contextlib.suppress(Exception):  # a user's: that it fails is logged at the end
                drive_sync(self.condition.reset())

    def unlock(self) -> None:
        """Take off what a cancelled handler leaves behind; only once none is at work."""
        for agent in (self.manager, *self._members.values()):
            # A waiter that was cancelled is handed the lock, and holds it for ever.
            agent._fifo_lock = FIFOLock()
        # Who was cancelled never answers, and each later run would wait for the answer.
        self.manager._active_speakers.clear()
        self.manager._current_turn = 0
        if isinstance(self.manager, MagenticOneOrchestrator):
            self.manager._n_rounds = self.manager._n_stalls = 0

    # -- MagenticOne ----------------------------------------------------------------------------

    async def go_on(self, token: CancellationToken, *, is_replanning: bool) -> None:
        """Have MagenticOne's orchestrator take its next step; in the handler of a run's start."""
        assert isinstance(self.manager, MagenticOneOrchestrator)
        if is_replanning:
            await self.manager._reenter_outer_loop(token)
        else:
            await self.manager._orchestrate_step(token)

    # -- GraphFlow ------------------------------------------------------------------------------

    def _graph(self) -> GraphFlowManager:
        assert isinstance(self.manager, GraphFlowManager)
        return self.manager

    def is_complete(self) -> bool:
        """Whether a graph has nobody left to ask."""
        return not self._graph()._ready

    def put_first(self, names: Sequence[str]) -> None:
        """Have a graph ask these again, before those that are ready."""
        ready = self._graph()._ready
        ready.extendleft(reversed(list(names)))

    def take_out(self, names: Sequence[str]) -> None:
        """Take back `put_first`: these are being asked."""
        for name in names:
            self._graph()._ready.remove(name)

    def recall_triggers(self) -> None:
        """Have a graph know by which edges those that are ready were made so.

        AutoGen's saved state leaves that out. A graph that was loaded would never set these edges
        free again, and so end at the second turn of a cycle.
        """
        graph = self._graph()
        for name in graph._ready:
            for edges, rule in graph._activation.get(name, {}).items():
                is_any = rule == "any"
                if graph._enqueued_any[name][edges] if is_any else _is_spent(graph, name, edges):
                    graph._save_triggered_activation_group(name, edges)

    def free_triggers(self) -> None:
        """Have a graph set those edges free now, as it does when it asks who is ready.

        Only where all that are ready are asked next: then its saved state leaves nothing out.
        """
        for name in self._graph()._ready:
            self._graph()._reset_triggered_activation_groups(name)

    def start_over(self) -> None:
        """Have a graph begin at its start."""
        self._graph()._reset_execution_state()
        self._graph()._triggered_activation_groups = {}


def _ask(condition: TerminationCondition, said: Sequence[ChatItem]) -> bool:
    """Whether a condition ends its team; of one that waits before it tells, no."""
    if isinstance(condition, (AndTerminationCondition, OrTerminationCondition)):
        # Each by itself, for together they are asked in tasks.
        ended = [part.terminated or _ask(part, said) for part in condition._conditions]
        return all(ended) if isinstance(condition, AndTerminationCondition) else any(ended)
    try:
        return drive_sync(condition(said)) is not None
    except Exception:  # noqa: BLE001 - a user's: the run that asks it next will meet that again
        return False


def _is_spent(graph: GraphFlowManager, name: str, edges: str) -> bool:
    """Whether all of these edges have been gone, which make a node ready together."""
    left = graph._remaining.get(name)
    return left is not None and edges in left and left[edges] <= 0


_PLAIN: Final = (bool, int, float, str, bytes, tuple, frozenset, type(None))
_COLLECTIONS: Final[dict[Any, Callable[[Any], Any]]] = {
    Counter: lambda items: Counter(dict(items)),
    deque: lambda items: deque(map(_copy, items)),
    dict: lambda items: {key: _copy(value) for key, value in items.items()},
    list: lambda items: list(map(_copy, items)),
    set: set,
}


def _is_data(value: object) -> bool:
    return isinstance(value, _PLAIN) or value.__class__ in _COLLECTIONS


def _copy(value: Any) -> Any:
    """A copy of what `_is_data`, to the last list of lists; what is in them is shared."""
    copy = _COLLECTIONS.get(value.__class__)
    return value if copy is None else copy(value)


def team_id(team: BaseGroupChat) -> str:
    """The key of a team's agents."""
    return team._team_id


def is_team(thing: object, key: str) -> bool:
    """Whether this is the team with that id."""
    return isinstance(thing, BaseGroupChat) and thing._team_id == key


def given_runtime(team: object) -> SingleThreadedAgentRuntime | None:
    """The runtime that the user gave a team; None where it has its own, or a distributed one."""
    if isinstance(team, BaseGroupChat) and not team._embedded_runtime:
        runtime = team._runtime
        return runtime if isinstance(runtime, SingleThreadedAgentRuntime) else None
    return None


def handed_off(team: object) -> tuple[str, list[str]] | None:
    """To whom a Swarm has handed off last, who is no member of it; and who are."""
    if Swarm not in type(team).__mro__:  # of each run; `isinstance` would ask each base class
        return None
    team = cast(Swarm, team)
    if not isinstance(team._runtime, SingleThreadedAgentRuntime):
        return None
    found = team._runtime._instantiated_agents
    key = AgentId(team._group_chat_manager_topic_type, team._team_id)
    manager = found.get(key)
    if not isinstance(manager, SwarmGroupChatManager):
        return None
    thread = reversed(manager._message_thread)
    target = next((item.target for item in thread if isinstance(item, HandoffMessage)), None)
    names = manager._participant_names
    return None if target is None or target in names else (target, names)


def free(team: object) -> None:
    """Take the mark of a running team off one that was interrupted as it started, or was reset."""
    if isinstance(team, BaseGroupChat) and team._is_running:
        team._is_running = False
        while not team._output_message_queue.empty():
            team._output_message_queue.get_nowait()


def _instance(runtime: SingleThreadedAgentRuntime, id_: AgentId) -> Agent:
    return drive_sync(runtime.try_get_underlying_agent_instance(id_))
