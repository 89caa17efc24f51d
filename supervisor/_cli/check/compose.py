"""Compose files: `stop_grace_period`, `stop_signal`, `init`, and the commands of the services."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from supervisor._cli.check import rules
from supervisor._cli.check.deployment import Deployment
from supervisor._cli.check.durations import seconds
from supervisor._cli.check.finding import Finding, note, problem
from supervisor._cli.check.program_words import split

_DEFAULT_SECONDS: Final = 10.0


def is_compose(document: object) -> bool:
    """Return whether a document is a compose file."""
    return isinstance(document, Mapping) and isinstance(
        cast("Mapping[str, Any]", document).get("services"), Mapping
    )


def look(name: str, document: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what there is to say of each service."""
    for service, settings in document["services"].items():
        if isinstance(settings, Mapping):
            found = cast("Mapping[str, Any]", settings)
            yield from _service(f"{name}: services.{service}", found)


def _service(where: str, settings: Mapping[str, Any]) -> Iterator[Finding]:
    given = settings.get("stop_grace_period")
    grace = _DEFAULT_SECONDS if given is None else seconds(given)
    is_known = grace is not None
    if grace is None:
        what, advice = f"stop_grace_period {given!r} cannot be read", 'give it as "30s"'
        yield note(where, what) if "$" in str(given) else problem(where, what, advice)
        grace = math.inf
    if settings.get("env_file"):
        yield note(where, "env_file is not read here: SUPERVISOR_GRACE may stand in it")
    yield from rules.look(
        Deployment(
            where=where,
            words=(*_words(settings.get("entrypoint")), *_words(settings.get("command"))),
            environ=_environ(settings.get("environment")),
            kill_setting="stop_grace_period" if is_known else "",
            kill_seconds=grace,
            stop_signal=str(settings.get("stop_signal") or "SIGTERM"),
            has_init=settings.get("init") is True,
        )
    )


def _words(value: object) -> tuple[str, ...]:
    """Return the words of a command; compose splits a text, and starts no shell."""
    if isinstance(value, list):
        return tuple(map(str, cast("list[object]", value)))
    return split(value) if isinstance(value, str) else ()


def _environ(value: object) -> dict[str, str]:
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        return {str(name): "" if given is None else str(given) for name, given in items}
    if isinstance(value, list):
        pairs = [str(word).partition("=") for word in cast("list[object]", value)]
        return {name: given for name, _, given in pairs}
    return {}
