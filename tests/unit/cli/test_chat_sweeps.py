"""Exchanges stopped at each step: the exchange is out again, or a whole prefix of it stays."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import pytest

from supervisor.testing import Scenario, Steps, assert_settled
from supervisor.testing._settled import said
from supervisor.testing._sweeps import _seed
from supervisor.types import Runnable
from tests.unit.cli.conversations import Chat, chat
from tests.unit.testing.teams import scenarios

SCENARIOS = scenarios()
SMALL = ("agent", "one with tools")
LARGE = ("pair", "swarm", "selector", "graph", "nested", "tools", "kept", "magentic")
ALL = [name for name in SCENARIOS if "shared" not in name]
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
    async with chat(_make(scenario)) as talk:
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
    if scenario.tools is not None:
        scenario.tools.clear()
    async with chat(_make(scenario)) as talk:
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


async def _sweep(name: str, sample: int | None = None) -> set[str]:
    asyncio.get_running_loop().set_debug(False)
    scenario = SCENARIOS[name]
    whole = await _whole(scenario)
    steps, drawn = list(range(1, whole.steps + 1)), _seed(None)
    if sample is not None and sample < len(steps):
        steps = random.Random(drawn).sample(steps, sample)
    outcomes = set[str]()
    for step in steps:
        try:
            outcomes.add(await _stop_at(scenario, whole, step))
        except BaseException as error:
            error.add_note(f"{name} stopped before step {step} of {whole.steps}; seed {drawn}")
            raise
    return outcomes


@pytest.mark.parametrize("name", SMALL)
async def test_small_ones_at_every_step(name: str) -> None:
    """Wherever it is stopped, the exchange is out or goes on, and the next ones work."""
    is_asyncio = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
    outcomes = await _sweep(name, None if is_asyncio else 4)
    assert not is_asyncio or outcomes >= {"undone"}


@pytest.mark.parametrize("name", LARGE)
async def test_large_ones_at_some_steps(name: str) -> None:
    """At steps that are drawn, another one on each loop, the same holds."""
    is_asyncio = isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
    await _sweep(name, 6 if is_asyncio else 2)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ALL)
async def test_each_at_every_step(name: str) -> None:
    """Wherever it is stopped, the same holds for each class of teams."""
    await _sweep(name)
