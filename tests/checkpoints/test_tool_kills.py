"""No tool is called twice for the same call, whenever its process is killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from supervisor._autogen.checkpoints.calls.recalled import OPEN_CALL
from tests.checkpoints.preloaded import run_warm_scenario
from tests.checkpoints.tool_kills import IDEMPOTENT, MCP, TEAMS, kill_at_random
from tests.process.harness import Server
from tests.seeds import seed

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

MANY = 17
OWN = [team for team in TEAMS if team != MCP]


def test_a_run_that_is_killed_calls_no_tool_twice(server: Server, tmp_path: Path) -> None:
    """Each call notes its key in a file; a call without a result reads "Interrupted"."""
    _check(server, tmp_path, seed("CHECKPOINTS_SEED"), kills=3)


def test_a_server_of_tools_is_called_with_no_key_twice(server: Server, tmp_path: Path) -> None:
    """It notes the key that each call tells it, over the kill of its client, which ends it too."""
    pytest.importorskip("mcp", reason="needs the extra `mcp`")
    _check(server, tmp_path, seed("CHECKPOINTS_SEED"), kills=3, teams=[MCP])


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_server_of_tools_is_called_with_no_key_twice_in_the_long_run(
    server: Server, tmp_path: Path
) -> None:
    """The same with a hundred kills."""
    pytest.importorskip("mcp", reason="needs the extra `mcp`")
    for number in range(10):
        folder = tmp_path / str(number)
        folder.mkdir()
        _check(server, folder, seed("CHECKPOINTS_SEED") + number, kills=10, teams=[MCP])


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_runs_that_are_killed_often_call_no_tool_twice(server: Server, tmp_path: Path) -> None:
    """The same with five hundred kills, over many runs."""
    for number in range(MANY):
        folder = tmp_path / str(number)
        folder.mkdir()
        _check(server, folder, seed("CHECKPOINTS_SEED") + number, kills=10)


def _check(
    server: Server, folder: Path, number: int, *, kills: int, teams: Sequence[str] = OWN
) -> None:
    arguments: dict[str, Any] = {"folder": str(folder), "teams": teams, "kills": kills}
    found: dict[str, Any] = run_warm_scenario(
        server, kill_at_random, seconds=110, seed=number, **arguments
    )
    for team in teams:
        _check_calls(found[team])


def _check_calls(found: dict[str, Any]) -> None:
    noted = Counter(line for line in found["keys"])
    again = {line for line, count in noted.items() if count > 1}
    assert all(line.startswith(f"{IDEMPOTENT} ") for line in again), again
    answers: list[str] = found["answers"]
    keys = {line.partition(" ")[2] for line in noted}
    answered = {answer.removeprefix("did ") for answer in answers if answer.startswith("did ")}
    assert answered <= keys
    left = [answer for answer in answers if not answer.startswith("did ")]
    assert set(left) <= {OPEN_CALL}, left
    assert len(keys - answered) <= len(left), "a call without a result does not say so"
