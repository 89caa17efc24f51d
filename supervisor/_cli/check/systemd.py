"""systemd units: `TimeoutStopSec`, `KillMode`, `KillSignal`, `SendSIGKILL` and `ExecStart`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from supervisor._cli.check import rules
from supervisor._cli.check.deployment import Deployment
from supervisor._cli.check.durations import seconds
from supervisor._cli.check.finding import Finding, note, ok, problem
from supervisor._cli.check.program_words import split

_DEFAULT_SECONDS: Final = 90.0
_PREFIXES: Final = "@-:+!"
_NO: Final = ("no", "false", "0", "off", "n", "f")
_Section = Mapping[str, Sequence[str]]


def is_unit(text: str) -> bool:
    """Return whether a text is a unit of a service."""
    return any(line.strip() == "[Service]" for line in text.splitlines())


def look(name: str, text: str) -> Iterator[Finding]:
    """Yield what there is to say of a unit."""
    section = _service(text)
    where = f"{name}: [Service]"
    setting, kill = _timeout(section)
    if kill is None:
        yield problem(where, f"{setting} cannot be read", "give a length of time, as 30s")
        kill = _DEFAULT_SECONDS
    yield from _kill_mode(where, _last(section, "KillMode", "control-group"))
    if _last(section, "SendSIGKILL", "yes").lower() in _NO:
        what = "SendSIGKILL=no: what does not end by itself is left, and the unit fails to stop"
        yield problem(where, what, "leave it out")
        kill = math.inf
    commands = section.get("ExecStart", [])
    yield from rules.look(
        Deployment(
            where=where,
            words=split(commands[-1].lstrip(_PREFIXES)) if commands else (),
            environ=_environ(section),
            kill_setting=setting,
            kill_seconds=kill,
            stop_signal=_last(section, "KillSignal", "SIGTERM"),
        )
    )


def _timeout(section: _Section) -> tuple[str, float | None]:
    """Return the name of the setting, and its seconds; None where they cannot be read."""
    for setting in ("TimeoutStopSec", "TimeoutSec"):
        if given := _last(section, setting, ""):
            found = seconds(given)
            return setting, math.inf if found == 0 else found
    return "TimeoutStopSec", _DEFAULT_SECONDS


def _kill_mode(where: str, mode: str) -> Iterator[Finding]:
    if mode == "mixed":
        yield ok(where, "KillMode=mixed: the program ends its children in order")
    elif mode == "control-group":
        what = "KillMode=control-group: tools' processes get SIGTERM together with the program"
        yield note(where, what, "set KillMode=mixed, so that a turn can finish with its tools")
    else:
        what = f"KillMode={mode}: processes that the program leaves behind are not killed"
        yield problem(where, what, "set KillMode=mixed")


def _service(text: str) -> dict[str, list[str]]:
    """Return the settings of the section; an empty one takes those before it back."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in text.replace("\\\n", " ").splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped
        elif section == "[Service]" and "=" in stripped and stripped[0] not in "#;":
            key, _, value = stripped.partition("=")
            values = found.setdefault(key.strip(), [])
            if value.strip():
                values.append(value.strip())
            else:
                values.clear()
    return found


def _last(section: _Section, key: str, default: str) -> str:
    values = section.get(key)
    return values[-1] if values else default


def _environ(section: _Section) -> dict[str, str]:
    words = [word for value in section.get("Environment", []) for word in split(value)]
    return {name: given for name, _, given in (word.partition("=") for word in words)}
