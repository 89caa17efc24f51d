"""What the program gave its agents and managers is the program's, until the run changes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat

from supervisor.testing import ScriptedAgent
from tests.unit.autogen.checkpoints.keeping import run_kept
from tests.unit.autogen.checkpoints.kept_teams import Manager

pytestmark = pytest.mark.one_loop


class _Agent(ScriptedAgent):
    """An agent with examples, and with a list that it empties as it speaks."""

    def __init__(self, name: str, example: str) -> None:
        super().__init__(name)
        self.examples: list[BaseChatMessage] = [TextMessage(content=example, source="user")]
        self.unread = list(self.examples)

    async def on_messages_stream(
        self, messages: Any, cancellation_token: Any
    ) -> AsyncGenerator[Any, None]:
        self.unread.clear()
        async for item in super().on_messages_stream(messages, cancellation_token):
            yield item


def _contents(items: Sequence[BaseChatMessage]) -> list[str]:
    return [item.to_text() for item in items]


async def test_lists_that_a_run_has_not_changed_are_the_programs() -> None:
    """A run goes on with the examples of the new program, and with what it has emptied."""
    whole = await run_kept(
        RoundRobinGroupChat([_Agent("a", "old"), _Agent("b", "old")], max_turns=3)
    )
    for _ in range(2):  # also once it has gone on
        agents: list[Any] = [_Agent("a", "new"), _Agent("b", "new")]
        whole = await run_kept(
            RoundRobinGroupChat(agents, max_turns=3), stored=whole.after_steps[0]
        )
        assert [_contents(agent.examples) for agent in agents] == [["new"], ["new"]]
        assert not agents[0].unread


async def test_lists_of_a_team_that_was_at_work_before_are_written() -> None:
    """Nobody knows what is the program's in them, so they are put back as they were."""

    def make() -> tuple[RoundRobinGroupChat, Any]:
        agent: Any = _Agent("a", "old")
        return RoundRobinGroupChat([agent, _Agent("b", "old")], max_turns=2), agent

    team, _ = make()
    await run_kept(team)
    whole = await run_kept(team, "Again")
    fresh, agent = make()
    agent.examples.append(TextMessage(content="more", source="user"))
    await run_kept(fresh, stored=whole.after_steps[0])
    assert _contents(agent.examples) == ["old"]


class _Prompted(Manager):
    def __init__(self, prompt: str, **options: Any) -> None:
        super().__init__(**options)
        self.prompt = prompt


class _Team(BaseGroupChat):
    component_type = "team"

    def __init__(self, prompt: str, kind: type[_Prompted] = _Prompted) -> None:
        members: list[Any] = [ScriptedAgent(name) for name in "abc"]
        self.prompt, self._kind = prompt, kind
        self.made: list[_Prompted] = []
        super().__init__("mine", "Mine.", members, "Manager", kind, max_turns=6)

    def _create_group_chat_manager_factory(self, **options: Any) -> Callable[[], Any]:  # type: ignore[override]
        def make() -> _Prompted:
            self.made.append(self._kind(self.prompt, **options))
            return self.made[-1]

        return make


async def test_a_managers_prompt_is_the_programs() -> None:
    """What its manager counts is put back, and not what the run has not changed."""
    whole = await run_kept(_Team("old"))
    for _ in range(2):
        team = _Team("new")
        found = await run_kept(team, stored=whole.after_steps[1])
        assert [it.source for it in found.result.messages] == [
            it.source for it in whole.result.messages
        ]
        assert [made.prompt for made in team.made] == ["new"]
        whole = found


class _Table:
    """Data of the user's that cannot be compared as a whole, like an array of numbers."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value of a table is ambiguous")

    __hash__ = None  # type: ignore[assignment]


class _Tabled(_Prompted):
    def __init__(self, prompt: str, **options: Any) -> None:
        super().__init__(prompt, **options)
        self.tables = [_Table()]

    async def select_speaker(self, thread: Any) -> str:
        """Select as ever, with new data."""
        self.tables = [_Table()]
        return await super().select_speaker(thread)


async def test_data_that_cannot_be_compared_costs_no_run() -> None:
    """It may have changed, so it is written where it can be, and the rest is put back."""
    whole = await run_kept(_Team("old", _Tabled))
    found = await run_kept(_Team("new", _Tabled), stored=whole.after_steps[1])
    assert [it.source for it in found.result.messages] == [
        it.source for it in whole.result.messages
    ]
