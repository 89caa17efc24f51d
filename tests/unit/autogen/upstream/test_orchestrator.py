"""Contract tests: the orchestrator of MagenticOne, and the members that a team makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import MagenticOneGroupChat, RoundRobinGroupChat

from supervisor._autogen import upstream
from supervisor.testing import ScriptedAgent, ScriptedModel
from tests.agents import Agent


async def test_the_ledger_is_the_orchestrators_state() -> None:
    """The fields of a ledger are those that MagenticOne saves, apart from thread and turn."""
    team = MagenticOneGroupChat([Agent("a")], ScriptedModel(["x"]))
    group = await upstream.make_group(team)
    assert group.orchestrator is not None
    manager: Any = group.manager
    saved = dict(await manager.save_state())
    names = {name.removeprefix("_") for name in group.orchestrator.ledger()}
    assert names == set(saved) - {"current_turn", "message_thread", "type", "version"}
    ledger = {**group.orchestrator.ledger(), "_task": "Begin", "_n_rounds": 3}
    group.orchestrator.put_ledger(ledger)
    assert group.orchestrator.ledger() == ledger
    group.orchestrator.reset_counts()
    assert group.orchestrator.ledger()["_n_rounds"] == 0


async def test_a_team_has_no_group_before_it_has_made_its_members() -> None:
    """`_init` registers the members, and the runtime makes each once it is asked for."""
    team = RoundRobinGroupChat([Agent("a")], max_turns=1)
    assert upstream.group_of(team) is None
    made = await upstream.make_group(team)
    found = upstream.group_of(team)
    assert found is not None
    assert found.manager is made.manager


async def test_a_member_is_given_what_is_held_back_after_its_turn() -> None:
    """AutoGen passes `_message_buffer` on in a turn, and clears it in place after it."""
    heard: list[list[str]] = []

    def listen(messages: Sequence[BaseChatMessage], _token: object) -> str:
        heard.append([message.to_text() for message in messages])
        return "heard"

    team = RoundRobinGroupChat([ScriptedAgent("a", listen)], max_turns=1)
    group = await upstream.make_group(team)
    first, second = (TextMessage(content=text, source="b") for text in ("first", "second"))
    group.put_buffer("a", [first], [second])
    assert (group.buffer("a"), group.held_back("a")) == ([first, second], 1)
    await team.run()
    assert heard == [["first"]]
    assert (group.buffer("a"), group.held_back("a")) == ([second], 0)


def test_what_autogen_sets_is_known_by_its_own_code() -> None:
    """The attributes of AutoGen's classes are those that their `__init__` names."""
    names = upstream.set_by_autogen(RoundRobinGroupChat)
    assert {"_participants", "_runtime", "_max_turns"} <= names
    assert "held" not in names
