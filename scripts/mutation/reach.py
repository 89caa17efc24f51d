"""Which test reaches which line, and for how long: a mutant is tried on few tests, quick first."""

from __future__ import annotations

import json
import select
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import coverage
import pytest

from scripts.mutation.trial import Trial

_SECONDS: Final = 600.0
_BUDGET: Final = 15.0  # seconds of tests for one mutant, as they are


@dataclass
class Reach:
    """What each test of a group reaches.

    Args:
        seconds: How long each test takes.
        tests: For each file, the tests that reach each of its lines.
    """

    seconds: dict[str, float]
    tests: dict[str, dict[int, list[str]]]

    def of(self, file: str, lines: range) -> list[str]:
        """Return the tests that reach one of these lines of a file, the quickest first."""
        found = {
            test for line, tests in self.tests[file].items() if line in lines for test in tests
        }
        chosen, budget = list[str](), _BUDGET
        for test in sorted(found, key=self.seconds.__getitem__):
            budget -= self.seconds[test]
            if budget < 0 and chosen:
                break
            chosen.append(test)
        return chosen


def measure(files: Sequence[str], tests: Sequence[str]) -> Reach:
    """Run the tests on the code as it is, which they must pass."""
    with tempfile.NamedTemporaryFile("r") as found:
        trial = Trial(tests, _SECONDS, lambda: [_Recorder(files, found.name)])
        while not trial.look():
            select.select([trial], [], [], 1)
        if trial.status != 0:
            sys.exit(f"mutation: {' '.join(tests)} must pass on the code as it is")
        read: dict[str, Any] = json.load(found)
    by_line = {
        file: {int(line): names for line, names in lines.items()}
        for file, lines in read["tests"].items()
    }
    return Reach(read["seconds"], by_line)


class _Recorder:
    """A plugin of pytest's, which writes what each test has reached."""

    def __init__(self, files: Sequence[str], path: str) -> None:
        self._files, self._path = files, path
        self._seconds = dict[str, float]()
        self._coverage = coverage.Coverage(
            data_file=None, config_file=False, include=[str(Path(file).resolve()) for file in files]
        )
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Note what is reached as reached by this test."""
        self._coverage.switch_context(item.nodeid)
        began = time.monotonic()
        try:
            return (yield)
        finally:
            self._seconds[item.nodeid] = time.monotonic() - began

    def pytest_sessionfinish(self) -> None:
        """Write all of it."""
        self._coverage.stop()
        data = self._coverage.get_data()
        tests = {
            file: {
                line: [test for test in names if test in self._seconds]
                for line, names in data.contexts_by_lineno(str(Path(file).resolve())).items()
            }
            for file in self._files
        }
        Path(self._path).write_text(json.dumps({"seconds": self._seconds, "tests": tests}))
