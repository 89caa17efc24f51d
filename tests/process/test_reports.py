"""Reports of a program under `run`: at ABANDON, on SIGUSR1, on SIGQUIT."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.process.harness import MARGIN

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
    """Start it, send these signals, and return its status and its stderr."""
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
    """SIGUSR1 reports each run and task with its stack, and the program goes on."""
    status, told = _report(signal.SIGUSR1, signal.SIGTERM)
    assert status == 137
    assert "<Run of 'team' at work>" in told


def test_sigquit_writes_stacks_and_ends_the_process() -> None:
    """SIGQUIT ends the process as by default, after the stack of each thread was written."""
    status, told = _report(signal.SIGQUIT)
    assert status == -signal.SIGQUIT
    assert "Current thread" in told


def test_abandon_is_logged_with_who_is_at_work() -> None:
    """ABANDON is an event of the logger `supervisor`, with what is at work."""
    status, told = _report(signal.SIGTERM)
    assert status == 137
    assert "still at work as the stop is abandoned" in told


# -- who refuses, of all kinds --------------------------------------------------------------------

REFUSES = """
import asyncio, json, logging, os, subprocess, sys, time
from supervisor import Ladder, run
from tests.agents import team
from tests.process.agents import tool_caller

class Facts(logging.Handler):
    def emit(self, record):
        left = getattr(record, "left", None)
        print(json.dumps([record.message if hasattr(record, "message") else record.msg, left]))

logging.getLogger("supervisor").addHandler(Facts())

async def refuses_below(seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            pass

async def look_up() -> str:
    "Refuses."
    asyncio.get_running_loop().call_later(0.1, lambda: print("ready", flush=True))
    await asyncio.gather(refuses_below())
    return ""

async def spawned():
    await refuses_below()

def sleeps():
    "In a thread."
    time.sleep(60)

async def main(sup):
    command = ["sh", "-c", "trap '' TERM; echo; exec sleep 60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        sup.spawn(spawned(), name="mule")
        thread = asyncio.ensure_future(asyncio.to_thread(sleeps))
        caller = tool_caller("caller", look_up)
        await sup.stream(team(caller, turns=1), "go")

import tests.process.agents
tests.process.agents.tell = lambda *_: None
"""
RUN = """
run(main, ladder=Ladder(drain=0.2, cancel=0.3, abandon=0.5), loop=sys.argv[1], guard=False)
"""


@contextlib.contextmanager
def _program(text: str, loop: str, stderr: int = subprocess.PIPE) -> Generator[Any]:
    """Start it, yield it once it is ready, and kill it at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", text, loop],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_each_climb_past_cancel_tells_who_refuses(loop: str) -> None:
    """Each rung past CANCEL reports what refuses, once, as a text and as facts."""
    with _program(REFUSES + RUN, loop) as child:
        child.send_signal(signal.SIGTERM)
        out, told = child.communicate(timeout=15)
    assert child.returncode == 137
    [abandoned] = _blocks(told, "still at work as the stop is abandoned")
    [killed] = _blocks(told, "killed child processes")
    [ended] = _blocks(told, "still at work at the end")
    for block in (abandoned, ended):
        assert re.search(r"agent 'caller' of team 'team', in tool 'look_up', told to end \d", block)
        assert re.search(r"task mule, spawned, told to end \d\.\d s ago\n    spawned \(", block)
        assert re.search(r"thread supervisor-executor_\d, in sleeps\(\), at work for \d", block)
        assert block.count("    refuses_below (") == 2
        assert "asyncio" not in block
    assert re.search(r"process \d+ sleep 60\n", abandoned)
    assert re.search(r"process \d+ sleep 60, killed\n", killed)
    events = dict(json.loads(line) for line in out.splitlines())
    for event in ("still at work as the stop is abandoned", "forced end"):
        in_tool = next(one for one in events[event] if one.get("tool") == "look_up")
        assert (in_tool["kind"], in_tool["agent"], in_tool["team"]) == ("task", "caller", "team")
        assert "thread" in {one["kind"] for one in events[event]}
        assert out.count(event) == 1


def _blocks(told: str, about: str = "") -> list[str]:
    """Return the blocks of a report that begin like this, by their first lines."""
    lines = [line for line in re.split(r"^(?=supervisor: )", told, flags=re.MULTILINE) if line]
    blocks = [line for line in lines if line.count("\n") > 1]
    return [block for block in blocks if block.startswith(f"supervisor: {about}")]


def test_a_report_that_nobody_reads_does_not_delay_the_end() -> None:
    """With a full pipe as stderr, each rung comes at its time."""
    unread, full = os.pipe()
    os.set_blocking(full, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(full, b"x" * 4096)
    os.set_blocking(full, True)
    try:
        with _program(REFUSES + RUN, "asyncio", stderr=full) as child:
            child.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert child.wait(15) == 137
            assert time.monotonic() - began < 1.0 + 0.2 + MARGIN
    finally:
        os.close(unread)
        os.close(full)


BLOCKED = """
async def main(sup):
    def holds():
        print("ready", flush=True)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                time.sleep(60)
            except BaseException:
                pass
    class Holds(Agent):
        async def work(self, token):
            holds()
    await sup.stream(team(Holds("holder"), turns=1), "go")
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_blocked_loop_is_told_of_on_demand_and_at_abandon(loop: str) -> None:
    """Another thread reports the agent and the line that block the loop."""
    text = REFUSES + "from tests.agents import Agent\n" + BLOCKED + RUN
    with _program(text, loop) as child:
        assert child.stderr is not None
        told = ""
        child.send_signal(signal.SIGUSR1)
        while "holds (" not in told:
            told += child.stderr.readline()
        assert "agent 'holder' of team 'team'" in told
        child.send_signal(signal.SIGTERM)
        _, told = child.communicate(timeout=15)
    assert child.returncode == 137
    blocked, ended = _blocks(told)
    assert "the event loop is blocked" in blocked
    for block in (blocked, ended):
        assert "agent 'holder' of team 'team'" in block
        assert re.search(r"main.<locals>.holds \(", block)


SPAWNED = """
async def main(sup):
    sup.spawn(spawned(), name="mule")
    print("ready", flush=True)
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_spawned_task_that_refuses_is_told_and_ended(loop: str) -> None:
    """A spawned task that refuses is reported and ended, even after the body has ended."""
    with _program(REFUSES + SPAWNED + RUN, loop) as child:
        child.send_signal(signal.SIGTERM)
        began = time.monotonic()
        _, told = child.communicate(timeout=15)
        assert time.monotonic() - began < 1.0 + 0.2 + MARGIN
    assert child.returncode == 137
    for block in _blocks(told):
        assert "task mule, spawned, told to end" in block
        assert block.count("    refuses_below (") == 1


GUEST = """
import threading
from supervisor import Supervisor
from tests.agents import Agent

class Holds(Agent):
    async def work(self, token):
        print("ready", flush=True)
        time.sleep(60)

async def guest():
    async with Supervisor(ladder=Ladder(drain=0.1, cancel=0.1, abandon=0.1)) as sup:
        await sup.stream(team(Holds("holder"), turns=1), "go")

async def main(sup):
    thread = threading.Thread(target=lambda: asyncio.run(guest()), daemon=sys.argv[1] == "uvloop")
    thread.start()
    await sup.wait_stop()
    await asyncio.sleep(0.5)  # the guest has come to its last rung
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_blocked_loop_in_another_thread_is_told_of(loop: str) -> None:
    """A blocked loop in another thread is reported, not interrupted, and ended by force."""
    # On a busy machine the host's own end may take a second.
    run = RUN.replace("drain=0.2", "drain=3")
    with _program(REFUSES + GUEST + run, loop) as child:
        child.send_signal(signal.SIGTERM)
        _, told = child.communicate(timeout=15)
    assert child.returncode == 137
    blocked = next(block for block in _blocks(told) if "the event loop is blocked" in block)
    assert "agent 'holder' of team 'team'\n" in blocked
    assert "    Holds.work (" in blocked
