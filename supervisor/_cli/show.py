"""`show`: shows a run in a store."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Final

_USAGE: Final = "autogen-supervisor show [OPTION ...] ID"
_ABOUT: Final = """\
Show a run in a store: what it is and who has it, what was said, and its last calls of tools.

A run can be shown while it is at work; it is shown as far as it was kept until now."""


def main(arguments: Sequence[str]) -> None:
    """Do what the words behind `show` say.

    Raises:
        CommandError: It cannot be done.
    """
    parsed = _parser().parse_args(list(arguments))
    import os
    import sys

    from supervisor._cli.output.look import Look
    from supervisor._cli.stored_runs import details
    from supervisor._cli.stored_runs.store import opened

    with opened(parsed.checkpoints) as store:
        found = details.read(store, parsed.id)
    if parsed.json:
        sys.stdout.write(details.as_json(found))
        return
    look = Look(os.environ)
    columns = look.columns() if look.is_terminal else None
    sys.stdout.write(details.as_text(found, columns, color=look.has_color, verbose=parsed.verbose))


def _parser() -> argparse.ArgumentParser:
    from supervisor._cli.options import Parser, add_store_flag

    parser = Parser("show", _USAGE, _ABOUT)
    parser.add_argument("id", metavar="ID", help="the id of the run")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument("--verbose", action="store_true", help="show what tools have returned")
    add_store_flag(parser)
    return parser
