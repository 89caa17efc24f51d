"""A run goes on in another process, however the one before has ended."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.checkpoints import going_on
from tests.checkpoints.going_on import MESSAGES
from tests.checkpoints.preloaded import run_warm_scenario
from tests.process.harness import Server

pytestmark = [pytest.mark.process]


def test_a_run_goes_on_after_each_signal(server: Server, tmp_path: Path) -> None:
    """Killed, drained and interrupted in turn, a run says what it says in one go.

    With "sync" nothing that was shown is said again. With "exit" a kill loses all of it, and a
    signal that is heard loses nothing.
    """
    told = run_warm_scenario(server, going_on.go_on_in_each_way, folder=str(tmp_path))
    whole = told.pop("uninterrupted")
    assert len(whole) == MESSAGES
    for processes in told.values():
        *said, result = processes[-1][1]
        assert result == whole
        assert said == whole[-len(said) :]  # what an earlier process has said is not said again
    for durability in ("async", "sync"):
        assert [status for status, _ in told[durability]] == [
            -signal.SIGKILL, -signal.SIGTERM, -signal.SIGKILL, -signal.SIGINT, 0,
        ]  # fmt: skip
    shown = [line for _, lines in told["sync"] for line in lines if isinstance(line, str)]
    assert len(shown) == len(set(shown))
    (_, killed), (_, drained), (_, last) = told["exit"]
    assert killed[:4] == drained[:4] == whole[:4]
    assert len(last) < MESSAGES


def test_a_tool_that_had_begun_and_a_run_that_is_cancelled(server: Server, tmp_path: Path) -> None:
    """A call that a kill has interrupted is closed, or made again with the same key.

    A run that is cancelled from another process is stopped by its owner.
    """
    told = run_warm_scenario(server, going_on.call_tools_and_cancel, folder=str(tmp_path))
    assert told.pop("cancelled") == [0, "running", ["Cancelled by request"], "cancelled"]
    for name, (processes, keys) in told.items():
        is_idempotent = name == "idempotent"
        said = "\n".join(processes[1][1][0])
        assert [status for status, _ in processes] == [-signal.SIGKILL, 0]
        assert len(keys) == (2 if is_idempotent else 1)
        assert len(set(keys)) == 1
        assert ("paid 5" in said) is is_idempotent
        assert ("not known whether this call took effect" in said) is not is_idempotent
