"""The target: whether it can be loaded and built."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from supervisor._cli.check.finding import Finding, note, ok, problem
from supervisor._cli.errors import CommandError
from supervisor._cli.targets import Target, load


def look(target: Target) -> Iterator[Finding]:
    """Yield whether a target can be loaded; no event loop may run yet."""
    if target.kind == "program":
        yield note(target.word, "a program is run as it is; nothing of it is run here")
        return
    try:
        source = load(target)
        built = asyncio.run(source.build())
    except CommandError as error:
        yield problem(target.word, f"it cannot be loaded: {error}", "try it with `run`")
        return
    from supervisor._autogen.walk import agent_names

    names = ", ".join(agent_names(built))
    yield ok(target.word, f"it is a {type(built).__name__}, with the agents {names}")
