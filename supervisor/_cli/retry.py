"""`retry ID --store URL`: have a run that is at rest tried again."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Do what the words behind `retry` say."""
    from supervisor._cli.fleet.command_lines import read_retry

    command = read_retry(arguments)
    import sys

    from supervisor._cli.errors import CommandError
    from supervisor._cli.fleet.hinting import tell_workers
    from supervisor._cli.output.sanitize import one_line
    from supervisor._cli.stored_runs.store import opened
    from supervisor._core.errors import UsageError

    with opened(command.store) as store:
        for run_id in command.run_ids:
            try:
                store.requeue(run_id)
            except UsageError as error:
                raise CommandError(f"{error}", 1) from None
            sys.stdout.write(f"{one_line(run_id)} is queued.\n")
    tell_workers(command.store, command.run_ids)
