"""Exchanges stopped at each step: the exchange is out again, or a whole prefix of it stays."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from autogen_agentchat.base import Team

from supervisor._autogen.walk import walk
from supervisor.testing import Scenario, Steps, assert_settled
from supervisor.testing._settled import said
from supervisor.testing._sweeps import _seed
from supervisor.types import Runnable
from tests.unit.cli.conversations import Chat, chat
from tests.unit.testing.teams import scenarios

pytestmark = pytest.mark.one_loop

FOUND = scenarios()
SMALL = ("agent", "one with tools")
LARGE = ("pair", "swarm", "selector", "graph", "nested", "tools", "kept", "magentic")
BEHIND_TOOLS = ("team tool", "agent tool")
ALL = [name for name in FOUND if "shared" not in name]
FAST = {f"{name}, fast path": dataclasses.replace(FOUND[name], fast_path=True) for name in ALL}
SCENARIOS = {**FOUND, **FAST}
Lines = list[tuple[str, str]]


def _make(scenario: Scenario) -> Callable[[], Runnable]:
    return cast("Callable[[], Runnable]", scenario.make)


class Whole:
    """A conversation of two exchanges that nobody stops."""

    def __init__(self) -> None:
        self.steps = 0
        self.first: Lines = []
        self.second: Lines = []


async def _whole(scenario: Scenario) -> Whole:
    whole = Whole()
    async with chat(_make(scenario), fast_path=scenario.fast_path) as talk:
        with Steps() as steps:
            done = await talk.exchange("Begin")
            whole.steps = steps.taken
        assert done.outcome == "finished"
        whole.first = said(talk.team)
        assert (await talk.exchange("Once more")).outcome == "finished"
        whole.second = said(talk.team)
    return whole


async def _state(talk: Chat) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(json.dumps(await talk.team.save_state())))


async def _stop_at(scenario: Scenario, whole: Whole, step: int) -> str:
    """Stop the first exchange before a step, make all checks, and return its outcome."""
    async with chat(_make(scenario), fast_path=scenario.fast_path) as talk:
        before = await _state(talk)
        with Steps() as steps:
            steps.before(step, talk.stop)
            done = await talk.exchange("Begin")
        assert_settled(talk.team)
        if done.outcome == "undone":
            assert done.words == "Begin"
            assert await _state(talk) == before
            done = await talk.exchange("Begin")
            assert done.outcome == "finished"
            _check(scenario, said(talk.team), whole.first, is_whole=True)
            await talk.exchange("Once more")
            _check(scenario, said(talk.team), whole.second, is_whole=True)
            return "undone"
        assert not done.words
        if done.outcome == "stopped":
            await _go_on(scenario, talk, whole)
        await _say_more(talk)
        assert (await talk.command("/undo")).startswith("The last exchange is taken back")
        assert (await talk.command("/undo")).startswith("The last exchange is taken back")
        assert await _state(talk) == before
        return done.outcome


async def _go_on(scenario: Scenario, talk: Chat, whole: Whole) -> None:
    """Go on until the answer is whole."""
    has_begun_tools = scenario.tools is not None
    if not has_begun_tools and not scenario.restarts:
        _check(scenario, said(talk.team), whole.first)
    done = await talk.exchange(None)
    assert done.outcome == "finished", done
    assert not talk.can_go_on
    assert_settled(talk.team)
    if not has_begun_tools and not scenario.restarts:
        _check(scenario, said(talk.team), whole.first)
    if scenario.tools is not None:
        assert not scenario.tools.repeated


async def _say_more(talk: Chat) -> None:
    had = said(talk.team)
    done = await talk.exchange("And now")
    assert done.outcome == "finished", done
    assert said(talk.team) != had
    assert_settled(talk.team)


def _check(scenario: Scenario, now: Lines, whole: Lines, *, is_whole: bool = False) -> None:
    if scenario.restarts:
        return
    shared = min(len(now), len(whole))
    if scenario.is_ordered:
        assert now[:shared] == whole[:shared]
    else:
        assert not Counter(now[:shared]) - Counter(whole)
    assert not is_whole or len(now) == len(whole)


async def _steer_at(scenario: Scenario, whole: Whole, step: int) -> str:
    """Steer the first exchange before a step, make all checks, and return what it came to."""
    async with chat(_make(scenario), fast_path=scenario.fast_path) as talk:
        before = await _state(talk)

        def steer() -> None:
            talk.queue("Turn round")
            talk.steer()

        with Steps() as steps:
            steps.before(step, steer)
            done = await talk.exchange("Begin")
        assert (done.outcome, done.words, list(talk.queued)) == ("finished", "", [])
        assert_settled(talk.team)
        shown = [text for text in talk.texts() if text.endswith("Turn round")]
        assert len(shown) == 1
        assert said(talk.team)
        if scenario.tools is not None:
            assert not scenario.tools.repeated
        await _say_more(talk)
        while "taken back" in await talk.command("/undo"):
            assert_settled(talk.team)
        assert await _state(talk) == before
    return shown[0]


async def _undo_at(scenario: Scenario, whole: Whole, step: int) -> str:
    """Stop the first exchange before a step, undo what stays of it, and say the same again."""
    async with chat(_make(scenario), fast_path=scenario.fast_path) as talk:
        with Steps() as steps:
            steps.before(step, talk.stop)
            done = await talk.exchange("Begin")
        if done.outcome != "undone":
            assert (await talk.command("/undo")).startswith("The last exchange is taken back")
        assert_settled(talk.team)
        assert not any(said(team) for team in walk(talk.team) if isinstance(team, Team))
        assert (await talk.exchange("Begin")).outcome == "finished"
        assert_settled(talk.team)
        _check(scenario, said(talk.team), whole.first, is_whole=True)
    return done.outcome


async def _sweep(
    name: str, at: Callable[[Scenario, Whole, int], Awaitable[str]], sample: int | None = None
) -> set[str]:
    asyncio.get_running_loop().set_debug(False)
    scenario = SCENARIOS[name]
    whole = await _whole(scenario)
    steps, drawn = list(range(1, whole.steps + 1)), _seed(None)
    if sample is not None and sample < len(steps):
        steps = random.Random(drawn).sample(steps, sample)
    outcomes = set[str]()
    for step in steps:
        if scenario.tools is not None:
            scenario.tools.clear()
        try:
            outcomes.add(await at(scenario, whole, step))
        except BaseException as error:
            error.add_note(f"{name} at step {step} of {whole.steps}; seed {drawn}")
            raise
    return outcomes


def _is_asyncio() -> bool:
    return isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)


@pytest.mark.parametrize("name", SMALL)
async def test_small_ones_stopped_at_every_step(name: str) -> None:
    """Wherever it is stopped, the exchange is out or goes on, and the next ones work."""
    outcomes = await _sweep(name, _stop_at, None if _is_asyncio() else 4)
    assert not _is_asyncio() or outcomes >= {"undone"}


@pytest.mark.parametrize("name", LARGE)
async def test_large_ones_stopped_at_some_steps(name: str) -> None:
    """At steps that are drawn, others on each loop, the same holds."""
    await _sweep(name, _stop_at, 6 if _is_asyncio() else 2)


@pytest.mark.parametrize("name", [*SMALL, *LARGE])
async def test_steered_at_some_steps(name: str) -> None:
    """At steps that are drawn, the queued words go in once, and `/undo` leads back to the start."""
    await _sweep(name, _steer_at, 4 if _is_asyncio() else 1)


@pytest.mark.parametrize("name", BEHIND_TOOLS)
async def test_undone_behind_tools_at_some_steps(name: str) -> None:
    """`/undo` of a stopped answer takes it from the teams and agents behind tools as well."""
    await _sweep(name, _undo_at, 8 if _is_asyncio() else 2)


# The model of "stored" counts its messages, and two at once are none of its script.
EACH = [
    *((name, _stop_at) for name in (*ALL, *FAST)),
    *((f"{name}{path}", _undo_at) for name in BEHIND_TOOLS for path in ("", ", fast path")),
    *((name, _steer_at) for name in (*ALL, *FAST) if not name.startswith("stored")),
]


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "at"), EACH)
async def test_each_at_every_step(name: str, at: Callable[..., Awaitable[str]]) -> None:
    """Wherever it is stopped or steered, the same holds for each class of teams."""
    await _sweep(name, at)
