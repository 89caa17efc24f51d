"""Runs that are kept at moments that come rarely: teams within selectors, behind tools, aside."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import SocietyOfMindAgent
from autogen_agentchat.messages import SelectSpeakerEvent, TextMessage
from autogen_agentchat.teams import (
    BaseGroupChat,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
)
from autogen_core.models import LLMMessage

from supervisor import Supervisor
from supervisor.testing import ScriptedAgent, ScriptedModel
from tests.unit.autogen.checkpoints.keeping import run_kept, words
from tests.unit.autogen.checkpoints.kept_teams import ledger, nested
from tests.unit.autogen.checks import stand_ins, who

pytestmark = pytest.mark.one_loop


def _agents(names: str) -> list[Any]:
    return [ScriptedAgent(name) for name in names]


def _pick(*names: str) -> ScriptedModel:
    def pick(messages: Sequence[LLMMessage]) -> str:
        return names[len(str(messages[-1].content)) % len(names)]

    return ScriptedModel(pick)


def _selector(
    name: str, members: list[Any], most: int, model: ScriptedModel | None = None, **options: Any
) -> BaseGroupChat:
    return SelectorGroupChat(
        members,
        model or _pick(*(member.name for member in members)),
        name=name,
        max_turns=most,
        allow_repeated_speaker=True,
        **options,
    )


def _selecting_teams() -> BaseGroupChat:
    """Return a selector whose members are a selector, and an agent that has one."""
    within = _selector("within", _agents("xy"), 2)
    society = SocietyOfMindAgent("society", within, ScriptedModel())
    return _selector("outer", [_selector("inner", _agents("vw"), 2), society], 4)


async def test_a_run_goes_on_where_a_team_was_asked_and_had_done_nothing() -> None:
    """A team that a selector has asked, and a member of one that a society has, are asked again."""
    whole = await run_kept(_selecting_teams())
    for step in range(0, len(whole.after_steps), 3):
        second = await run_kept(_selecting_teams(), stored=whole.after_steps[step])
        third = await run_kept(_selecting_teams(), stored=second.after_steps[0])
        for found in (second, third):
            assert words(found.result.messages) == words(whole.result.messages), f"at step {step}"


def _telling() -> BaseGroupChat:
    """Return a selector that tells whom it selects, and that takes several steps within a turn."""
    members = [_selector("inner", _agents("vw"), 2), *_agents("a")]
    return _selector("telling", members, 3, _pick("inner"), emit_team_events=True)


async def test_a_selection_after_which_nothing_was_said_is_not_told_of_twice() -> None:
    """The speaker is asked anew and told of anew, and what was told before is left out."""
    whole = await run_kept(_telling())
    for step, stored in enumerate(whole.after_steps):
        found = (await run_kept(_telling(), stored=stored)).result.messages
        told = [isinstance(item, SelectSpeakerEvent) for item in found]
        assert (True, True) not in pairwise(told), f"at step {step}"
        assert _spoken(found) == _spoken(whole.result.messages), f"at step {step}"


def _spoken(items: Sequence[Any]) -> list[tuple[str, str, str]]:
    return words([item for item in items if not isinstance(item, SelectSpeakerEvent)])


async def test_a_team_within_forgets_what_it_had_not_begun_then() -> None:
    """The same team goes on from before its inner team's first turn, which hears all anew."""
    team = nested()
    whole = await run_kept(team)
    found = await run_kept(team, stored=whole.after_steps[0])
    assert words(found.result.messages) == words(whole.result.messages)


def _led() -> BaseGroupChat:
    """Return a selector whose first member is a team that an orchestrator leads."""
    model = ScriptedModel(lambda m: ledger(m, ends_at=2, stalls_at=9), user_first=False)
    members: list[Any] = [MagenticOneGroupChat(_agents("ab"), model, name="inner"), *_agents("z")]
    return SelectorGroupChat(
        members,
        ScriptedModel(),
        max_turns=2,
        selector_func=lambda thread: "inner" if len(thread) == 1 else "z",
    )


async def test_an_orchestrator_within_a_team_goes_on_where_nobody_has_asked_it_yet() -> None:
    """An owner that dies at its first steps leaves what it was to do to the next one."""
    whole = await run_kept(_led())
    for step in range(0, len(whole.after_steps), 2):
        second = await run_kept(_led(), stored=whole.after_steps[step])
        for number, stored in enumerate(second.after_steps[:2]):
            found = await run_kept(_led(), stored=stored)
            assert who(found.result) == who(whole.result), f"at step {step}, and then {number}"


class Patient:
    """A turn that waits, the first time that it is taken."""

    def __init__(self) -> None:
        self.is_there = asyncio.Event()

    async def __call__(self, heard: Sequence[Any], _token: object) -> str:
        """Take it."""
        if not self.is_there.is_set():
            self.is_there.set()
            await asyncio.Event().wait()
        return f"after {len(heard)}"


def _selected(turn: Any) -> BaseGroupChat:
    members: list[Any] = [ScriptedAgent("a"), ScriptedAgent("b", turn)]
    return _selector("team", members, 3, ScriptedModel(lambda m: "ab"[len(m) % 2]))


def _summed_up(turn: Any) -> BaseGroupChat:
    members: list[Any] = [ScriptedAgent("a"), ScriptedAgent("b", turn)]
    inner = RoundRobinGroupChat(members, max_turns=3)
    society = SocietyOfMindAgent("society", inner, ScriptedModel(lambda _: "In short."))
    return RoundRobinGroupChat([society], max_turns=1)


@pytest.mark.parametrize("make", [_selected, _summed_up])
async def test_the_same_team_goes_on_from_the_store(make: Any, tmp_path: Path) -> None:
    """What a stop has put in place for the next run is taken away: the store knows as much."""
    turn = Patient()
    team = make(turn)
    async with Supervisor(checkpoints=f"sqlite:///{tmp_path}/runs.db") as sup:
        run = sup.stream(team, "go", id="it")
        reading = asyncio.ensure_future(run)
        await turn.is_there.wait()
        run.stop()
        await reading
        found = await sup.stream(team, id="it")
        whole = await sup.stream(make(turn), "go")
    assert words(found.messages) == words(whole.messages)
    assert not stand_ins(team)


async def test_a_run_with_an_id_begins_where_one_without_was_stopped() -> None:
    """What the team within an agent has done before is part of what is kept."""
    turn, task = Patient(), TextMessage(content="go", source="user")

    def make() -> SocietyOfMindAgent:
        members: list[Any] = [ScriptedAgent("a"), ScriptedAgent("b", turn)]
        inner = RoundRobinGroupChat(members, max_turns=3)
        return SocietyOfMindAgent("society", inner, ScriptedModel(lambda _: "In short."))

    society = make()
    async with Supervisor() as sup:
        run = sup.stream(society, task)
        reading = asyncio.ensure_future(run)
        await turn.is_there.wait()
        run.stop()
        await reading
    whole = await run_kept(society, task)
    for step, stored in enumerate(whole.after_steps):
        found = words((await run_kept(make(), task, stored=stored)).result.messages)
        wanted = words(whole.result.messages)
        assert [said for said in found if said in wanted] == wanted, f"at step {step}"
