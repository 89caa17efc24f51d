"""A team of each class, of two agents; for the tests of DRAIN."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from autogen_core.models import LLMMessage

from supervisor.testing import ScriptedModel
from tests.agents import Agent
from tests.unit.testing.teams import Backwards, round_robin


class _Orchestrator:
    """A model that asks ann again and again."""

    def __init__(self) -> None:
        self.asked = 0
        self.model = ScriptedModel(self._reply, user_first=False)

    def _reply(self, messages: Sequence[LLMMessage]) -> str:
        self.asked += 1
        answers: dict[str, Any] = {
            "is_request_satisfied": False,
            "is_in_loop": False,
            "is_progress_being_made": True,
            "next_speaker": "ann",
            "instruction_or_question": f"Go on {self.asked}.",
        }
        return json.dumps({key: {"reason": "So.", "answer": it} for key, it in answers.items()})


def classes_of_teams() -> dict[str, Callable[[AssistantAgent, AssistantAgent], BaseGroupChat]]:
    """Return a maker for each class of teams, of which ann speaks first."""

    def select(messages: Sequence[LLMMessage]) -> str:
        text = str(messages[0].content)
        return "bob" if "ann: ann 0" in text else "ann"

    def by_graph(ann: AssistantAgent, bob: AssistantAgent) -> GraphFlow:
        builder = DiGraphBuilder().add_node(ann).add_node(bob).add_edge(ann, bob)
        return GraphFlow([ann, bob], graph=builder.build())

    return {
        "round robin": lambda ann, bob: RoundRobinGroupChat([ann, bob], max_turns=2),
        "selector": lambda ann, bob: SelectorGroupChat([ann, bob], ScriptedModel(select)),
        "swarm": lambda ann, bob: Swarm([ann, bob], max_turns=2),
        "graph": by_graph,
        "magentic": lambda ann, bob: MagenticOneGroupChat([ann, bob], _Orchestrator().model),
        "backwards": lambda ann, bob: Backwards([bob, ann], 2),
        "nested": lambda ann, bob: round_robin(
            round_robin(ann, bob, name="inner"), Agent("other"), name="outer"
        ),
        "three deep": lambda ann, bob: round_robin(
            round_robin(round_robin(ann, bob, name="third"), Agent("other"), name="second"),
            Agent("another"),
            name="first",
        ),
    }
