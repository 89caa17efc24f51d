"""A sweep finds planted faults: each of its checks can fail, and says where."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any

import pytest
from autogen_agentchat.base import Response
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken

from supervisor.testing import Scenario, ToolLog, Way, count_steps, stop_twice, sweep
from supervisor.testing._complaints import Complaints
from tests.unit.testing.teams import Keeper, agent, pair, round_robin

pytestmark = pytest.mark.one_loop

CHECKS = "supervisor.testing._checks"


@pytest.fixture(autouse=True)
async def _quick() -> None:
    """Switch debug mode off, since it spends most of the time on stacks of tasks."""
    asyncio.get_running_loop().set_debug(False)


class Planted(Keeper):
    """An agent that does something wrong when it is cancelled.

    Args:
        wrong: What it does.
        log: A tool of its own, which it calls in each turn.
    """

    def __init__(self, wrong: Callable[[Planted], object], log: ToolLog | None = None) -> None:
        super().__init__("ann")
        self.wrong = wrong
        self.log = log
        self.inner = pair()
        self.is_lost = self.is_stuck = False

    async def on_messages(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        """Answer, with the fault if it was cancelled before."""
        try:
            if self.log is not None:
                await self.log.tool("look_up")(f"{len(self.heard)}")
            for _ in range(3):
                await asyncio.sleep(0)
            if self.is_stuck:
                await asyncio.sleep(3600)
            return await super().on_messages([] if self.is_lost else messages, cancellation_token)
        except asyncio.CancelledError:
            self.wrong(self)
            raise


def nothing(member: Planted) -> None:
    """Do nothing wrong."""


def lose(member: Planted) -> None:
    """Ignore all messages from now on."""
    member.is_lost = True


def leave_event(member: Planted) -> None:
    """Leave an event in the output of a team inside it."""
    member.inner._output_message_queue.put_nowait(TextMessage(content="left", source="ann"))


def log_error(member: Planted) -> None:
    """Log an error."""
    logging.getLogger("autogen_core").error("that went wrong")


def leave_failure(member: Planted) -> None:
    """Leave a failed task that nobody awaits."""
    asyncio.get_running_loop().create_future().set_exception(ValueError("nobody looks"))


def stick(member: Planted) -> None:
    """Never answer again."""
    member.is_stuck = True


def scenario(wrong: Callable[[Planted], object], log: ToolLog | None = None) -> Scenario:
    """Return a team of two, the first of whom is planted."""

    def make() -> RoundRobinGroupChat:
        return round_robin(Planted(wrong, log), Keeper("bob"))

    return Scenario(make=make, tools=log, name="the planted one")


async def test_what_is_right_passes() -> None:
    """A team without a fault passes at every step, and each step is tried."""
    swept = await sweep(scenario(nothing), ways=[Way.CANCEL])
    assert swept.stops == swept.steps > 20


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (leave_event, "not settled: team: 1 events nobody has read"),
        (log_error, "autogen_core: that went wrong"),
        (leave_failure, "exception was never retrieved .*nobody looks"),
    ],
)
async def test_what_an_agent_leaves_behind_is_found(
    wrong: Callable[[Planted], object], said: str
) -> None:
    """An event left in a team, an error in the log, and a failure of a task are found."""
    with pytest.raises(AssertionError, match=said) as caught:
        await sweep(scenario(wrong), ways=[Way.CANCEL])
    note = caught.value.__notes__[0]
    assert note.startswith("the planted one stopped before step")
    assert "Again: await sweep(scenario, ways=[Way.CANCEL], steps=[" in note


async def test_a_lost_message_is_found() -> None:
    """An agent that loses its messages is found by its different answers."""
    with pytest.raises(AssertionError, match="after the runs that follow the team holds"):
        await sweep(scenario(lose), ways=[Way.TASK])


async def test_a_tool_that_runs_twice_is_found() -> None:
    """A finished call that is made again is found, whoever makes it."""
    with pytest.raises(AssertionError, match=r"made again: \[\('look_up', '0'\)"):
        await sweep(scenario(nothing, ToolLog()), ways=[Way.CANCEL])


async def test_a_run_that_hangs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A following run that takes longer than its limit is found."""
    monkeypatch.setattr(f"{CHECKS}.SECONDS", 0.2)
    with pytest.raises(AssertionError, match="the run that follows hangs"):
        await sweep(scenario(stick), ways=[Way.CANCEL])


async def test_a_drain_that_does_not_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn in DRAIN that had to be cancelled is found."""
    monkeypatch.setattr(f"{CHECKS}.SECONDS", 0.0)
    with pytest.raises(AssertionError, match="did not end in DRAIN"):
        await sweep(scenario(nothing), ways=[Way.DRAIN], steps=[5])


async def test_a_result_that_does_not_fit_the_team_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A result that contains a task which the team has not taken, or the reverse, is found."""

    def never(team: object, task: object) -> bool:
        return False

    monkeypatch.setattr(f"{CHECKS}.has_taken", never)
    with pytest.raises(AssertionError, match="holds the task, and the team has not taken it"):
        await sweep(scenario(nothing), ways=[Way.CANCEL])


class _NeverForgets(RoundRobinGroupChat):
    async def reset(self) -> None:
        pass


class _NeverSaves(RoundRobinGroupChat):
    async def save_state(self) -> Mapping[str, Any]:
        return {"when": object()}


@pytest.mark.parametrize(
    ("cls", "error", "said"),
    [
        (_NeverForgets, AssertionError, "was reset, and remembers"),
        (_NeverSaves, TypeError, "not JSON serializable"),
    ],
)
async def test_a_team_that_cannot_be_reset_or_saved_is_found(
    cls: type[RoundRobinGroupChat], error: type[Exception], said: str
) -> None:
    """A team that cannot be saved or reset after a stop is found."""
    with pytest.raises(error, match=said):
        await sweep(Scenario(make=lambda: cls([agent("ann")], max_turns=1)), ways=[Way.CANCEL])


async def test_a_scenario_has_to_be_deterministic() -> None:
    """Two uninterrupted runs that differ are reported as an error of the scenario."""
    rounds = itertools.count(1)
    changing = Scenario(make=lambda: round_robin(agent("ann"), turns=next(rounds)))
    with pytest.raises(AssertionError, match="is not deterministic"):
        await count_steps(changing)


async def test_what_fails_without_a_stop_fails_at_once() -> None:
    """An error of the team itself is raised unchanged."""

    class Failing(Keeper):
        async def on_messages(
            self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
        ) -> Response:
            raise ValueError("the agent's own")

    with pytest.raises(RuntimeError, match="the agent's own"):
        await count_steps(Scenario(make=lambda: round_robin(Failing("ann"))))


async def test_a_sample_is_drawn_by_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seed makes the same stops; it is reported, and may come from the environment."""
    made: list[Any] = []

    async def note(_scenario: Any, _whole: Any, stops: Any, _seed: Any) -> int:
        made.append(stops)
        return 0

    monkeypatch.setattr("supervisor.testing._sweeps._stop", note)
    monkeypatch.setenv("STEPS_SEED", "11")
    first = await sweep(scenario(nothing), sample=5, pairs=3)
    second = await sweep(scenario(nothing), sample=5, pairs=3, seed=11)
    assert first == second
    assert (first.stops, first.seed) == (8, 11)
    assert made[:8] == made[8:]
    assert [len(stops) for stops in made[:8]] == [1] * 5 + [2] * 3
    assert all(first[0] < second[0] for first, second in made[5:8])
    monkeypatch.delenv("STEPS_SEED")
    seeds = {(await sweep(scenario(nothing), sample=1)).seed for _ in range(4)}
    assert len(seeds) > 1


async def test_a_pair_can_be_repeated() -> None:
    """A failure of two stops has a note with the call of `stop_twice` that repeats it."""
    await stop_twice(scenario(nothing), (9, Way.CANCEL), (11, Way.ABANDON))
    await stop_twice(scenario(nothing), (9, Way.BREAK), (12, Way.CANCEL))
    with pytest.raises(AssertionError) as caught:
        await stop_twice(scenario(leave_event), (20, Way.DRAIN), (21, Way.TASK))
    assert "stop_twice(scenario, (20, Way.DRAIN), (21, Way.TASK))" in caught.value.__notes__[0]


async def test_breaks_between_two_events_are_one_stop() -> None:
    """`break` acts at an event, so fewer stops than steps are made, and none is missed."""
    swept = await sweep(scenario(nothing), ways=[Way.BREAK])
    assert 3 <= swept.stops < swept.steps


async def test_what_make_opens_is_closed() -> None:
    """An async context manager provides the team, and is closed after each run."""
    opened = closed = 0

    @contextlib.asynccontextmanager
    async def make() -> AsyncGenerator[RoundRobinGroupChat, None]:
        nonlocal opened, closed
        opened += 1
        yield pair()
        closed += 1

    await sweep(Scenario(make=make, reloads=True), ways=[Way.CANCEL], steps=[4, 5])
    assert opened == closed == 2 + 2 + 1  # two whole, two stopped, one loaded


async def test_complaints_are_heard_and_all_is_put_back() -> None:
    """Complaints of the loop, the log and destructors are collected while the block is open."""
    loop = asyncio.get_running_loop()
    found = loop.get_exception_handler()

    class Grumpy:
        def __del__(self) -> None:
            raise ValueError("from a destructor")

    def complain() -> None:
        with Complaints():
            loop.call_exception_handler({"message": "from the loop"})
            logging.getLogger("supervisor").error("from the log")
            Grumpy()

    with pytest.raises(AssertionError, match=r"from the loop.*from the log.*a destructor"):
        complain()
    assert loop.get_exception_handler() is found
    with Complaints():
        logging.getLogger("asyncio").warning("not that bad")


async def test_an_error_of_the_block_comes_before_complaints() -> None:
    """An exception of the block takes precedence over complaints."""

    def fail() -> None:
        with Complaints():
            logging.getLogger("asyncio").error("hidden")
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()
