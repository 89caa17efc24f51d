"""The command lines of `work`, `submit` and `retry`."""

from __future__ import annotations

import pytest

from supervisor._cli.errors import CommandError
from supervisor._cli.fleet import command_lines

STORE = ("--store", "postgresql://db/runs")


def test_a_worker_has_a_plan_where_nothing_is_said() -> None:
    """One run at a time, five attempts, pauses from a second to five minutes."""
    command = command_lines.read_work(["app:team", *STORE])
    assert (command.team.target.place, command.store) == ("app", "postgresql://db/runs")
    assert (command.concurrency, command.attempts, command.backoff) == (1, 5, (1.0, 300.0))
    assert command.lease == 15


def test_each_part_of_the_plan_has_an_option() -> None:
    """Numbers of runs and attempts, seconds of pauses, lease and stop."""
    more = ["--lease", "3", "--drain", "30", "--trust", "--select", "two"]
    plan = ["--concurrency", "4", "--attempts", "2", "--backoff", "0.5:8"]
    command = command_lines.read_work(["team.json", *STORE, *plan, *more])
    assert (command.concurrency, command.attempts, command.backoff) == (4, 2, (0.5, 8.0))
    assert (command.lease, command.settings.drain) == (3.0, 30.0)
    assert (command.team.trust, command.team.select) == (True, "two")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*STORE], "TARGET"),
        (["app:team", *STORE, "--concurrency", "0"], "give a number, 1 or more"),
        (["app:team", *STORE, "--attempts", "-1"], "give a number, 1 or more"),
        (["app:team", *STORE, "--backoff", "9:1"], "as 1:300"),
        (["app:team", *STORE, "--backoff", "1:x"], "seconds"),
        (["app:team", *STORE, "--lease", "0"], "more than 0"),
        (["app:team", *STORE, "--lease", "off"], "no more than a day"),
    ],
)
def test_what_cannot_be_is_one_line(words: list[str], said: str) -> None:
    """The line says what to give instead."""
    with pytest.raises(CommandError) as caught:
        command_lines.read_work(words)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pause_may_stay_the_same() -> None:
    """One number is the first pause and the longest."""
    assert command_lines.read_work(["a:b", *STORE, "--backoff", "5"]).backoff == (5.0, 5.0)


def test_submit_takes_a_target_and_a_task() -> None:
    """The id may be left out; an empty task may not."""
    command = command_lines.read_submit(["app:team", "Count", *STORE])
    assert (command.task, command.run_id) == ("Count", None)
    assert command_lines.read_submit(["a:b", "x", *STORE, "--id", "one"]).run_id == "one"
    with pytest.raises(CommandError, match="the task is empty"):
        command_lines.read_submit(["app:team", " ", *STORE])


def test_retry_takes_ids() -> None:
    """And the store that has the runs."""
    command = command_lines.read_retry(["one", "two", *STORE])
    assert (command.run_ids, command.store) == (("one", "two"), "postgresql://db/runs")


def test_the_environment_names_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the other commands about stores."""
    monkeypatch.setenv("SUPERVISOR_CHECKPOINTS", "postgresql://db/others")
    assert command_lines.read_work(["app:team"]).store == "postgresql://db/others"
    assert command_lines.read_work(["app:team", *STORE]).store == "postgresql://db/runs"
