"""`forget`: removes runs from a store."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

_USAGE: Final = "autogen-supervisor forget [OPTION ...] ID [ID ...]"
_ABOUT: Final = """\
Remove runs from a store, with all that is kept of them.

A run that is at work is not removed; cancel it first. The same id begins another run then."""


def main(arguments: Sequence[str]) -> None:
    """Do what the words behind `forget` say.

    Raises:
        CommandError: It cannot be done.
    """
    from supervisor._cli.stored_runs.command_line import read_ids

    parsed = read_ids("forget", _USAGE, _ABOUT, arguments)
    import sys

    from supervisor._cli.output.sanitize import one_line
    from supervisor._cli.stored_runs.store import opened

    with opened(parsed.checkpoints) as store:
        for run_id in parsed.ids:
            store.forget(run_id)
            sys.stdout.write(f"{one_line(run_id)} is forgotten.\n")
