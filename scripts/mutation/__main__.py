"""Change one thing at a time in the code of a stop and the store; see whether a test fails.

    make mutation                                     everything in targets.toml
    .venv/bin/python -m scripts.mutation ladder.py    the modules whose paths end so

A mutant that no test notices has survived. It needs a test, or an entry in `explained.toml` that
says why no test is needed. The status is 1 where a survivor has neither, and where an entry is
about no survivor any more.
"""

from __future__ import annotations

import argparse
import select
import sys
import tomllib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from scripts.mutation.mutants import Mutant, mutants_of
from scripts.mutation.reach import Reach, measure
from scripts.mutation.trial import Trial, load_all_else, mutated

_HERE: Final = Path(__file__).parent
_PASSED, _FAILED = 0, 1


@dataclass
class Target:
    """A module, and what has become of its mutants."""

    file: str
    mutants: int = 0
    survivors: list[Mutant] = field(default_factory=list[Mutant])


@dataclass
class Explanation:
    """Why some survivors are none of a test's business.

    Args:
        file: The module's path.
        where: The function or class.
        line: The line that is changed.
        reason: Why that changes nothing that is promised.
        becomes: The line afterwards; None for all mutants of the line.
    """

    file: str
    where: str
    line: str
    reason: str
    becomes: str | None = None
    was_needed: bool = False

    def fits(self, mutant: Mutant) -> bool:
        """Return whether it is about a mutant."""
        same = (self.file, self.where, self.line) == (mutant.file, mutant.where, mutant.line)
        return same and self.becomes in (None, mutant.becomes)


def main() -> int:
    """Try all mutants, print what survived, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m scripts.mutation")
    parser.add_argument("modules", nargs="*", help="the ends of the modules' paths; default: all")
    parser.add_argument("-j", type=int, default=2, help="how many mutants at once")
    given = parser.parse_args()
    ends = tuple(given.modules) or ("",)
    explanations = [Explanation(**it) for it in _read("explained.toml", "survivor")]
    load_all_else()
    targets: list[Target] = []
    for group in _read("targets.toml", "group"):
        chosen = [Target(file) for file in group["files"] if file.endswith(ends)]
        if not chosen:
            continue
        reach = measure([target.file for target in chosen], group["tests"])
        for target in chosen:
            _try(target, reach, given.j)
            _print(target, explanations)
        targets += chosen
    files = {target.file for target in targets}
    return _judge(targets, [it for it in explanations if it.file in files])


def _read(name: str, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads((_HERE / name).read_text()).get(key, [])
    return found


def _try(target: Target, reach: Reach, at_once: int) -> None:
    waiting = deque(mutants_of(Path(target.file)))
    target.mutants = len(waiting)
    running = dict[Trial, Mutant]()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                _start(waiting.popleft(), target, reach, running)
            select.select(running, [], [], 1)
            for trial in [trial for trial in running if trial.look()]:
                mutant = running.pop(trial)
                if trial.status == _PASSED:
                    target.survivors.append(mutant)
    finally:
        for trial in running:
            trial.kill()


def _start(mutant: Mutant, target: Target, reach: Reach, running: dict[Trial, Mutant]) -> None:
    tests = reach.of(mutant.file, mutant.lines)
    if not tests:
        target.survivors.append(mutant)
        return
    limit = 30 + 10 * sum(reach.seconds[test] for test in tests)
    running[Trial(tests, limit, partial(mutated, mutant.file, mutant.text))] = mutant


def _print(target: Target, explanations: Sequence[Explanation]) -> None:
    killed = target.mutants - len(target.survivors)
    print(f"{target.file}: {target.mutants} mutants, {killed} killed", flush=True)
    for mutant in target.survivors:
        fitting = [it for it in explanations if it.fits(mutant)]
        for it in fitting:
            it.was_needed = True
        if not fitting:
            print(f"  survived: {mutant.where}: {mutant.line!r} -> {mutant.becomes!r}", flush=True)


def _judge(targets: Sequence[Target], explanations: Sequence[Explanation]) -> int:
    mutants = sum(target.mutants for target in targets)
    survivors = [mutant for target in targets for mutant in target.survivors]
    open_ = [it for it in survivors if not any(entry.fits(it) for entry in explanations)]
    stale = [entry for entry in explanations if not entry.was_needed]
    for entry in stale:
        print(f"explained.toml: no such survivor: {entry.file} {entry.where}: {entry.line!r}")
    explained = len(survivors) - len(open_)
    print(
        f"{mutants} mutants: {mutants - len(survivors)} killed, "
        f"{explained} explained, {len(open_)} to be killed or explained"
    )
    return _FAILED if open_ or stale else _PASSED


if __name__ == "__main__":
    sys.exit(main())
