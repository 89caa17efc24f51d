"""Programs as they are: one that knows nothing of us gets our promises.

It runs as under `python app.py` or `python -m package`. What its event loops run is supervised, and
each run of a team or an agent in them. Between them nothing of ours stands in the way: Ctrl-C in a
slow import is a `KeyboardInterrupt`, as in Python.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from supervisor._cli.options import Settings
    from supervisor._cli.targets import Target


def main(target: Target, arguments: Sequence[str], settings: Settings) -> NoReturn:
    """Run a program as it is, and end the process as it ends.

    Args:
        target: The program.
        arguments: What stands behind it on the command line, all of it the program's.
        settings: What stands before it.

    Raises:
        CommandError: There is no such program, or a setting is not for programs.
        KeyboardInterrupt: Ctrl-C has ended it while no loop ran; its traceback was shown.
    """
    from supervisor._cli.program.launch import launch

    sys.exit(launch(target, arguments, settings))
