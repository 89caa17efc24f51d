"""`runs`: lists the runs in a store."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Final

_USAGE: Final = "autogen-supervisor runs [OPTION ...]"
_ABOUT: Final = """\
List the runs in a store, the last updated first.

Runs get there by `run --id` and `chat`, and by programs that give their runs an id."""


def main(arguments: Sequence[str]) -> None:
    """Do what the words behind `runs` say.

    Raises:
        CommandError: It cannot be done.
    """
    parsed = _parser().parse_args(list(arguments))
    import json
    import os
    import sys

    from supervisor._checkpoints.store import RunStatus
    from supervisor._cli.output.look import Look
    from supervisor._cli.stored_runs import words
    from supervisor._cli.stored_runs.store import opened

    with opened(parsed.checkpoints) as store:
        runs = store.list([RunStatus(word) for word in parsed.status or ()] or None)
    if parsed.json:
        report = {"schema_version": words.SCHEMA_VERSION, "runs": [*map(words.data, runs)]}
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
        return
    look = Look(os.environ)
    sys.stdout.write(words.table(runs, look.columns() if look.is_terminal else None))
    if not runs:
        sys.stdout.write("There are no such runs.\n" if parsed.status else "There are no runs.\n")


def _parser() -> argparse.ArgumentParser:
    from supervisor._checkpoints.store import RunStatus
    from supervisor._cli.options import Parser, add_store_flag

    parser = Parser("runs", _USAGE, _ABOUT)
    parser.add_argument(
        "--status",
        action="append",
        choices=[*map(str, RunStatus)],
        metavar="STATUS",
        help=f"only runs of this status; may be given more than once: {', '.join(RunStatus)}",
    )
    parser.add_argument("--json", action="store_true", help="print the runs as JSON")
    add_store_flag(parser)
    return parser
