"""A team in its runtime: the manager, and the members with what they are to be given."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, cast

from autogen_agentchat.base import TerminationCondition
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import BaseGroupChat
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
from autogen_core import Agent, AgentId, SingleThreadedAgentRuntime
from autogen_core.model_context import ChatCompletionContext

from supervisor._autogen.repair_thread import drive_sync
from supervisor._autogen.upstream.buffers import SplitBuffer
from supervisor._autogen.upstream.graph import Graph
from supervisor._autogen.upstream.manager_state import (
    ManagerState,
    manager_state,
    put_manager_state,
)
from supervisor._autogen.upstream.methods import Method
from supervisor._autogen.upstream.orchestrator import Orchestrator
from supervisor._autogen.upstream.teams import ChatItem
from supervisor._autogen.upstream.termination import Termination
from supervisor._reports import log_events
from supervisor._reports.log import reporter

_FREE: Final = (RoundRobinGroupChatManager, SwarmGroupChatManager, GraphFlowManager)
_TURNS_END: Final = Method(BaseGroupChatManager, "handle_agent_response")


class Group:
    """A team in its runtime: the manager, and a container for each member.

    Args:
        runtime: Where they are.
        manager: The id of the manager.

    Raises:
        Exception: What making one of them raises.
    """

    def __init__(self, runtime: SingleThreadedAgentRuntime, manager: AgentId) -> None:
        self.manager = cast(BaseGroupChatManager, _instance(runtime, manager))
        topics = self.manager._participant_name_to_topic_type
        self._names = {topic: name for name, topic in topics.items()}
        self._members: dict[str, ChatAgentContainer] = {
            name: cast(ChatAgentContainer, _instance(runtime, AgentId(topic, manager.key)))
            for name, topic in topics.items()
        }
        self.graph = Graph(self.manager) if isinstance(self.manager, GraphFlowManager) else None
        """The state of a graph that selects the speakers."""
        self.termination = Termination(self.manager)
        is_magentic = isinstance(self.manager, MagenticOneOrchestrator)
        self.orchestrator = Orchestrator(cast(Any, self.manager)) if is_magentic else None
        """MagenticOne's manager, which asks the members in its own way."""

    # -- the members ----------------------------------------------------------------------------

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
        """Return the member that is asked to speak on this type of topic."""
        return self._names.get(topic)

    def agent(self, name: str) -> Any:
        """Return the agent, or team, that a member is."""
        return self._members[name]._agent

    def put_agent(self, name: str, agent: Any) -> None:
        """Put another agent, or team, in a member's place."""
        self._members[name]._agent = agent

    def buffer(self, name: str) -> list[BaseChatMessage]:
        """Return what a member has heard and was not given yet."""
        held = self._members[name]._message_buffer
        return [*held, *held.later] if isinstance(held, SplitBuffer) else list(held)

    def held_back(self, name: str) -> int:
        """Return how many of these a member is given only after its next turn."""
        held = self._members[name]._message_buffer
        return len(held.later) if isinstance(held, SplitBuffer) else 0

    def put_buffer(
        self, name: str, messages: list[BaseChatMessage], later: Sequence[BaseChatMessage] = ()
    ) -> None:
        """Set what a member is given when it is asked next, and what only after that."""
        self._members[name]._message_buffer = SplitBuffer(messages, later) if later else messages

    # -- the manager ----------------------------------------------------------------------------

    @property
    def thread(self) -> list[ChatItem]:
        """The manager's own list of what was said."""
        return self.manager._message_thread

    def memory(self) -> list[object]:
        """Return the manager and its model contexts."""
        held = vars(self.manager).values()
        return [self.manager, *(v for v in held if isinstance(v, ChatCompletionContext))]

    @property
    def condition(self) -> TerminationCondition | None:
        """The team's termination condition."""
        return self.termination.condition

    @property
    def turns(self) -> int:
        """How many turns the manager has counted in this run."""
        return self.manager._current_turn

    @property
    def has_turns(self) -> bool:
        """Whether the manager selects a speaker after each turn, as the base class does."""
        return _TURNS_END.is_inherited(type(self.manager))

    @property
    def restarts(self) -> bool:
        """Whether each run starts anew, as MagenticOne's does."""
        return self.orchestrator is not None

    @property
    def selects_freely(self) -> bool:
        """Whether a speaker is selected by the state alone: to do so again costs nothing."""
        return type(self.manager) in _FREE

    @property
    def is_selector(self) -> bool:
        """Whether a model, or a function, selects the speaker."""
        return isinstance(self.manager, SelectorGroupChatManager)

    def state(self) -> ManagerState:
        """Return a copy of what the manager selects the next speaker by."""
        return manager_state(self.manager)

    def put_state(self, state: ManagerState) -> None:
        """Let the manager select the next speaker by an earlier state."""
        put_manager_state(self.manager, state)

    def add(self, messages: Sequence[ChatItem]) -> None:
        """Add messages to the manager's thread, as it does itself with an answer."""
        had = len(self.thread)
        try:
            drive_sync(self.manager.update_message_thread(messages))
        except Exception as error:  # noqa: BLE001 - a user's manager or context may raise anything
            reporter.event(log_events.MESSAGES_NOT_ADDED, exc_info=error)
            self.thread[had:] = messages

    def would_end(
        self,
        turns: int,
        deltas: Sequence[Sequence[ChatItem]],
        put_condition: Callable[[TerminationCondition], None] | None = None,
    ) -> bool:
        """Return whether the team ends with a turn that its manager has not counted yet.

        Args:
            turns: The number of turns, with that one.
            deltas: What its condition is asked with: the task, and what was said in each turn.
            put_condition: Brings the condition to where it stood before; None resets it.
        """
        if self.graph is not None and self.graph.is_complete():
            return True
        if self.termination.would_end(turns, deltas, put_condition):
            return True
        most = self.manager._max_turns
        return self.has_turns and most is not None and turns >= most

    def unlock(self) -> None:
        """Remove what a cancelled handler leaves behind; only once no handler is active."""
        for agent in (self.manager, *self._members.values()):
            # A waiter that was cancelled is handed the lock, and holds it for ever.
            agent._fifo_lock = FIFOLock()
        # A cancelled speaker never answers, and each later run would wait for the answer.
        self.manager._active_speakers.clear()
        self.manager._current_turn = 0
        if self.orchestrator is not None:
            self.orchestrator.reset_counts()


def group_of(team: BaseGroupChat) -> Group | None:
    """Return the manager and the members of a team.

    Returns:
        None where it has not made them yet, or where they are in another process.
    """
    runtime = team._runtime
    if not team._initialized or not isinstance(runtime, SingleThreadedAgentRuntime):
        return None
    manager = AgentId(team._group_chat_manager_topic_type, team._team_id)
    return Group(runtime, manager) if manager in runtime._instantiated_agents else None


async def make_group(team: BaseGroupChat) -> Group:
    """Have a team make its manager and its members, as its first run would, and return them.

    Raises:
        TypeError: They are in another process.
    """
    runtime = team._runtime
    if not isinstance(runtime, SingleThreadedAgentRuntime):
        raise TypeError(
            f"the members of {team.name!r} are in another process; give it a runtime of this one"
        )
    if not team._initialized:
        await team._init(runtime)
    return Group(runtime, AgentId(team._group_chat_manager_topic_type, team._team_id))


def _instance(runtime: SingleThreadedAgentRuntime, id_: AgentId) -> Agent:
    return drive_sync(runtime.try_get_underlying_agent_instance(id_))
