"""The form of every question: it yields records, prints them, and writes each as it comes.

A script has a docstring that says what is measured and how, and a function `measure`, to which
`main` gives the number of rounds. Cases that need a fresh process are functions that `main` runs by
name in one, and whose answer `ask` returns.
"""

from __future__ import annotations

import argparse
import inspect
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from benchmarks._record import Record, as_data, figure
from scripts.project import ROOT

_ANSWER: Final = "ANSWER "

T = TypeVar("T")


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Args:
        is_quick: A few rounds only, to see that it works; the figures are worth nothing.
        end: When the script should be done, by `time.monotonic()`.
    """

    is_quick: bool = False
    end: float = math.inf

    def rounds(self, number: int) -> int:
        """Return how many rounds to take where `number` are enough."""
        return max(2, number // 20) if self.is_quick else number

    def long_rounds(self, number: int) -> Iterator[int]:
        """Yield the numbers of rounds that take long: one if it is quick, fewer if it is late."""
        began = time.monotonic()
        for at in range(1 if self.is_quick else number):
            now = time.monotonic()
            if at and now + (now - began) / at > self.end:
                return
            yield at


Measure = Callable[[Effort], Iterator[Record]]


def main(
    module: str, measure: Measure, inside: Mapping[str, Callable[..., object]] | None = None
) -> None:
    """Be the script: measure, or be the fresh process that another one has started.

    Args:
        module: The script's `__name__`, to find its docstring.
        measure: Measures.
        inside: What a fresh process may be asked.
    """
    if sys.argv[1:2] == ["inside"]:
        _, _, name, *words = sys.argv
        answer = (inside or {})[name](*words)
        print(_ANSWER + json.dumps(answer), flush=True)
        return
    parser = argparse.ArgumentParser(
        description=inspect.getdoc(sys.modules[module]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a few rounds, to see that it works")
    parser.add_argument("--seconds", type=float, default=math.inf, help="how long it may take")
    parser.add_argument("--records", type=Path, help="where to write records, as lines of JSON")
    arguments = parser.parse_args()
    for found in measure(Effort(arguments.quick, time.monotonic() + arguments.seconds)):
        print(line(found), flush=True)
        if arguments.records:
            with arguments.records.open("a", encoding="utf-8") as file:
                file.write(json.dumps(as_data(found)) + "\n")


def line(found: Record) -> str:
    """Return a record as a line of a table."""
    unit = found.unit
    spread = f"{figure(found.q1, unit)} to {figure(found.q3, unit)}"
    figures = f"{figure(found.median, unit):>10}  {figure(found.p99, unit):>10}  {spread:>22}"
    if found.median is None:
        figures = f"{'never':>10}  {'':>10}  {'':>22}"
    note = f"  {found.note}" if found.note else ""
    return f"{found.id:<48}{figures}  n={found.n}{note}"


HEADING: Final = f"{'':<48}{'median':>10}  {'p99':>10}  {'quartiles':>22}"


def ask(module: str, name: str, *words: object, seconds: float = 120) -> Any:
    """Return what a function of a script answers in a fresh process.

    Args:
        module: The script, such as `benchmarks.memory`.
        name: The function, as `main` knows it.
        words: Its arguments, as text.
        seconds: The longest time that it may take.

    Raises:
        RuntimeError: It has not answered.
    """
    command = [sys.executable, "-m", module, "inside", name, *map(str, words)]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=seconds, cwd=ROOT
    )
    answers = [each for each in ended.stdout.splitlines() if each.startswith(_ANSWER)]
    if ended.returncode or not answers:
        tail = ended.stderr.strip()[-500:]
        raise RuntimeError(f"{' '.join(command[2:])}: status {ended.returncode}: {tail}")
    return json.loads(answers[-1].removeprefix(_ANSWER))


def rotated(order: Sequence[T], number: int) -> list[T]:
    """Return the same in another order for each round, so that none is always the first."""
    at = number % len(order)
    return [*order[at:], *order[:at]]


def interrupt(at: list[float], *, after: float) -> None:
    """Have a thread send SIGINT to this process, and note when, by `time.perf_counter`.

    Args:
        at: Where it is noted.
        after: Seconds until then, in which the loop falls asleep.
    """

    def send() -> None:
        time.sleep(after)
        at.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=send, daemon=True).start()
