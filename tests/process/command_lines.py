"""The command line as a program under test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def command_line(words: Sequence[str], environ: Mapping[str, str]) -> None:
    """Do what `autogen-supervisor` does with these words, in this environment."""
    from supervisor._cli.main import main

    os.environ.update(environ)
    sys.argv = ["autogen-supervisor", *words]
    main()


PROGRAMS: dict[str, Callable[..., Any]] = {"command_line": command_line}
