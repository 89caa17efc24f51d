"""A hint where a file or a module was run as a program, and its team may have been meant."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from supervisor._cli.candidates import known_factories, runnables, unknown_factories
from supervisor._process.standard_streams import write_stderr

if TYPE_CHECKING:
    from types import ModuleType

    from supervisor._cli.targets import Target

_SHOWN: Final = 5  # of the names in a module


def hint_at_team(module: ModuleType, target: Target) -> None:
    """Say how to run the team of a program that has started no event loop, if it may have one.

    Args:
        module: Its `__main__`.
        target: The program.
    """
    place = _place(module, target)
    if place is None or "autogen_agentchat" not in sys.modules:
        return
    if known := runnables(module) or known_factories(module):
        use = _targets(place, known)
        write_stderr(f"supervisor: {place} started no event loop; to run its team use {use}\n")
    elif unknown := unknown_factories(module):
        use = _targets(place, unknown)
        write_stderr(
            f"supervisor: {place} started no event loop; "
            f"if a function in it makes the team, use {use}\n"
        )


def _place(module: ModuleType, target: Target) -> str | None:
    """Return what stands before the name of a team in it; None where no team can be named."""
    if target.word == "-m":
        assert module.__spec__ is not None, "it was found by its name"
        return module.__spec__.name
    return target.place if target.place.endswith(".py") else None


def _targets(place: str, names: list[str]) -> str:
    return " or ".join(f"{place}:{name}" for name in names[:_SHOWN])
