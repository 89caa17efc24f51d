"""AutoGen's methods are wrapped, in any way, at any time: runs are followed all the same."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from autogen_core import SingleThreadedAgentRuntime

from supervisor import Supervisor, SupervisorError, UsageError
from supervisor._autogen.history.journal import Journal
from tests.agents import Agent, team
from tests.unit.autogen.wrapped import METHODS, plain

_ROOT = Path(__file__).parents[2]
_EXPECTED = "1 enough ['ann', 'bob', 'ann']"
"""The tool was called once; the run ended as it was told; the team went on to its end."""


@pytest.mark.process
@pytest.mark.blocks
@pytest.mark.parametrize("kind", ["plain", "nameless", "tasks", "wrapt"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_wrapper_changes_nothing(kind: str, when: str) -> None:
    """A run in a program whose tracing wraps AutoGen's methods ends, and goes on, as without."""
    if kind == "wrapt":
        pytest.importorskip("wrapt")
    command = [sys.executable, "-m", "tests.unit.autogen.wrapped", kind, when]
    ended = subprocess.run(
        command, cwd=_ROOT, capture_output=True, text=True, timeout=55, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert len(lines) == (1 if when == "before" else 1 + len(METHODS))
    assert [line for line in lines if not line.startswith(_EXPECTED)] == []


async def test_a_wrapper_that_comes_in_the_midst_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrapper that is put on while a run is active does not hide its tasks."""
    agents = [Agent("a"), Agent("b")]
    async with Supervisor(signals={}) as sup:
        run = sup.stream(team(*agents, turns=4), "go")
        async for event in run:
            if getattr(event, "source", None) == "a":
                for name in ("_process_send", "_process_publish", "_process_response"):
                    found = getattr(SingleThreadedAgentRuntime, name)
                    monkeypatch.setattr(SingleThreadedAgentRuntime, name, plain(found))
                run.stop("enough")
        result = await run
    assert result.stop_reason == "enough"


async def test_a_method_that_was_replaced_is_one_error_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where a method was replaced, a run raises as it begins, and names the replacement."""

    async def process_next(self: Any) -> None:
        """Nothing of AutoGen's."""

    monkeypatch.setattr(SingleThreadedAgentRuntime, "_process_next", process_next)
    async with Supervisor(signals={}) as sup:
        with pytest.raises(UsageError, match=r"_process_next was replaced by .*process_next.*py:"):
            await sup.stream(team(Agent("a"), turns=1), "go")
        monkeypatch.undo()
        await sup.stream(team(Agent("a"), turns=1), "go")


async def test_what_goes_wrong_in_the_factory_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error while a task is classified ends the run at once, and does not hang in AutoGen."""

    def fail(*_: Any) -> None:
        raise LookupError("not as it was")

    monkeypatch.setattr(Journal, "deliver", fail)
    group = team(Agent("a"), turns=1)
    async with Supervisor(signals={}) as sup:
        with pytest.raises(SupervisorError, match="not as it was") as raised:
            await asyncio.wait_for(sup.stream(group, "go"), 30)
        monkeypatch.undo()
        assert isinstance(raised.value.__cause__, LookupError)
        await sup.stream(group, "go")
