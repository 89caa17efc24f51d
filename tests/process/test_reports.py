"""Reports of a program under `run`: at ABANDON, on SIGUSR1, on SIGQUIT."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.skipif(sys.platform == "win32", reason="POSIX")]

ROOT = Path(__file__).parents[2]
PROGRAM = """
import logging
from supervisor import Ladder, run
from tests.agents import Agent, Stubborn, team

logging.basicConfig(format="%(message)s")

async def main(sup):
    stubborn = Stubborn()
    sup.spawn(tell(stubborn))
    await sup.stream(team(Agent("a"), stubborn, turns=2), "go")

async def tell(stubborn):
    await stubborn.is_working.wait()
    print("ready", flush=True)

run(main, ladder=Ladder(drain=0.2, cancel=0.2, abandon=0.4), loop="asyncio", guard=False)
"""


def _report(*signals: signal.Signals) -> tuple[int, str]:
    """Start it, send these, and give its status and what it has written on stderr."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == "ready\n"
        told = ""
        try:
            for number in signals:
                child.send_signal(number)
                while number is signal.SIGUSR1 and "<Run of 'team' at work>" not in told:
                    line = child.stderr.readline()
                    assert line, told
                    told += line
            _, rest = child.communicate(timeout=15)
        finally:
            child.kill()
    return child.returncode, told + rest


def test_sigusr1_tells_what_is_at_work_and_goes_on() -> None:
    """Each run and task with its stack; the program stops later, as ever."""
    status, told = _report(signal.SIGUSR1, signal.SIGTERM)
    assert status == 137
    assert "<Run of 'team' at work>" in told


def test_sigquit_writes_stacks_and_ends_the_process() -> None:
    """As by default, but with the stack of each thread before."""
    status, told = _report(signal.SIGQUIT)
    assert status == -signal.SIGQUIT
    assert "Current thread" in told


def test_abandon_is_logged_with_who_is_at_work() -> None:
    """An event of the logger `supervisor`, before the forced end."""
    status, told = _report(signal.SIGTERM)
    assert status == 137
    assert "still at work as the stop is abandoned" in told
