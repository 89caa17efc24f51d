"""What is told of a run in a store: in words for a person, as data for a program."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from supervisor._cli.output.amounts import count
from supervisor._cli.output.cells import cut, width_of
from supervisor._cli.output.sanitize import one_line

if TYPE_CHECKING:
    from supervisor._checkpoints.store import RunInfo

SCHEMA_VERSION: Final = 1
_HEADINGS: Final = ("ID", "STATUS", "TURN", "TEAM", "UPDATED", "")
_LONGEST: Final = 200  # cells of a line's end
_GAP: Final = "  "


def table(runs: Sequence[RunInfo], width: int | None = None) -> str:
    """Return runs as a table with a line for each; "" where there are none.

    Args:
        runs: The runs.
        width: The terminal's cells, at which lines are cut off; None where there is none.
    """
    if not runs:
        return ""
    rows = [_HEADINGS, *map(_row, runs)]
    widths = [max(width_of(row[column]) for row in rows) for column in range(len(_HEADINGS) - 1)]
    return "".join(f"{cut(_aligned(row, widths), width or _LONGEST)}\n" for row in rows)


def data(info: RunInfo) -> dict[str, object]:
    """Return a run as JSON-able data, with its times as text in UTC."""
    found = asdict(info)
    for name in ("created", "updated", "held_until"):
        if found[name] is not None:
            found[name] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(found[name]))
    return found


def status_of(info: RunInfo) -> str:
    """Return a run's status, with what is to be known of its owner."""
    status = str(info.status)
    if status != "running":
        return status
    if info.owner is None:
        return f"{status}, owner gone"
    return f"{status}, to be cancelled" if info.is_cancel_requested else status


def ending(info: RunInfo) -> str:
    """Return why a run stands where it stands, or who has it; "" where that is not known."""
    if info.owner is not None:
        return one_line(f"in {info.owner}")
    return one_line(info.error or info.stop_reason or "")


def described(info: RunInfo) -> str:
    """Return all that is known of a run but its messages, a line each."""
    said = {
        "run": info.id,
        "status": status_of(info),
        "team": info.team,
        "turns": f"{info.turn:,}",
        "owner": info.owner or "nobody",
        "held": "" if info.held_until is None else f"until {moment(info.held_until)}",
        "owners": f"{count(info.attempts, 'owner')}, {count(info.failures, 'failure')}",
        "reason": "" if info.error else info.stop_reason or "",  # "Failed with ...", in short
        "error": info.error or "",
        "created": moment(info.created),
        "updated": moment(info.updated),
    }
    return "".join(f"{name:9}{one_line(what)}\n" for name, what in said.items() if what)


def moment(seconds: float) -> str:
    """Return a time, in the zone of this machine."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _row(info: RunInfo) -> tuple[str, ...]:
    texts = (info.id, status_of(info), f"{info.turn:,}", info.team, moment(info.updated))
    return (*map(one_line, texts), ending(info))


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        text + " " * (width - width_of(text)) for text, width in zip(row, widths, strict=False)
    ]
    return _GAP.join([*cells, row[-1]]).rstrip()
