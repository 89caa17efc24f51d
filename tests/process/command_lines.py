"""The command line as a program under test."""

from __future__ import annotations

import asyncio
import os
import runpy
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def command_line(
    words: Sequence[str],
    environ: Mapping[str, str] | None = None,
    policy: str = "asyncio",
    folder: str | None = None,
) -> None:
    """Do what `autogen-supervisor` does with these words.

    Args:
        words: The words behind the program's name.
        environ: More variables of the environment.
        policy: The loops that the process's programs get by default: "asyncio" or "uvloop".
        folder: Where it is called.
    """
    from supervisor._cli.main import main

    if policy == "uvloop":
        uvloop: Any = import_module("uvloop")
        warnings.simplefilter("ignore", DeprecationWarning)
        vars(asyncio)["set_event_loop_policy"](uvloop.EventLoopPolicy())  # deprecated from 3.14 on
    if folder is not None:
        os.chdir(folder)
    os.environ.update(environ or {})
    sys.argv = ["autogen-supervisor", *words]
    main()


def module(name: str, words: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> None:
    """Run a module as `python -m` does.

    Args:
        name: The module.
        words: What stands behind it.
        environ: More variables of the environment.
    """
    os.environ.update(environ or {})
    sys.argv = [name, *words]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


PROGRAMS: dict[str, Callable[..., Any]] = {"command_line": command_line, "module": module}
