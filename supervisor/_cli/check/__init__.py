"""`check`: says what would keep a program from stopping in order, before it is deployed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Do what the words behind `check` say, and end the process."""
    import sys

    from supervisor._cli.check import command_line, report

    given = command_line.read(arguments)
    findings = command_line.findings(given)
    sys.stdout.write(report.as_json(findings) if given.json else report.as_text(findings))
    sys.exit(report.status(findings))
