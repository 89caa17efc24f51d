"""`cancel`: has a run in a store cancelled, wherever it is at work."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

_USAGE: Final = "autogen-supervisor cancel [OPTION ...] ID [ID ...]"
_ABOUT: Final = """\
Cancel runs in a store, for good.

A run that nobody has is cancelled at once. One that is at work is told to stop: what it has
finished stays in the store, and nobody goes on with it."""


def main(arguments: Sequence[str]) -> None:
    """Do what the words behind `cancel` say, and end the process.

    Raises:
        CommandError: It cannot be done.
    """
    from supervisor._cli.stored_runs.command_line import read_ids

    parsed = read_ids("cancel", _USAGE, _ABOUT, arguments)
    import sys

    from supervisor._checkpoints.store import RunStatus
    from supervisor._cli.output.sanitize import one_line
    from supervisor._cli.stored_runs.store import opened

    is_late = False
    with opened(parsed.checkpoints) as store:
        for run_id in parsed.ids:
            status = store.request_cancel(run_id)
            said = {
                RunStatus.CANCELLED: "is cancelled",
                RunStatus.RUNNING: "is at work, and is told to stop; it is cancelled then",
            }.get(status, f"is {status} already, and cannot be cancelled")
            is_late = is_late or status not in (RunStatus.CANCELLED, RunStatus.RUNNING)
            sys.stdout.write(f"{one_line(run_id)} {said}.\n")
    sys.exit(1 if is_late else 0)
