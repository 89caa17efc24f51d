"""What a report is made of: the tasks to look into, and what was found of each.

A finding has two readers: a block of text for a person, and the same as facts for a log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from supervisor._reports.frames import AnyTask

MOST: Final = 20
"""How many findings of each kind a report shows."""


class TaskInfo(NamedTuple):
    """A task, and what is known of it: there may be thousands.

    Args:
        task: The task.
        what: What it is to a person ("the body of the block").
        agent: On whose behalf it works.
        team: In which team.
        tool: In which tool it is.
        asked: Seconds since it was cancelled.
    """

    task: AnyTask
    what: str = ""
    agent: str | None = None
    team: str | None = None
    tool: str | None = None
    asked: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A task, a process or a thread that is at work: one line of a report, and a stack."""

    kind: str
    name: str
    what: str = ""
    agent: str | None = None
    team: str | None = None
    tool: str | None = None
    function: str | None = None
    """What a thread was given to do."""
    asked: float | None = None
    """Seconds since it was asked to end."""
    age: float | None = None
    """Seconds since it began."""
    stack: Sequence[str] = ()
    """Functions with file and line, the innermost last."""

    def __str__(self) -> str:
        return "\n".join((f"  {self._title()}", *(f"    {line}" for line in self.stack)))

    def _title(self) -> str:
        # The run of a single agent has the agent's name, and no team.
        team = self.team if self.team != self.agent else None
        pairs = (("agent", self.agent), ("team", team))
        whose = [f"{kind} {name!r}" for kind, name in pairs if name is not None]
        parts = [
            " of ".join(whose) or f"{self.kind} {self.name}",
            self.what,
            f"in tool {self.tool!r}" if self.tool is not None else "",
            f"in {self.function}()" if self.function is not None else "",
            f"at work for {self.age:.1f} s" if self.age is not None else "",
            f"told to end {self.asked:.1f} s ago" if self.asked is not None else "",
        ]
        return ", ".join(part for part in parts if part)

    def facts(self) -> Mapping[str, Any]:
        """Return what is known of it, for a log."""
        return {
            name: value
            for name in self.__slots__
            if (value := getattr(self, name)) not in (None, "", ())
        }


@dataclass(frozen=True, slots=True)
class Findings:
    """Some of what was found, and how much there is in all."""

    shown: Sequence[Finding] = ()
    count: int = 0

    def __add__(self, other: Findings) -> Findings:
        return Findings((*self.shown, *other.shown), self.count + other.count)

    def __str__(self) -> str:
        lines = [str(finding) for finding in self.shown]
        if more := self.count - len(self.shown):
            lines.append(f"  and {more:,} more, not shown")
        return "\n".join(lines)

    def facts(self) -> Sequence[Mapping[str, Any]]:
        """Return each finding that is shown as facts for a log."""
        return [finding.facts() for finding in self.shown]
