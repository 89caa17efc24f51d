"""Agents that save themselves, in a run that is kept: asked after their turns, and loaded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import MessageFilterAgent
from autogen_agentchat.agents._message_filter_agent import MessageFilterConfig
from autogen_agentchat.base import ChatAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor import Supervisor
from supervisor._core.errors import CheckpointCorrupt
from supervisor.testing import ScriptedAgent


class Counting(ScriptedAgent):
    """Counts its turns, and how often it was asked for its state."""

    def __init__(self, name: str) -> None:
        super().__init__(name, self._turn)
        self.turns: list[int] = []
        self.asked = 0

    async def _turn(
        self, _heard: Sequence[BaseChatMessage], _token: object
    ) -> AsyncGenerator[str, None]:
        self.turns.append(len(self.turns))
        yield f"turn {len(self.turns)}"

    async def save_state(self) -> Mapping[str, Any]:
        """Return its state, as it is."""
        self.asked += 1
        return {"turns": self.turns, "large": [0.5] * 30_000}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Take a state."""
        self.turns = list(state["turns"])


def _team(*members: ChatAgent) -> RoundRobinGroupChat:
    condition = MaxMessageTermination(10)
    return RoundRobinGroupChat(list(members), termination_condition=condition)


async def test_agent_goes_on_with_the_state_of_its_last_turn(tmp_path: Path) -> None:
    """A run that is left after any turn goes on with agents that know just their own turns."""
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    for left_after in range(2, 8):
        async with Supervisor(signals={}, checkpoints=url) as sup:
            run = sup.stream(_team(Counting("a"), Counting("b")), "go", id=str(left_after))
            seen = 0
            async for _ in run:
                seen += 1
                if seen == left_after:
                    break
        fresh = Counting("a"), Counting("b")
        async with Supervisor(signals={}, checkpoints=url) as sup:
            result = await sup.stream(_team(*fresh), "go", id=str(left_after), wait=60)
        said = [message.to_text() for message in result.messages]
        assert said == ["go"] + [f"turn {n}" for n in (1, 1, 2, 2, 3, 3, 4, 4, 5)]
        assert [agent.turns for agent in fresh] == [[0, 1, 2, 3, 4], [0, 1, 2, 3]]


class Refusing(Counting):
    """Refuses what was kept of it."""

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Refuse."""
        raise ValueError("of another version")


async def test_agent_that_refuses_its_state_ends_the_run(tmp_path: Path) -> None:
    """What an agent raises as it loads is said with the run and the agent, and nothing is lost."""
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    async with Supervisor(signals={}, checkpoints=url) as sup:
        run = sup.stream(_team(Counting("a")), "go", id="it")
        async for message in run:
            if getattr(message, "source", "") == "a":
                break
    async with Supervisor(signals={}, checkpoints=url) as sup:
        refused = _team(Refusing("a"))
        with pytest.raises(CheckpointCorrupt, match="'it' is damaged: the agent 'a' refuses"):
            await sup.stream(refused, id="it", wait=60, allow_changed=True)
    async with Supervisor(signals={}, checkpoints=url) as sup:
        result = await sup.stream(_team(Counting("a")), id="it")
    assert len(result.messages) == 10


async def test_agent_is_asked_once_for_each_of_its_turns(tmp_path: Path) -> None:
    """An agent is asked as the run begins, after each of its turns, and at the end."""
    first, hidden = Counting("a"), Counting("b")
    behind = MessageFilterAgent("filter", hidden, MessageFilterConfig(per_source=[]))
    async with Supervisor(signals={}, checkpoints=f"sqlite:///{tmp_path / 'runs.db'}") as sup:
        await sup.stream(_team(first, behind), "go", id="it")
    assert len(first.turns) + len(hidden.turns) == 9
    for agent in (first, hidden):
        assert agent.asked <= len(agent.turns) + 2
