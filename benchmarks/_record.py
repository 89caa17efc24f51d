"""What is measured: a record for each case, subject and loop, and how its figures are written."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# The units of what is measured, and the larger and smaller ones in which it is written.
SCALES: Final[dict[str, dict[str, float]]] = {
    "s": {"s": 1.0, "ms": 1e-3, "µs": 1e-6},
    "B": {"GB": 1e9, "MB": 1e6, "kB": 1e3, "B": 1.0},
    "times": {"times": 1.0},
    "count": {"": 1.0},
}


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one subject has shown in one case.

    Args:
        question: The script that measured it, such as `latency`.
        case: Which situation of the question, such as `quiet`.
        subject: What was measured, such as `supervised` or `autogen`.
        loop: `asyncio` or `uvloop`; empty where the case has one loop only.
        unit: A key of `SCALES`. Seconds are seconds, and bytes are bytes.
        n: How many values were measured.
        median: Of these values; None if what was measured did not come to its end.
        p99: The value that 99 of 100 do not exceed; the largest, if there are fewer values.
        q1: A quarter of the values is below it.
        q3: A quarter of the values is above it.
        note: What else there is to say.
    """

    question: str
    case: str
    subject: str
    loop: str
    unit: str
    n: int
    median: float | None
    p99: float | None = None
    q1: float | None = None
    q3: float | None = None
    note: str = ""

    @property
    def id(self) -> str:
        """What the documentation names it by."""
        return "/".join(filter(None, (self.question, self.case, self.subject, self.loop)))


def record(
    name: tuple[str, str, str, str], values: Iterable[float], *, unit: str = "s", note: str = ""
) -> Record:
    """Return the record of some values.

    Args:
        name: Question, case, subject and loop.
        values: In the unit; without one, nothing has come to its end.
        unit: A key of `SCALES`.
        note: What else there is to say.
    """
    question, case, subject, loop = name
    found = sorted(values)
    low, middle, high = _quartiles(found)
    return Record(
        question=question,
        case=case,
        subject=subject,
        loop=loop,
        unit=unit,
        n=len(found),
        median=middle,
        p99=centile(found, 0.99) if found else None,
        q1=low,
        q3=high,
        note=note,
    )


def _quartiles(values: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    if not values:
        return None, None, None
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, statistics.median(values), high


def centile(values: Sequence[float], part: float) -> float:
    """Return the value that `part` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered), math.ceil(part * len(ordered))) - 1]


def figure(value: float | None, unit: str) -> str:
    """Return a value with two significant digits, in the scale that suits it."""
    if value is None:
        return "never"
    if unit == "count":
        return f"{value:g}"
    name = _scale(value, unit)
    return f"{digits(value / SCALES[unit][name])} {name}".rstrip()


def _scale(value: float, unit: str) -> str:
    fitting = [name for name, size in SCALES[unit].items() if abs(value) >= size]
    return max(fitting, key=SCALES[unit].__getitem__) if fitting else [*SCALES[unit]][-1]


def digits(value: float) -> str:
    """Return a number with two significant digits, and all digits before the point."""
    if value == 0:
        return "0"
    places = max(0, 1 - math.floor(math.log10(abs(value))))
    rounded = round(value, places)  # 9.96 has become 10.0
    places = min(places, max(0, 1 - math.floor(math.log10(abs(rounded)))))
    return f"{rounded:,.{places}f}"


def read(path: Path) -> dict[str, Any]:
    """Return what a run of all questions has written."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def records_of(run: Mapping[str, Any]) -> dict[str, Record]:
    """Return the records of a run, by their ids."""
    found = [Record(**each) for each in run["records"]]
    return {each.id: each for each in found}


def as_data(found: Record) -> dict[str, Any]:
    """Return a record as JSON has it; six significant digits are more than it is worth."""
    data = dataclasses.asdict(found)
    return {
        key: float(f"{value:.6g}") if isinstance(value, float) else value
        for key, value in data.items()
    }
