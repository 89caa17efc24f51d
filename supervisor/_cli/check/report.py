"""The report of a check: for a person, and for a program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from supervisor._cli.check.finding import Finding
from supervisor._cli.output.sanitize import one_line

SCHEMA_VERSION: Final = 1
_FOUND: Final = 1
_INDENT: Final = 9


def status(findings: Sequence[Finding]) -> int:
    """Return the exit status: 1 if there is a problem, else 0."""
    return _FOUND if problems(findings) else 0


def problems(findings: Sequence[Finding]) -> int:
    """Return how many problems there are."""
    return sum(finding.level == "problem" for finding in findings)


def as_json(findings: Sequence[Finding]) -> str:
    """Return the report as JSON."""
    report = {
        "schema_version": SCHEMA_VERSION,
        "problems": problems(findings),
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(report, indent=2) + "\n"


def as_text(findings: Sequence[Finding]) -> str:
    """Return the report as lines."""
    lines = [line for finding in findings for line in _lines(finding)]
    count = problems(findings)
    found = {0: "No problem was found.", 1: "1 problem was found."}
    return "\n".join([*lines, found.get(count, f"{count} problems were found."), ""])


def _lines(finding: Finding) -> list[str]:
    lines = [f"{finding.level:{_INDENT}}{one_line(f'{finding.where}: {finding.says}')}"]
    if finding.advice:
        lines.append(f"{'':{_INDENT}}{one_line(finding.advice)}")
    return lines
