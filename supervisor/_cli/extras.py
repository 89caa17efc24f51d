"""Imports what an extra brings, or says in one line that it is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from supervisor._cli.errors import CommandError


def require(name: str, what_for: str, extra: str = "cli") -> Any:
    """Import a module that only an extra brings.

    Args:
        name: The module's name, as "rich.console".
        what_for: What cannot be done without it, as "chat" or "to read YAML".
        extra: The extra.

    Raises:
        CommandError: It is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        what = f"{what_for} needs {package}, which is not installed here"
        raise CommandError(f"{what}; pip install 'autogen-supervisor[{extra}]'") from None
