"""`work TARGET --store URL`: carry kept runs on."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> None:
    """Do what the words behind `work` say."""
    from supervisor._cli.fleet.command_lines import read_work

    command = read_work(arguments)
    from supervisor._cli import options, targets
    from supervisor._cli.fleet.hinting import has_queue, hints_for
    from supervisor._process.standard_streams import fill_closed

    fill_closed()
    options.install(command.settings)
    if has_queue(command.store):
        hints_for("work")
    from supervisor._cli.fleet.session import run

    team = command.team
    run(
        command,
        lambda: targets.load(team.target, trust=team.trust, allow=team.allow, select=team.select),
    )
