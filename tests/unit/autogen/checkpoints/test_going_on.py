"""Take a run at each step, and go on with it in a fresh team: it is the same run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any, cast

import pytest
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import BaseGroupChat, RoundRobinGroupChat

from supervisor import Supervisor
from supervisor._autogen.checkpoints.paths import named_components
from supervisor._autogen.checkpoints.restore import restore
from supervisor._autogen.repair_thread import drive_sync
from supervisor.testing import ScriptedAgent, ScriptedModel, Steps, assert_settled
from supervisor.testing._settled import said
from supervisor.types import Runnable
from tests.unit.autogen.checkpoints.keeping import Keeping, StoredText, run_kept, words
from tests.unit.autogen.checkpoints.kept_teams import TEAMS, selector

pytestmark = pytest.mark.one_loop

EVERY, MOST = (1, 40) if "SOAK" in os.environ else (5, 4)


@pytest.fixture(autouse=True)
async def _fast() -> None:
    asyncio.get_running_loop().set_debug(False)  # which takes a stack of each task


def _same(found: Keeping, whole: Keeping, where: str) -> None:
    assert words(found.result.messages) == words(whole.result.messages), where
    assert found.result.stop_reason == whole.result.stop_reason, where


@pytest.mark.parametrize("kind", list(TEAMS))
async def test_goes_on_from_each_step_as_if_nothing_had_happened(kind: str) -> None:
    """A fresh team goes on with a run from each step, and its result is that of one run."""
    whole = await run_kept(TEAMS[kind]())
    assert whole.after_steps
    for step in range(0, len(whole.after_steps), EVERY):
        found = await run_kept(TEAMS[kind](), stored=whole.after_steps[step])
        _same(found, whole, f"at step {step}")


@pytest.mark.parametrize("kind", list(TEAMS))
async def test_goes_on_again_and_again(kind: str) -> None:
    """A run that goes on in one team after another, some steps in each, is the same run."""
    whole = await run_kept(TEAMS[kind]())
    found, number = whole, 0
    while len(found.after_steps) > 2 and number < MOST:
        found = await run_kept(TEAMS[kind](), stored=found.after_steps[2])
        number += 1
        _same(found, whole, f"the {number}th time")
    assert number


@pytest.mark.parametrize("kind", ["nested", "society", "society_alone", "society_led"])
async def test_goes_on_from_the_first_steps_of_a_run_that_goes_on(kind: str) -> None:
    """A run whose next owner dies before it has done a turn goes on as if there were none."""
    whole = await run_kept(TEAMS[kind]())
    for step in range(0, len(whole.after_steps), 2):
        second = await run_kept(TEAMS[kind](), stored=whole.after_steps[step])
        for number, stored in enumerate(second.after_steps[:2]):
            found = await run_kept(TEAMS[kind](), stored=stored)
            _same(found, whole, f"at step {step}, and then {number}")


@pytest.mark.parametrize("kind", list(TEAMS))
async def test_the_same_team_goes_on_again(kind: str) -> None:
    """A team that was at work since then goes on from an earlier step like a fresh one."""
    team = TEAMS[kind]()
    whole = await run_kept(team)
    for step in (len(whole.after_steps) // 2, len(whole.after_steps) - 1):
        found = await run_kept(team, stored=whole.after_steps[step])
        _same(found, whole, f"at step {step}")


async def test_a_selector_is_not_asked_again_for_a_speaker_that_it_has_selected() -> None:
    """The models of all owners of a run are asked as often as the model of one."""

    def requests(team: Runnable) -> int:
        return len(cast(ScriptedModel, cast(Any, team)._model_client).requests)

    team = selector()
    whole = await run_kept(team)
    # Of each turn two steps: it has ended, and the next speaker is selected.
    assert len(whole.after_steps) == 2 * requests(team)
    for step, stored in enumerate(whole.after_steps):
        fresh = selector()
        await run_kept(fresh, stored=stored)
        done = (step + 1) // 2
        assert requests(fresh) == requests(team) - done, f"at step {step}"


# -- rebuilt ---------------------------------------------------------------------------------------


def _live(team: BaseGroupChat, journal: Any) -> Any:
    """Return the state of a team, as if its members and its manager had heard all."""
    state = dict(drive_sync(cast(Any, team.save_state())))
    members = {name: dict(found) for name, found in state["agent_states"].items()}
    run = journal.team_runs.get(team._team_id)
    for name, member in zip(team._participant_names, team._participants, strict=True):
        if run is not None:
            members[name]["message_buffer"] = [item.dump() for item in run.due[name]]
        if isinstance(member, BaseGroupChat):
            members[name]["agent_state"] = _live(member, journal)
    if run is not None and not run.group.has_turns:
        manager = members[team._group_chat_manager_name]
        unheard = [item.dump() for said in run.transcript.unheard for item in said]
        manager["message_thread"] = [*manager["message_thread"], *unheard]
    return {**state, "agent_states": members}


def _at_boundary(team: Runnable, journal: Any) -> Iterator[tuple[str, BaseGroupChat]]:
    """Yield the teams that are between two turns; of inner ones, those with an answer."""
    for name, thing in named_components(team).items():
        if isinstance(thing, BaseGroupChat):
            run = journal.team_runs.get(thing._team_id)
            if run is not None and not run.turns and (run.has_answers or run is journal.root):
                yield name, thing


async def _restored_states(make: Any, stored: StoredText, names: list[str]) -> dict[str, Any]:
    team = make()
    await restore(team, stored.kept())
    things = named_components(team)
    return {name: await things[name].save_state() for name in names}


@pytest.mark.parametrize("kind", list(TEAMS))
async def test_what_is_rebuilt_is_what_the_team_would_save(kind: str) -> None:
    """At each boundary, a fresh team made of JSON text has the state that the team would save."""
    seen: list[dict[str, Any]] = []
    team = TEAMS[kind]()

    def note(journal: Any) -> None:
        seen.append({name: _live(thing, journal) for name, thing in _at_boundary(team, journal)})

    whole = await run_kept(team, at_step=note)
    compared = 0
    for step, (stored, states) in enumerate(zip(whole.after_steps, seen, strict=True)):
        rebuilt = await _restored_states(TEAMS[kind], stored, list(states))
        for name, state in states.items():
            assert rebuilt[name] == state, f"{name!r} at step {step}"
            compared += 1
    assert compared >= 2


class _Waiting(MaxMessageTermination):
    """A condition of the user's that is written and read by itself, and waits meanwhile."""

    async def load_state(self, state: dict[str, int]) -> None:
        await asyncio.sleep(0)
        self._message_count = state["count"]

    def save_state(self) -> dict[str, int]:
        return {"count": self._message_count}


async def test_a_condition_of_the_users_may_wait_as_it_is_read() -> None:
    """A run goes on with a condition whose `load_state` waits for the loop."""

    def make() -> Runnable:
        agents: list[Any] = [ScriptedAgent(name) for name in "ab"]
        return RoundRobinGroupChat(agents, termination_condition=_Waiting(6))

    whole = await run_kept(make())
    found = await run_kept(make(), stored=whole.after_steps[2])
    _same(found, whole, "at step 2")


@pytest.mark.parametrize("kind", ["nested", "deep", "graph_within", "society"])
async def test_a_run_that_goes_on_and_is_stopped_leaves_its_team_consistent(kind: str) -> None:
    """Stopped in the midst of going on, a team goes on by itself, without the store."""
    team = TEAMS[kind]()
    whole = await run_kept(team)
    for step in range(9, 60, 15):
        team_again = TEAMS[kind]()
        await restore(team_again, whole.after_steps[len(whole.after_steps) // 2].kept())
        async with Supervisor(signals={}) as sup:
            with Steps() as steps:
                steps.before(step, lambda sup=sup: sup.stop("Enough"))  # type: ignore[misc]
                await sup.stream(team_again, None)
        assert_settled(team_again)
        async with Supervisor(signals={}) as sup:
            await sup.stream(team_again, None)
        both = list(zip(said(team_again), said(team), strict=False))
        assert all(found == wanted for found, wanted in both), f"at step {step}"
