"""The target: whether it can be loaded and built."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from supervisor._cli.check.finding import Finding, note, ok, problem
from supervisor._cli.errors import CommandError
from supervisor._cli.targets import Target, load


def look(
    target: Target, *, trust: bool, allow: Sequence[str], select: str | None
) -> Iterator[Finding]:
    """Yield whether a target can be loaded, as `load` would; no event loop may run yet."""
    if target.kind == "program":
        yield note(target.word, "a program is run as it is; nothing of it is run here")
        return
    try:
        source = load(target, trust=trust, allow=allow, select=select)
        built = asyncio.run(source.build())
    except CommandError as error:
        yield problem(target.word, f"it cannot be loaded: {error}", "try it with `run`")
        return
    from supervisor._autogen.walk import agent_names

    names = ", ".join(agent_names(built))
    yield ok(target.word, f"it is a {type(built).__name__}, with the agents {names}")
