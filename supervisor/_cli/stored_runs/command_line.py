"""The command line of what is done to runs by their ids."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from supervisor._cli.options import Parser, add_store_flag


def read_ids(command: str, usage: str, about: str, arguments: Sequence[str]) -> argparse.Namespace:
    """Return what these words say: `ids`, and `checkpoints`.

    Raises:
        CommandError: They are no command line of this command.
        SystemExit: They ask for help.
    """
    parser = Parser(command, usage, about)
    parser.add_argument("ids", nargs="+", metavar="ID", help="the id of a run")
    add_store_flag(parser)
    return parser.parse_args(list(arguments))
