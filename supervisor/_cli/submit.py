"""`submit TARGET TASK --store URL`: put a run into the queue of a store."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervisor._cli.fleet.command_lines import SubmitCommand


def main(arguments: Sequence[str]) -> None:
    """Do what the words behind `submit` say, and print the run's id."""
    from supervisor._cli.fleet.command_lines import read_submit

    command = read_submit(arguments)
    import secrets

    run_id = command.run_id or secrets.token_hex(6)
    _submit(command, run_id)
    sys.stdout.write(f"{run_id}\n")


def _submit(command: SubmitCommand, run_id: str) -> None:
    import asyncio

    from supervisor._cli import targets
    from supervisor._cli.errors import CommandError
    from supervisor._cli.fleet.hinting import beside
    from supervisor._cli.stored_runs.store import opened
    from supervisor.integrations._fleet.submit import put

    team = command.team
    also = beside(command.store, run_id)
    source = targets.load(team.target, trust=team.trust, allow=team.allow, select=team.select)
    with opened(command.store, is_made=True) as store:
        made = asyncio.run(source.build())
        if not put(store, made, command.task, run_id, **also):
            raise CommandError(f"there is a run {run_id!r} already; give another --id", 1)
