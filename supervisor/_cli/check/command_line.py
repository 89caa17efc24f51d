"""The command line of `check`, and what it leads to."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from supervisor._cli.check import environment
from supervisor._cli.check.finding import Finding
from supervisor._cli.options import Parser

_ABOUT = """\
Look at where a program runs, and say what would keep it from stopping in order."""
_STATUSES = "The status is 0 if all is right, 1 if there is a problem, 2 for a wrong command line."


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the words behind `check` say.

    Args:
        json: Whether to print JSON.
    """

    json: bool


def read(arguments: Sequence[str]) -> Given:
    """Return what these words say.

    Raises:
        CommandError: They are no command line of `check`.
        SystemExit: They ask for help.
    """
    parser = Parser(
        prog="autogen-supervisor check",
        description=_ABOUT,
        epilog=_STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    return Given(json=parser.parse_args(list(arguments)).json)


def findings(_given: Given) -> list[Finding]:
    """Look at everything that was given."""
    return list(environment.look(environment.facts()))
