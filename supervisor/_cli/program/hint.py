"""A hint where a file was run as a program, and its team may have been meant."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from supervisor._cli.candidates import known_factories, runnables

if TYPE_CHECKING:
    from types import ModuleType

    from supervisor._cli.targets import Target


def hint_at_team(module: ModuleType, target: Target) -> None:
    """Say how to run the team of a program that has started no event loop, if it has one.

    Args:
        module: Its `__main__`.
        target: The program.
    """
    if not target.place.endswith(".py") or "autogen_agentchat" not in sys.modules or not sys.stderr:
        return
    makers = known_factories(module)
    names = runnables(module) or (makers if len(makers) == 1 else [])
    if names:
        use = " or ".join(f"{target.place}:{name}" for name in names)
        sys.stderr.write(
            f"supervisor: {target.place} started no event loop; to run its team use {use}\n"
        )
