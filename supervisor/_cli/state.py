"""Where the command line keeps a user's state."""

from __future__ import annotations

import os
from pathlib import Path

from supervisor._cli.errors import CommandError


def state_directory() -> Path:
    """Return where this user's state is kept.

    Raises:
        CommandError: The user has no home directory, as in some containers.
    """
    given = os.environ.get("XDG_STATE_HOME", "")
    if given.startswith("/"):  # the specification has a relative path ignored
        return Path(given) / "autogen-supervisor"
    try:
        return Path.home() / ".local" / "state" / "autogen-supervisor"
    except RuntimeError as error:
        raise CommandError(
            "this user has no home directory; set XDG_STATE_HOME to where state is to be kept"
        ) from error
