"""The rules: which number must be smaller than which, and what would go wrong.

    the supervisor's grace < the server's time limit < `exec`'s grace < the platform's SIGKILL

Whoever is further to the right ends what is left of it by force. So each needs the time of its left
neighbour, and a second in which that one can end itself.
"""

from __future__ import annotations

import contextlib
import math
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from supervisor._cli.check.deployment import Deployment
from supervisor._cli.check.finding import Finding, note, ok, problem
from supervisor._cli.check.program_words import Program, Server, program, server
from supervisor._core.errors import SettingsError
from supervisor._core.events import Rung
from supervisor._core.settings import GRACE_VARIABLE, Ladder

RESERVE: Final = 1.0
"""Seconds that one needs to end itself, before the next one ends it."""

_ADVISED: Final = 2.0  # seconds between two limits, as the guide advises: machines can be busy

_OWN: Final = "the supervisor's grace"
_HEARD: Final = ("SIGTERM", "SIGINT")


@dataclass(frozen=True)
class _Limit:
    """A time limit.

    Args:
        name: What sets it.
        seconds: What there is of it.
        taken: The seconds of it that something else takes before.
    """

    name: str
    seconds: float
    taken: float = 0.0

    def __str__(self) -> str:
        if not self.taken:
            return f"{self.name} ({_shown(self.seconds)})"
        return f"what preStop leaves of {self.name} ({_shown(self.seconds)})"

    def set_to(self, seconds: float) -> str:
        """Return what to set, so that there are so many seconds of it."""
        name = GRACE_VARIABLE if self.name == _OWN else self.name
        return f"{name} to {{}} {_shown(seconds + self.taken)}"


def look(deployment: Deployment) -> Iterator[Finding]:
    """Yield what the rules say of a program."""
    started = program(deployment.words)
    yield from _stop_signal(deployment)
    yield from _shell(deployment, started)
    yield from _init(deployment, started)
    yield from _limits(deployment, started)


def _limits(deployment: Deployment, started: Program) -> Iterator[Finding]:
    where, given = deployment.where, deployment.environ.get(GRACE_VARIABLE, "").strip()
    if "$" in given:
        yield note(where, f"{GRACE_VARIABLE} is {given!r} here, so its value is not known")
        return
    try:
        own = Ladder().from_environment(deployment.environ).budget(Rung.DRAIN)
    except SettingsError as error:
        yield problem(where, str(error), "a program with a Supervisor ends at its start with this")
        return
    serves = server(started.words)
    if serves is not None and serves.seconds is None:
        yield _endless_server(deployment, serves)
    own_limit = _Limit(GRACE_VARIABLE if given else _OWN, own)
    outer = _outer_limits(deployment, started, serves, own)
    if not outer:
        yield note(where, f"{own_limit} is the time that a stop may take; nothing here limits it")
    for shorter, longer in pairwise([own_limit, *outer]):
        yield _compare(where, shorter, longer)


def _outer_limits(
    deployment: Deployment, started: Program, serves: Server | None, own: float
) -> list[_Limit]:
    """Return the limits around the supervisor's own, from the inside to the outside."""
    limits: list[_Limit] = []
    if serves is not None and serves.seconds is not None:
        limits.append(_Limit(f"{serves.name} {serves.option}", serves.seconds))
    if started.has_exec:
        grace = started.exec_grace
        limits.append(_Limit("exec --grace", own + RESERVE if grace is None else grace))
    if deployment.kill_setting:
        limits.append(_kill(deployment))
    return limits


def _kill(deployment: Deployment) -> _Limit:
    left = deployment.kill_seconds - deployment.before
    return _Limit(deployment.kill_setting, left, deployment.before)


def _compare(where: str, shorter: _Limit, longer: _Limit) -> Finding:
    if longer.seconds == math.inf:
        return note(where, f"{longer} never ends what {shorter.name} leaves")
    if shorter.seconds + RESERVE <= longer.seconds:
        return ok(where, f"{shorter} is smaller than {longer}")
    if shorter.seconds < longer.seconds:
        what = f"{shorter} is smaller than {longer}, but leaves less than a second in between"
    else:
        what = f"{shorter} must be smaller than {longer}"
    lost = "a stop that needs its time is ended by force: clean-up and last words are lost"
    return problem(where, f"{what}; {lost}", _advice(shorter, longer))


def _advice(shorter: _Limit, longer: _Limit) -> str:
    ways: list[str] = []
    if shorter.seconds < math.inf:
        ways.append(longer.set_to(math.ceil(shorter.seconds + _ADVISED)).format("at least"))
    if longer.seconds > _ADVISED:
        ways.append(shorter.set_to(longer.seconds - _ADVISED).format("at most"))
    return f"set {', or '.join(ways)}" if ways else f"make {longer.name} longer"


def _endless_server(deployment: Deployment, serves: Server) -> Finding:
    option = serves.option
    what = f"{serves.name} has no {option}: it waits for open responses without limit"
    kill = deployment.kill_seconds
    if deployment.kill_setting and kill < math.inf:
        what += f", until SIGKILL after {_shown(kill)}"
    advice = f"give {option} a number that is larger than the supervisor's grace"
    if deployment.kill_setting and kill < math.inf:
        advice += f" and smaller than {deployment.kill_setting}"
    return problem(deployment.where, what, advice)


def _stop_signal(deployment: Deployment) -> Iterator[Finding]:
    name = _signal_name(deployment.stop_signal)
    if name == "SIGKILL":
        what = "it is asked to stop by SIGKILL, which no program hears"
    elif "$" in name:
        return
    elif name not in signal.Signals.__members__ and not name.startswith("SIGRT"):
        what = f"{deployment.stop_signal!r} is no signal"
    elif name not in _HEARD:
        what = (
            f"it is asked to stop by {name}, which a Supervisor hears only if its signals= says so"
        )
    else:
        return
    # Where nothing tells what it runs, it may be somebody else's program, such as a database.
    tell = problem if deployment.words else note
    yield tell(deployment.where, what, "use SIGTERM")


def _signal_name(given: str) -> str:
    """Return a signal's name in full, for a name or a number."""
    with contextlib.suppress(ValueError):
        return signal.Signals(int(given)).name
    name = given.upper()
    return name if name.startswith("SIG") else f"SIG{name}"


def _shell(deployment: Deployment, started: Program) -> Iterator[Finding]:
    if started.shell:
        what = f"{started.shell} -c starts it: the shell gets SIGTERM, and may not pass it on"
        advice = "write the command as a list, or put `exec` before the program in the script"
        yield problem(deployment.where, what, advice)


def _init(deployment: Deployment, started: Program) -> Iterator[Finding]:
    if deployment.has_init is None:
        return
    if deployment.has_init or started.has_init or started.has_exec:
        yield ok(deployment.where, "an init is PID 1, which reaps orphans")
        return
    what = "the program is PID 1: supervisor.run splits in two, another program reaps no orphan"
    advice = "if it is not started by supervisor.run, put `python -m supervisor exec --` before it"
    yield note(deployment.where, what, advice)


def _shown(seconds: float) -> str:
    return "no limit" if seconds == math.inf else f"{seconds:g} s"
