"""Sweeps: each class of team, stopped at each step in each way, goes on as if never stopped.

By default each way of a stop comes at some steps, which are drawn; of large scenarios fewer. The
steps are the same on both loops. `make soak` sweeps all of them whole on both, and takes a thousand
pairs of stops. `STEPS_SEED=…` draws the sample that failed.
"""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from supervisor.testing import Scenario, Way, count_steps, sweep
from supervisor.testing._sweeps import WAYS
from tests.unit.testing.teams import scenarios

SCENARIOS = scenarios()
FAST = {name: dataclasses.replace(found, fast_path=True) for name, found in SCENARIOS.items()}
# The fast path changes which steps there are: where a stop may come is another place.
paths = pytest.mark.parametrize("found", [SCENARIOS, FAST], ids=["autogen's path", "fast path"])
Scenarios = dict[str, Scenario]
SMALL = ("agent", "one with tools", "pair")
LARGE = [name for name in SCENARIOS if name not in SMALL]


async def swept(scenario: Scenario, **options: object) -> None:
    """Run a sweep without asyncio's debug mode, which takes a stack of each task."""
    asyncio.get_running_loop().set_debug(False)
    done = await sweep(scenario, **options)  # type: ignore[arg-type]
    assert done.stops > 0


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize("name", SMALL)
@paths
async def test_small_ones_in_each_way(found: Scenarios, name: str, way: Way) -> None:
    """Wherever the stop comes, all checks pass; at steps that are drawn."""
    await swept(found[name], ways=[way], sample=10)


@pytest.mark.one_loop
@pytest.mark.parametrize("name", LARGE)
@paths
async def test_large_ones_at_some_steps(found: Scenarios, name: str) -> None:
    """In a sample of all steps and ways all checks pass."""
    await swept(found[name], sample=3)


@pytest.mark.one_loop
@pytest.mark.parametrize("name", SCENARIOS)
@paths
async def test_stopped_twice(found: Scenarios, name: str) -> None:
    """All checks pass for a second, stronger stop during the first, at steps that are drawn."""
    await swept(found[name], ways=[], pairs=1)


@pytest.mark.parametrize("name", ["magentic", "pair"])
async def test_left_when_it_has_ended(name: str) -> None:
    """A loop that would be left after the last event sees the run's end."""
    steps = await count_steps(SCENARIOS[name])
    await swept(SCENARIOS[name], ways=[Way.BREAK], steps=range(steps - 2, steps + 1))


@pytest.mark.one_loop
@pytest.mark.parametrize("name", ["magentic", "graph", "agent"])
async def test_stopped_as_it_begins(name: str) -> None:
    """All checks pass whether the task was taken or not, for each kind of scenario."""
    await swept(SCENARIOS[name], ways=[Way.CANCEL, Way.BREAK], steps=[2, 3])


async def test_the_fast_path_has_fewer_steps() -> None:
    """A sweep takes the fast path only with `fast_path=True`, and has fewer steps then."""
    slow, fast = await count_steps(SCENARIOS["pair"]), await count_steps(FAST["pair"])
    assert fast < slow


@pytest.mark.parametrize("name", SCENARIOS)
def test_steps_are_the_same_on_both_loops(name: str) -> None:
    """Each step on one loop is the same step on the other."""
    from tests.conftest import _loop_factories

    counts = set[int]()
    for factory in _loop_factories().values():
        with asyncio.Runner(loop_factory=factory) as runner:
            counts.add(runner.run(count_steps(SCENARIOS[name])))
    assert len(counts) == 1


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@pytest.mark.parametrize("name", SCENARIOS)
@paths
async def test_each_at_every_step(found: Scenarios, name: str, way: Way) -> None:
    """Wherever the stop comes, all checks pass."""
    await swept(found[name], ways=[way])


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SCENARIOS)
@paths
async def test_many_pairs(found: Scenarios, name: str) -> None:
    """All checks pass for a thousand pairs of stops."""
    await swept(found[name], ways=[], pairs=1000)
