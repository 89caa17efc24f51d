"""Stops a scenario at every step, in every way, and checks everything that must hold afterwards.

A stop is correct if nobody can tell at which step it came: the team is settled, its transcripts are
whole, and the runs that follow end with the messages of an uninterrupted run. The comparison needs
a deterministic scenario: a model that answers by the transcript (`ScriptedModel`), no clock, no
network.
"""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from supervisor.testing._checks import Whole, check_following, check_stopped
from supervisor.testing._complaints import Complaints
from supervisor.testing._numbers import check_steps
from supervisor.testing._scenario import Attempt, Scenario, Stop, Way
from supervisor.testing._settled import assert_settled, said

WAYS: Final = (Way.CANCEL, Way.DRAIN, Way.TASK, Way.TOKEN, Way.BREAK)
"""The ways of a sweep by default."""

PAIRS: Final = (
    (Way.DRAIN, Way.CANCEL),
    (Way.DRAIN, Way.TASK),
    (Way.DRAIN, Way.ABANDON),
    (Way.CANCEL, Way.TASK),
    (Way.CANCEL, Way.ABANDON),
    (Way.TASK, Way.TASK),
    (Way.TOKEN, Way.CANCEL),
    (Way.BREAK, Way.CANCEL),
)
"""The ways of a stop, and of a second one that comes while the first is in progress."""


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What a sweep did.

    Args:
        steps: The number of steps of an uninterrupted run.
        stops: How many times the scenario was stopped.
        seed: The seed of the samples.
    """

    steps: int
    stops: int
    seed: int


async def count_steps(scenario: Scenario) -> int:
    """Run a scenario without a stop, and count its steps.

    Returns:
        The number of steps; it is the same on every loop.

    Raises:
        AssertionError: Something is wrong even without a stop.
    """
    return (await _run_whole(scenario)).steps


async def sweep(
    scenario: Scenario,
    *,
    ways: Collection[Way] = WAYS,
    steps: Iterable[int] | None = None,
    sample: int | None = None,
    pairs: int = 0,
    seed: int | None = None,
) -> Swept:
    """Stop a scenario at each step in each way, and check what must hold after every one.

    After each stop, nothing is at work or half done (`assert_settled`), and neither the loop nor
    the log complains. No tool call that had finished is made again. The result contains the task
    if, and only if, the team has taken it, and all messages of that run, in the team's order. The
    team's messages are the first ones of an uninterrupted run. Runs that follow go on; once the
    team has as many messages as after an uninterrupted run, they are the same (except after a turn
    in which a tool had been started). The state can be saved, and the team can be reset.

    Args:
        scenario: What is stopped.
        ways: How.
        steps: Before which steps; None is each.
        sample: How many of these stops are drawn; None makes all.
        pairs: How many additional times it is stopped twice: at a step that is drawn, and at a
            later step in another way.
        seed: The seed of the samples. None takes it from the environment variable `STEPS_SEED`, or
            draws one.

    Raises:
        AssertionError: A check failed. A note of the error, as of any other error, says how to
            repeat that stop alone.
        TypeError: `sample` or `pairs` is no whole number.
        ValueError: One of them is negative.

    Example:
        ```python
        await sweep(Scenario(make=lambda: RoundRobinGroupChat([writer(), critic()], max_turns=2)))
        ```
    """
    check_steps("sample", sample or 0)
    check_steps("pairs", pairs)
    drawn = _seed(seed)
    draw = random.Random(drawn)  # noqa: S311 - no secret
    whole = await _run_whole(scenario)
    chosen = list(steps) if steps is not None else list(range(1, whole.steps + 1))
    plans: list[tuple[Stop, ...]] = [((step, way),) for way in ways for step in chosen]
    is_sampled = sample is not None and sample < len(plans)
    if is_sampled:
        plans = draw.sample(plans, sample or 0)
    plans += [_draw_pair(draw, whole.steps) for _ in range(pairs)]
    made = 0
    passed: dict[Way, int] = {}
    for plan in plans:
        step, way = plan[0]
        # `break` leaves the loop at the next event: stops in between are the same stop.
        if is_sampled or len(plan) > 1 or step > passed.get(way, 0):
            passed[way] = await _stop(scenario, whole, plan, drawn)
            made += 1
    gc.collect()
    return Swept(steps=whole.steps, stops=made, seed=drawn)


async def stop_twice(scenario: Scenario, first: Stop, second: Stop) -> None:
    """Stop once, and a second time while that stop is in progress; check what `sweep` checks.

    Args:
        scenario: What is stopped.
        first: Before which step, and how.
        second: The same, for a later step.

    Raises:
        AssertionError: A check failed.
    """
    await _stop(scenario, await _run_whole(scenario), (first, second), None)


def _seed(given: int | None) -> int:
    if given is not None:
        return given
    found = os.environ.get("STEPS_SEED")
    return int(found) if found else random.SystemRandom().randrange(1_000_000)


def _draw_pair(draw: random.Random, steps: int) -> tuple[Stop, Stop]:
    first, second = draw.choice(PAIRS)
    step = draw.randint(1, steps)
    # Most stops take a few steps; one that drains may take as many as are left.
    later = draw.randint(1, steps if first is Way.DRAIN else 12)
    return (step, first), (step + later, second)


async def _run_whole(scenario: Scenario) -> Whole:
    first = await _run_once(scenario, 0)
    second = await _run_once(scenario, first.steps)
    is_same = (first.steps, first.said) == (second.steps, second.said)
    assert is_same, (
        f"{scenario.name} is not deterministic: two runs of it had {first.steps} and "
        f"{second.steps} steps, and said {first.said} and {second.said}; let its models answer by "
        "the transcript alone, and nothing wait for a clock"
    )
    return second


async def _run_once(scenario: Scenario, steps: int) -> Whole:
    with Complaints():
        async with scenario.opened() as team:
            attempt = Attempt(scenario, team)
            ends: set[int] = set()
            for step in range(1, steps + 1):
                attempt.steps.before(step, lambda: ends.add(len(said(team))))
            await attempt.make()
            _ = attempt.result  # raises what the run raised
            assert_settled(team)
            words = said(team)
            return Whole(attempt.steps.taken, words, frozenset({*ends, len(words)}))


async def _stop(scenario: Scenario, whole: Whole, stops: Sequence[Stop], seed: int | None) -> int:
    """Make these stops and all checks; return up to which step other stops would be the same."""
    try:
        with Complaints():
            async with scenario.opened() as team:
                attempt = Attempt(scenario, team)
                await attempt.make(stops)
                check_stopped(attempt, whole, stops)
                await check_following(attempt, whole, stops)
    except BaseException as error:
        error.add_note(_how_to_repeat(scenario, stops, whole, seed))
        raise
    return attempt.left_at


def _how_to_repeat(
    scenario: Scenario, stops: Sequence[Stop], whole: Whole, seed: int | None
) -> str:
    when = " and ".join(f"before step {step} ({way.value})" for step, way in stops)
    pairs = ", ".join(f"({step}, {way})" for step, way in stops)
    again = f"stop_twice(scenario, {pairs})"
    if len(stops) == 1:
        step, way = stops[0]
        again = f"sweep(scenario, ways=[{way}], steps=[{step}])"
    drawn = f" Seed {seed}." if seed is not None else ""
    return f"{scenario.name} stopped {when} of {whole.steps}.{drawn} Again: await {again}"
