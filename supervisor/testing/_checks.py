"""The checks of a sweep: right after a stop, and in the runs that follow."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from autogen_agentchat.base import TaskResult, Team
from autogen_agentchat.messages import TextMessage
from autogen_core import CancellationToken

from supervisor import Supervisor
from supervisor.testing._agreement import Agreement
from supervisor.testing._scenario import SECONDS, Attempt, Scenario, Stop, Way
from supervisor.testing._settled import assert_settled, has_taken, said
from supervisor.types import Runnable

Line = tuple[str, str]


@dataclass(frozen=True)
class Whole:
    """An uninterrupted run: its steps, its messages, and how many there are after each turn."""

    steps: int
    said: list[Line]
    ends: frozenset[int] = frozenset()


def check_stopped(attempt: Attempt, whole: Whole, stops: Sequence[Stop]) -> None:
    """Check a run that was just stopped.

    Raises:
        AssertionError: A check failed.
    """
    result = attempt.result
    assert_settled(attempt.team)
    if {way for _, way in stops} == {Way.DRAIN}:
        assert result is not None
        assert attempt.seconds < SECONDS, "the turn did not end in DRAIN: it had to be cancelled"
    attempt.agreement.check(attempt.team, attempt.run.result)
    if attempt.scenario.restarts:
        return
    _check_task(attempt)
    _check_said(attempt.scenario, said(attempt.team), whole.said, "the stop")


def _check_task(attempt: Attempt) -> None:
    run, taken = attempt.run, has_taken(attempt.team, attempt.task)
    assert run.result is not None
    given = any(message.id == attempt.task.id for message in run.result.messages)
    assert given == taken, (
        f"the result {'holds' if given else 'does not hold'} the task, and the team "
        f"{'has' if taken else 'has not'} taken it"
    )
    assert run.has_taken_task == taken, f"has_taken_task is {run.has_taken_task}"


def _check_said(scenario: Scenario, now: list[Line], whole: list[Line], after: str) -> None:
    """Check that an uninterrupted run begins with the team's messages, or they with it."""
    shared = min(len(now), len(whole))
    if scenario.is_ordered:
        is_same = now[:shared] == whole[:shared]
    else:
        is_same = not Counter(now[:shared]) - Counter(whole)
    assert is_same, f"after {after} the team holds {now}; in an uninterrupted run {whole}"


async def check_following(attempt: Attempt, whole: Whole, stops: Sequence[Stop]) -> None:
    """Go on after a stop, and check that.

    The step decides how: with the same team, with the team after a reset, or with a fresh team
    that has loaded the state.

    Raises:
        AssertionError: A check failed.
    """
    scenario, team, turn = attempt.scenario, attempt.team, stops[0][0] % 3
    state = await team.save_state()
    json.dumps(state)
    if scenario.resets and turn == 1:
        await _begin_anew(attempt, whole)
    elif scenario.reloads and turn == 2:  # noqa: PLR2004 - the last of three
        async with scenario.opened() as other:
            await other.load_state(state)
            await _go_on(attempt, other, whole)
    else:
        await _go_on(attempt, team, whole)
        await _reset(team)


async def _begin_anew(attempt: Attempt, whole: Whole) -> None:
    team = attempt.team
    await _reset(team)
    await _follow(team, attempt.task, Agreement(team))
    _check_said(attempt.scenario, said(team), whole.said, "a reset and a run")
    assert len(said(team)) == len(whole.said), f"after a reset, the team said {said(team)}"
    assert_settled(team)


async def _go_on(attempt: Attempt, team: Runnable, whole: Whole) -> None:
    """Run the team, at least once, until it has as many messages as an uninterrupted run."""
    scenario = attempt.scenario
    is_comparable = not scenario.restarts and not _had_begun_tools(attempt, whole)
    is_first = True
    while is_first or (len(said(team)) < len(whole.said) and not scenario.restarts):
        is_first = False
        before = said(team)
        result = await _follow(team, _next_task(attempt, team, whole), attempt.agreement)
        is_further = len(said(team)) > len(before) or scenario.restarts or not whole.said
        assert is_further, f"the run that follows adds nothing ({result.stop_reason})"
    assert_settled(team)
    if is_comparable:
        _check_said(scenario, said(team), whole.said, "the runs that follow")
    if scenario.tools is not None:
        assert not scenario.tools.repeated, f"made again: {scenario.tools.repeated}"


def _had_begun_tools(attempt: Attempt, whole: Whole) -> bool:
    """Return whether a tool was started in a turn that was interrupted."""
    held = len(said(attempt.team))
    if not attempt.scenario.is_ordered:  # others may have spoken during a turn
        return bool(attempt.said_at_calls) and held < len(whole.said)
    # A turn with a tool is over once the team has as many messages as after it in the whole run.
    ends = [min(filter(n.__lt__, whole.ends), default=n + 1) for n in attempt.said_at_calls]
    return any(held < end for end in ends)


def _next_task(attempt: Attempt, team: Runnable, whole: Whole) -> TextMessage | str | None:
    if attempt.scenario.restarts:
        return _task_of_restarting(attempt)
    if not has_taken(team, attempt.task):
        return attempt.task
    return None if len(said(team)) < len(whole.said) else "Once more"


def _task_of_restarting(attempt: Attempt) -> TextMessage | str | None:
    run, result, request = attempt.run, attempt.run.result, attempt.run.stop_request
    if not run.has_taken_task:
        return attempt.task
    has_ended = result is None or request is None or result.stop_reason != request.reason
    return attempt.scenario.task if has_ended else None


async def _follow(
    team: Runnable, task: TextMessage | str | None, agreement: Agreement
) -> TaskResult:
    result: TaskResult | None = None
    async with Supervisor(signals={}) as sup:
        result = await sup.stream(team, task, timeout=SECONDS)
    assert result is not None
    assert result.stop_reason != f"Stopped after {SECONDS:g} s", "the run that follows hangs"
    agreement.check(team, result)
    return result


async def _reset(team: Runnable) -> None:
    if isinstance(team, Team):
        await team.reset()
        assert not said(team), "the team was reset, and remembers what was said"
    else:
        await team.on_reset(CancellationToken())
    assert_settled(team)
