"""From Ctrl-C to the usable prompt, in a chat at a real pseudo-terminal.

An answer is under way when Ctrl-C is typed; the time ends when a letter that is typed then stands
at the prompt. Cases: `waiter` (the agent waits for its model) and `talker` (it streams).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks._record import Record, record
from benchmarks._script import Effort, main
from tests.cli.chats import APART, LOOPS, PROMPT, Chat, chat
from tests.cli.terminal import CTRL_C
from tests.process.harness import Server

ROUNDS: Final = 6


def seconds_to_prompt(it: Chat) -> float:
    """Stop an answer, and return the seconds until what is typed stands at the prompt."""
    it.say("Hello")
    it.child.until("busy")
    it.pause(APART)
    pressed = time.perf_counter()
    it.press(CTRL_C)
    it.wait_for_prompt(PROMPT)
    it.press("x")
    it.wait_for_prompt(f"{PROMPT} x")
    took = time.perf_counter() - pressed
    it.press("\x7f")
    it.wait_for_prompt(PROMPT)
    return took


def measure(effort: Effort) -> Iterator[Record]:
    """Measure both on both loops."""
    with Server() as server, tempfile.TemporaryDirectory() as folder:
        for team in ("waiter", "talker"):
            for loop in LOOPS:
                with chat(server, Path(folder), team, "--loop", loop) as it:
                    it.wait_for_prompt(PROMPT)
                    took = [seconds_to_prompt(it) for _ in range(effort.rounds(ROUNDS))]
                yield record(("chat", team, "supervised", loop), took)


if __name__ == "__main__":
    main(__name__, measure)
