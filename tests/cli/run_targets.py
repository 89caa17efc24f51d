"""What the headless runs run. Each function makes an agent that ends, or does not, in its way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from autogen_agentchat.agents import UserProxyAgent
from autogen_agentchat.teams import RoundRobinGroupChat

from supervisor.testing import ScriptedAgent

LONG = 60.0  # seconds of what does not end by itself


def answering() -> ScriptedAgent:
    """Answer, and print on every way to stdout."""

    async def answer(*_: Any) -> AsyncIterator[str]:
        print("printed by Python")
        os.write(1, b"written to file descriptor 1\n")
        await asyncio.to_thread(print, "printed by a thread")
        await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", "print('printed by a child')"], check=True
        )
        yield "An "
        yield "answer."

    return ScriptedAgent("poet", answer)


def odd() -> ScriptedAgent:
    """Answer with ten megabytes, and with what no UTF-8 has."""
    return ScriptedAgent("odd", ["\ud800 \udcff \x00 " + "x" * 10_000_000])


def failing() -> ScriptedAgent:
    """Raise in the turn."""
    return ScriptedAgent("failing", [ZeroDivisionError("it was zero")])


def failing_team() -> RoundRobinGroupChat:
    """Raise in a turn of a team."""
    return RoundRobinGroupChat([failing()], max_turns=1)


def unmade() -> ScriptedAgent:
    """Raise instead of making an agent."""
    raise LookupError("no key " * 60 + "at all")


def exiting() -> ScriptedAgent:
    """Call `sys.exit` in the turn."""

    async def exit_at_once(*_: Any) -> str:
        sys.exit(3)

    return ScriptedAgent("exiting", exit_at_once)


def waiting() -> ScriptedAgent:
    """Wait, and tell when it has ended in order."""

    async def wait(*_: Any) -> str:
        print("busy")
        try:
            await asyncio.sleep(LONG)
        finally:
            print("tidied up")
        return "late"

    return ScriptedAgent("waiting", wait)


def refusing() -> ScriptedAgent:
    """Refuse to be cancelled for half a second."""

    async def refuse(*_: Any) -> str:
        print("busy")
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(LONG)
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.1)
        return "late"

    return ScriptedAgent("refusing", refuse)


def blocking() -> ScriptedAgent:
    """Block the loop, and refuse to be interrupted."""

    async def block(*_: Any) -> str:
        print("busy")
        end = time.monotonic() + LONG
        while time.monotonic() < end:
            with contextlib.suppress(BaseException):
                time.sleep(LONG)  # noqa: ASYNC251 - it blocks the loop
        return "late"

    return ScriptedAgent("blocking", block)


def asking() -> RoundRobinGroupChat:
    """Ask the user."""
    return RoundRobinGroupChat([UserProxyAgent("user")], max_turns=1)


def deserted() -> RoundRobinGroupChat:
    """Say something, and then ask the user."""
    return RoundRobinGroupChat([ScriptedAgent("poet", ["Rain."]), UserProxyAgent("user")])


def chatting() -> ScriptedAgent:
    """Say something long for ever, and tell when it has ended in order."""

    async def chat(*_: Any) -> AsyncIterator[str]:
        try:
            while True:
                yield "x" * 10_000 + "\n"
                await asyncio.sleep(0.001)
        finally:
            print("tidied up")

    return ScriptedAgent("chatting", chat)


def kept() -> RoundRobinGroupChat:
    """Take four turns, noting each; the third waits until it may go on."""
    folder = Path(os.environ["KEPT_IN"])

    def turns(name: str) -> ScriptedAgent:
        async def turn(*_: Any) -> str:
            with (folder / "turns").open("a") as file:
                file.write(f"{name}\n")
            if len((folder / "turns").read_text().splitlines()) == 3:
                print("busy")
                while not (folder / "go").exists():  # noqa: ASYNC110 - the test makes it
                    await asyncio.sleep(0.02)
            return f"This is {name}."

        return ScriptedAgent(name, [turn] * 4)

    return RoundRobinGroupChat([turns("ann"), turns("bob")], max_turns=4)
