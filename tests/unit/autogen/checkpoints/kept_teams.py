"""Teams of every class, which answer by their transcripts: two runs of one say the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from autogen_agentchat.agents import AssistantAgent, SocietyOfMindAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, HandoffMessage
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_agentchat.teams._group_chat._base_group_chat_manager import BaseGroupChatManager
from autogen_core import CancellationToken
from autogen_core.models import LLMMessage

from supervisor.testing import ScriptedAgent, ScriptedModel
from supervisor.types import Runnable


def _most(messages: int) -> MaxMessageTermination:
    return MaxMessageTermination(messages)


def _agents(names: str) -> list[Any]:
    return [ScriptedAgent(name) for name in names]


def round_robin() -> Runnable:
    """Return agents that remember by lists of their own."""
    return RoundRobinGroupChat(_agents("abc"), termination_condition=_most(7))


def assistants() -> Runnable:
    """Return agents that remember by model contexts."""
    members: list[Any] = [AssistantAgent(name, ScriptedModel()) for name in "ab"]
    return RoundRobinGroupChat(members, max_turns=5)


def _pick(messages: Sequence[LLMMessage]) -> str:
    return "abc"[len(str(messages[-1].content)) * 7 % 3]


def selector(name: str = "selector") -> SelectorGroupChat:
    """Return members that a model selects; it counts its requests."""
    return SelectorGroupChat(
        _agents("abc"),
        ScriptedModel(_pick),
        name=name,
        termination_condition=_most(7),
        allow_repeated_speaker=True,
    )


def swarm() -> Runnable:
    """Return members that hand off at every second answer."""

    def member(name: str, to: str) -> Any:
        words = [f"{name}{number}" for number in range(6)]
        answers: list[Any] = [
            HandoffMessage(content=word, source=name, target=to) if number % 2 else word
            for number, word in enumerate(words)
        ]
        return ScriptedAgent(name, answers)

    members = [member("a", "b"), member("b", "c"), member("c", "a")]
    return Swarm(members, termination_condition=_most(9))


async def _slowly(_heard: Sequence[BaseChatMessage], _token: CancellationToken) -> str:
    for _ in range(8):
        await asyncio.sleep(0)
    return "slow"


def branches(name: str = "branches") -> GraphFlow:
    """Return a graph whose branches take different times."""
    graph = DiGraphBuilder()
    slow = ScriptedAgent("c", _slowly)
    a, b, d, e = (ScriptedAgent(each) for each in "abde")
    for member in (a, b, slow, d, e):
        graph.add_node(member)
    graph.add_edge(a, b).add_edge(a, slow).add_edge(b, e).add_edge(e, d).add_edge(slow, d)
    return GraphFlow(
        [a, b, slow, d, e],
        graph=graph.build(),
        name=name,
        termination_condition=_most(20),
    )


def cycle() -> Runnable:
    """Return a graph with a cycle, whose edges belong to groups."""
    a, c = _agents("ac")
    b = ScriptedAgent("b", ["loop", "loop", "loop", "done"])
    graph = DiGraphBuilder()
    graph.add_node(a).add_node(b).add_node(c)
    graph.add_edge(a, b, activation_group="in", activation_condition="any")
    graph.add_edge(
        b,
        a,
        condition=lambda message: message.to_text() == "loop",
        activation_group="loop",
        activation_condition="any",
    )
    graph.add_edge(b, c, condition=lambda message: message.to_text() == "done")
    graph.set_entry_point(a)
    return GraphFlow([a, b, c], graph=graph.build(), termination_condition=_most(30))


def ledger(
    messages: Sequence[LLMMessage], names: str = "ab", *, ends_at: int, stalls_at: int
) -> str:
    """Return what a model answers to an orchestrator, whose members are asked in turn."""
    if "is_request_satisfied" not in str(messages[-1].content):
        return f"text {len(messages)}"
    said = sum(getattr(message, "source", "") in (*names,) for message in messages)
    answers = {
        "is_request_satisfied": said >= ends_at,
        "is_progress_being_made": said < stalls_at or said % 2 == 0,
        "is_in_loop": said > stalls_at,
        "instruction_or_question": f"do {said}",
        "next_speaker": names[said % len(names)],
    }
    return json.dumps({name: {"reason": "so", "answer": it} for name, it in answers.items()})


def magentic() -> Runnable:
    """Return a team that an orchestrator leads to its end."""
    model = ScriptedModel(lambda m: ledger(m, ends_at=4, stalls_at=9), user_first=False)
    return MagenticOneGroupChat(_agents("ab"), model)


def stalling() -> Runnable:
    """Return a team whose orchestrator makes its plan anew, and whose members forget."""
    model = ScriptedModel(lambda m: ledger(m, ends_at=99, stalls_at=3), user_first=False)
    return MagenticOneGroupChat(_agents("ab"), model, termination_condition=_most(8), max_stalls=2)


def nested() -> Runnable:
    """Return a team within a team."""
    inner = RoundRobinGroupChat(_agents("xy"), name="inner", termination_condition=_most(4))
    members: list[Any] = [*_agents("a"), inner, *_agents("b")]
    return RoundRobinGroupChat(members, termination_condition=_most(12))


def deep() -> Runnable:
    """Return a team within a team within a team."""
    innermost = RoundRobinGroupChat(_agents("pq"), name="innermost", max_turns=2)
    middle: list[Any] = [*_agents("x"), innermost]
    inner = RoundRobinGroupChat(middle, name="inner", termination_condition=_most(4))
    members: list[Any] = [inner, *_agents("b")]
    return RoundRobinGroupChat(members, termination_condition=_most(10))


def graph_within() -> Runnable:
    """Return a graph within a team."""
    members: list[Any] = [*_agents("z"), branches("graph")]
    return RoundRobinGroupChat(members, termination_condition=_most(13))


def selector_within() -> Runnable:
    """Return a selector within a team."""
    members: list[Any] = [selector("inner"), *_agents("z")]
    return RoundRobinGroupChat(members, max_turns=3)


def _inner() -> RoundRobinGroupChat:
    return RoundRobinGroupChat(_agents("xy"), name="inner", termination_condition=_most(4))


def society() -> Runnable:
    """Return a team with an agent that sums up what its own team says."""
    members: list[Any] = [*_agents("a"), SocietyOfMindAgent("society", _inner(), ScriptedModel())]
    return RoundRobinGroupChat(members, max_turns=4)


def society_alone() -> Runnable:
    """Return such an agent."""
    return SocietyOfMindAgent("society", _inner(), ScriptedModel())


def society_led() -> Runnable:
    """Return such an agent that an orchestrator leads: it says more before the agent is asked."""
    members: list[Any] = [SocietyOfMindAgent("a", _inner(), ScriptedModel()), *_agents("b")]
    model = ScriptedModel(lambda m: ledger(m, ends_at=4, stalls_at=9), user_first=False)
    return MagenticOneGroupChat(members, model)


class Manager(BaseGroupChatManager):
    """Selects by a number and a list of its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.seen = 0
        self.heard: list[BaseAgentEvent | BaseChatMessage] = []

    async def validate_group_state(self, messages: Any) -> None:
        """Accept any."""

    async def reset(self) -> None:
        """Count from zero."""
        self.seen = 0

    async def select_speaker(self, thread: Sequence[BaseAgentEvent | BaseChatMessage]) -> str:
        """Select by what was seen and heard."""
        self.seen += 1
        self.heard.append(thread[-1])
        return self._participant_names[(self.seen + len(self.heard)) ** 2 % 3]

    async def save_state(self) -> dict[str, Any]:
        """Return both."""
        return {"seen": self.seen, "heard": [item.dump() for item in self.heard]}

    async def load_state(self, state: Any) -> None:
        """Do nothing."""


class _Team(BaseGroupChat):
    """A team with such a manager."""

    component_type = "team"

    def __init__(self, members: list[Any], max_turns: int) -> None:
        super().__init__("mine", "Mine.", members, "Manager", Manager, max_turns=max_turns)

    def _create_group_chat_manager_factory(self, **options: Any) -> Callable[[], Any]:  # type: ignore[override]
        return lambda: Manager(**options)


def own_manager() -> Runnable:
    """Return a team with a manager of the user's."""
    return _Team(_agents("abc"), 6)


TEAMS: dict[str, Callable[[], Runnable]] = {
    made.__name__: made
    for made in (
        round_robin,
        assistants,
        selector,
        swarm,
        branches,
        cycle,
        magentic,
        stalling,
        nested,
        deep,
        graph_within,
        selector_within,
        society,
        society_alone,
        society_led,
        own_manager,
    )
}
