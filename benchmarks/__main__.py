"""Asks every question in one run, prints their tables, and writes one file of JSON.

    python -m benchmarks [--output build/bench.json] [--add] [--quick] [QUESTION ...]

Each question is a script of its own, with a limit of its own. What it has measured is kept if it
fails or is late, and the others are asked all the same; the status is 1 then. Ctrl-C or SIGTERM
ends the run, and keeps what was measured. With `--add` the questions are asked anew for a file that
is there.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks._machine import load, machine, versions
from benchmarks._record import read
from benchmarks._script import HEADING
from scripts.project import ROOT

QUESTIONS: Final = {
    # The most seconds of each. The most important ones are first, in case the time is over.
    "stock": 150,
    "latency": 150,
    "overhead": 120,
    "many": 150,
    "memory": 120,
    "start": 60,
    "blocks": 60,
    "web": 120,
    "checkpoints": 150,
    "handover": 60,
    "chaos": 180,
    "request": 30,
    "telemetry": 90,
    "processes": 40,
    "output": 30,
    "chat": 60,
}
BUDGET: Final = 700.0
"""Seconds for all of them."""


@dataclass
class Run:
    """A run of questions, which is written anew after each.

    Args:
        output: Where it is written.
    """

    output: Path
    data: dict[str, Any] = field(default_factory=dict[str, Any])

    def go_on(self, questions: Iterable[str]) -> None:
        """Keep what was measured before, and note what is asked again."""
        self.data = read(self.output)
        again = f"asked again on {_today()}: {', '.join(questions)}"
        self.data["note"] = "; ".join(filter(None, [self.data.get("note"), again]))

    def begin(self) -> None:
        """Note what it is made on."""
        self.data = {
            "date": _today(),
            "machine": machine(),
            "versions": versions(),
            "questions": {},
            "records": [],
        }

    def add(self, question: str, records: list[Any], **how: object) -> None:
        """Keep what a question has come to."""
        self.data["questions"][question] = how
        others = [each for each in self.data["records"] if each["question"] != question]
        self.data["records"] = others + records
        self.output.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.data, indent=1, ensure_ascii=False)
        self.output.write_text(text + "\n", encoding="utf-8")


def _today() -> str:
    return dt.datetime.now(dt.UTC).date().isoformat()


def main() -> int:
    """Ask the questions; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.json")
    parser.add_argument("--add", action="store_true", help="keep what OUTPUT has of others")
    parser.add_argument("--quick", action="store_true", help="a few rounds, to see that it works")
    parser.add_argument("questions", nargs="*", metavar="QUESTION", choices=[[], *QUESTIONS])
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run, end = Run(arguments.output), time.monotonic() + BUDGET
    if arguments.add and run.output.exists():
        run.go_on(arguments.questions or QUESTIONS)
    else:
        run.begin()
    failed: list[str] = []
    with contextlib.suppress(KeyboardInterrupt):
        for question in arguments.questions or QUESTIONS:
            limit = min(QUESTIONS[question], end - time.monotonic())
            if error := _ask(run, question, limit, is_quick=arguments.quick):
                failed.append(f"{question}: {error}")
    print(f"\nwritten to {run.output}", *failed, sep="\n", flush=True)
    is_whole = set(arguments.questions or QUESTIONS) <= set(run.data["questions"])
    return 1 if failed or not is_whole else 0


def _ask(run: Run, question: str, limit: float, *, is_quick: bool) -> str:
    """Ask a question, and keep what it has measured; return why it has failed."""
    if limit <= 0:
        run.add(question, [], seconds=0.0, load=load(), error="there was no time left")
        return "there was no time left"
    print(f"\n== {question}\n{HEADING}", flush=True)
    began, before = time.monotonic(), load()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records"
        command = [sys.executable, "-m", f"benchmarks.{question}", "--records", str(path)]
        command += ["--seconds", str(limit)]
        error = ""
        try:
            error = _run([*command, *(["--quick"] if is_quick else [])], limit)
        finally:
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
            seconds = round(time.monotonic() - began, 1)
            records = [json.loads(line) for line in lines]
            run.add(question, records, seconds=seconds, load=before, error=error)
    print(f"-- {seconds:.0f} s", error, flush=True)
    return error


def _run(command: list[str], limit: float) -> str:
    """Run a script, and return what is wrong with its end."""
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as child:
        try:
            status = child.wait(limit)
        except subprocess.TimeoutExpired:
            return f"it was not done within {limit:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    return f"status {status}" if status else ""


if __name__ == "__main__":
    sys.exit(main())
