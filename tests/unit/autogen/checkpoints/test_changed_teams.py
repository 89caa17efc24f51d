"""A run goes on in a team whose members or edges were changed since: `allow_changed=True`."""

from __future__ import annotations

import asyncio
import functools
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.agents import SocietyOfMindAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import HandoffMessage
from autogen_agentchat.teams import (
    BaseGroupChat,
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)

from supervisor import Supervisor
from supervisor._autogen.checkpoints.shape import shape_of
from supervisor.errors import RunMismatch
from supervisor.testing import ScriptedAgent, ScriptedModel, calls
from tests.agents import Gate, scripted
from tests.unit.autogen.checkpoints.keeping import Keeping, StoredText, run_kept
from tests.unit.autogen.checkpoints.kept_teams import ledger

pytestmark = pytest.mark.one_loop


def _agents(names: str) -> list[Any]:
    return [ScriptedAgent(name) for name in names]


def _round_robin(names: str) -> BaseGroupChat:
    return RoundRobinGroupChat(_agents(names), termination_condition=MaxMessageTermination(8))


def _selector(names: str) -> BaseGroupChat:
    def pick(messages: Sequence[Any]) -> str:
        return names[len(str(messages[-1].content)) % len(names)]

    return SelectorGroupChat(
        _agents(names), ScriptedModel(pick), termination_condition=MaxMessageTermination(8)
    )


def _hand_off(name: str, target: str, *_: object) -> HandoffMessage:
    return HandoffMessage(content="on", source=name, target=target)


def _swarm(names: str) -> BaseGroupChat:
    """Return members of whom each hands off to the next."""
    members: list[Any] = []
    for name, target in zip(names, names[1:] + names[:1], strict=True):
        members.append(ScriptedAgent(name, functools.partial(_hand_off, name, target)))
    return Swarm(members, termination_condition=MaxMessageTermination(8))


def _graph(names: str) -> BaseGroupChat:
    """Return a first that fans out to all others but the last, which waits for these."""
    agents = _agents(names)
    graph = DiGraphBuilder()
    for agent in agents:
        graph.add_node(agent)
    for agent in agents[1:-1]:
        graph.add_edge(agents[0], agent).add_edge(agent, agents[-1])
    if len(names) == 2:
        graph.add_edge(*agents)
    graph.set_entry_point(agents[0])
    return GraphFlow(agents, graph=graph.build(), max_turns=20)


def _magentic(names: str) -> BaseGroupChat:
    model = ScriptedModel(lambda m: ledger(m, names, ends_at=4, stalls_at=9), user_first=False)
    return MagenticOneGroupChat(_agents(names), model)


def _nested(names: str) -> BaseGroupChat:
    inner = RoundRobinGroupChat(_agents(names), name="inner", max_turns=3)
    members: list[Any] = [*_agents("y"), inner, *_agents("z")]
    return RoundRobinGroupChat(members, max_turns=6)


def _graph_within(names: str) -> BaseGroupChat:
    members: list[Any] = [*_agents("y"), _graph(names)]
    return RoundRobinGroupChat(members, max_turns=4)


def _society(names: str) -> BaseGroupChat:
    inner = RoundRobinGroupChat(_agents(names), name="inner", max_turns=3)
    members: list[Any] = [*_agents("y"), SocietyOfMindAgent("soc", inner, ScriptedModel())]
    return RoundRobinGroupChat(members, max_turns=4)


TEAMS: dict[str, Callable[[str], BaseGroupChat]] = {
    made.__name__.strip("_"): made
    for made in (
        _round_robin,
        _selector,
        _swarm,
        _graph,
        _magentic,
        _nested,
        _graph_within,
        _society,
    )
}
EVERY, MOST = (1, 9) if "SOAK" in os.environ else (3, 1)
BEFORE = "abcd"
CHANGES = {
    "removed": ["abc", "bcd", "acd", "ad"],
    "added": ["abcde", "eabcd", "abecd"],
    "renamed": ["abcx", "xbcd", "axcd"],
    "reordered": ["dcba", "bcda"],
    "all but one": ["avu"],
}


async def _go_on(make: Callable[[str], BaseGroupChat], stored: StoredText, names: str) -> Keeping:
    async with asyncio.timeout(20):
        return await run_kept(make(names), stored=stored, was=shape_of(make(BEFORE)))


@pytest.mark.parametrize("kind", TEAMS)
@pytest.mark.parametrize("change", CHANGES)
async def test_goes_on_with_other_members(kind: str, change: str) -> None:
    """From each boundary a run comes to its end, or is refused in a line that says why."""
    make = TEAMS[kind]
    whole = await run_kept(make(BEFORE))
    for names in CHANGES[change][:MOST]:
        for stored in whole.after_steps[::EVERY]:
            try:
                found = await _go_on(make, stored, names)
            except RunMismatch as error:
                refused = str(error)
            else:
                refused = ""
                assert found.result.stop_reason
            if refused:
                assert kind == "swarm"
                assert "was handed off to" in refused
                assert "allow_changed" not in refused


def _sources(found: Keeping) -> str:
    return "".join(it.source for it in found.result.messages if it.source != "user")


async def _after(make: Callable[[str], BaseGroupChat], answers: int, names: str) -> str:
    """Return who has spoken in a run that goes on with other members after so many answers."""
    whole = await run_kept(make(BEFORE))
    stored = next(it for it in whole.after_steps if len(it.kept().logs["thread"]) > answers)
    return _sources(await _go_on(make, stored, names))


@pytest.mark.parametrize(
    ("names", "wanted"),
    [("abc", "abcabca"), ("dcba", "abcdcba"), ("ab", "abcabab"), ("abxd", "abcdabx")],
)
async def test_the_next_is_who_was_to_speak_next(names: str, wanted: str) -> None:
    """A RoundRobin goes on with the one who was next, or the next of them that is there still."""
    assert await _after(_round_robin, 3, names) == wanted


@pytest.mark.parametrize(
    ("names", "wanted"),
    [("abd", {"abd", "abcd"}), ("abced", {"abced", "abecd"}), ("axd", {"abxd", "abcxd"})],
)
async def test_a_graph_goes_on_by_its_new_edges(names: str, wanted: set[str]) -> None:
    """Who has spoken does not speak again, and the last waits for all that lead to it now."""
    assert await _after(_graph, 2, names) in wanted


async def test_a_new_member_has_heard_what_was_said() -> None:
    """It is given the task and all answers as it is asked for the first time."""
    whole = await run_kept(_round_robin(BEFORE))
    stored = next(it for it in whole.after_steps if len(it.kept().logs["thread"]) > 2)
    new = ScriptedAgent("x")
    team = RoundRobinGroupChat(
        [*_agents("abc"), new], termination_condition=MaxMessageTermination(8)
    )
    await run_kept(team, stored=stored, was=shape_of(_round_robin(BEFORE)))
    assert [it.source for it in new.transcript][:4] == ["user", *"abc"]


async def test_a_team_that_needs_a_plan_is_refused() -> None:
    """What another kind of team has said is no plan of MagenticOne's."""
    whole = await run_kept(_round_robin(BEFORE))
    with pytest.raises(RunMismatch, match="had no plan, as a MagenticOneGroupChat needs it"):
        await run_kept(_magentic(BEFORE), stored=whole.after_steps[2], was=shape_of(_magentic("a")))


async def test_a_team_within_that_is_gone_is_left_out() -> None:
    """Its counts, and what was said in it since its last answer, go with it."""
    whole = await run_kept(_nested(BEFORE))
    for stored in whole.after_steps[::2]:
        team = RoundRobinGroupChat(_agents("yz"), max_turns=6)
        found = await run_kept(team, stored=stored, was=shape_of(_nested(BEFORE)))
        assert found.result.stop_reason
        assert set(_sources(found)) <= set("yz" + BEFORE)


async def test_what_was_recorded_of_a_member_that_is_gone_is_left_out(tmp_path: Path) -> None:
    """A call that was open in its turn is not closed, for nobody is to hear of that."""
    gate = Gate()

    def make() -> BaseGroupChat:
        ann: Any = scripted("ann", [calls("wait")], gate.wait)
        return RoundRobinGroupChat([*_agents("a"), ann, *_agents("b")], max_turns=3)

    async with Supervisor(checkpoints=f"sqlite:///{tmp_path}/runs.db") as sup:
        run = sup.stream(make(), "go", id="it")
        reading = asyncio.ensure_future(run)
        await gate.is_entered.wait()
        run.stop()
        await reading
        team = RoundRobinGroupChat(_agents("ab"), max_turns=3)
        result = await sup.stream(team, id="it", allow_changed=True)
    assert [item.source for item in result.messages if item.source != "ann"] == ["user", *"aba"]
    assert gate.entered == 1


async def test_an_answer_to_a_member_that_is_gone_is_left_out() -> None:
    """What was recorded in a turn that was to be taken again is not claimed by anybody."""
    stored = (await run_kept(_round_robin(BEFORE))).after_steps[2]
    state = json.loads(stored.state)
    state["rest"]["unclaimed"] = [{"agent": "d", "records": ["d:1f:"]}]
    stored.state = json.dumps(state)
    assert (await _go_on(_round_robin, stored, "abc")).result.stop_reason
