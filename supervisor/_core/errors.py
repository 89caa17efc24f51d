"""Every error that the supervisor raises on purpose.

    Exception
     +- SupervisorError
         +- SettingsError (also a ValueError)     a setting cannot be
         +- UsageError    (also a RuntimeError)   right thing, wrong place or time
         |   +- HandedOff (also a ValueError)     a Swarm waits for somebody outside
         +- Quarantined                           a team that refused to stop is used again
    asyncio.CancelledError
     +- Stopped                                   a run was started after a stop

Each message says what is wrong and, after the semicolon, what to do instead. The facts are the
arguments and attributes of the class: so `pickle` and `copy` rebuild an error from its `args`, and
the sentence is written only when it is read.

Why `Stopped` is outside the tree: a loop over jobs that wraps each one in `except Exception` would
take it for a failed job, acknowledge that job, and go on to the next. Such code lets a cancellation
pass.
"""

from __future__ import annotations

import asyncio
import enum
import reprlib
from collections.abc import Iterable

from supervisor._core.events import StopRequest

__all__ = ["HandedOff", "Quarantined", "SettingsError", "Stopped", "SupervisorError", "UsageError"]


class SupervisorError(Exception):
    """The base of the supervisor's errors, except `Stopped`, which is a cancellation."""


class SettingsError(SupervisorError, ValueError):
    """A setting cannot have this value; change the setting that the message names.

    Raised when settings are built, before anything is installed.

    Args:
        field: The setting, as the user wrote it: a field's name, or an environment variable's.
        rule: What to give instead, as an imperative ("give either drain or total").
        value: The value that was refused, as it was.
    """

    def __init__(self, field: str, rule: str, value: object) -> None:
        super().__init__(field, rule, value)
        self.field = field
        self.rule = rule
        self.value = value

    def __str__(self) -> str:
        shown = self.value.name if isinstance(self.value, enum.Enum) else reprlib.repr(self.value)
        return f"{shown} is not valid for {self.field}; {self.rule}"


class UsageError(SupervisorError, RuntimeError):
    """The supervisor was used in a place or at a time where it cannot work.

    For example: a supervisor is entered twice or used outside its block, an eager task factory is
    installed on the loop, the environment has the process manager of the same name, a rung cannot
    be asked for. It is a mistake in the program: the message says which, and what to do instead.
    """


class HandedOff(UsageError, ValueError):
    """A Swarm that has handed off to somebody outside is run without the answer; give it one.

    Without a supervisor, AutoGen raises a ValueError there.

    Args:
        team: The team's name.
        target: The name that it has handed off to.
        members: The names that the answer can hand back to.
    """

    def __init__(self, team: str, target: str, members: Iterable[str]) -> None:
        self.team = team
        self.target = target
        self.members: tuple[str, ...] = tuple(members)
        super().__init__(team, target, self.members)

    def __str__(self) -> str:
        members = " or ".join(map(repr, self.members))
        return (
            f"the team {self.team!r} has handed off to {self.target!r}, who is no member of it; "
            f"give it as its task a HandoffMessage(source={self.target!r}, content=..., "
            f"target=...) whose target is {members}"
        )


class Quarantined(SupervisorError):
    """A team has an agent that refused to end; build a new team, for this one would hang.

    The run that had to be abandoned raises it, and so does each later use of the team: its agents
    take turns under a lock, and the agent that refuses still holds it.

    Args:
        team: The team's name.
        agents: The names of the agents that refused.
        doing: What they were still doing, as in "still ...": "running the tool 'lookup'".
        seconds: How long they had been asked to end.
    """

    def __init__(self, team: str, agents: Iterable[str], doing: str, seconds: float) -> None:
        self.team = team
        self.agents: tuple[str, ...] = tuple(agents)
        self.doing = doing
        self.seconds = seconds
        super().__init__(team, self.agents, doing, seconds)

    def __str__(self) -> str:
        who = ", ".join(map(repr, self.agents)) or "an agent"
        return (
            f"the team {self.team!r} is quarantined: {who} refused to end, "
            f"still {self.doing} after {self.seconds:.3g} s; "
            "build a new team, and let what it waits for be cancelled"
        )


class Stopped(asyncio.CancelledError):
    """A run was started after a stop; leave the block, which swallows this.

    `except Exception` does not catch it. Where a task ends with it, only the first one to await the
    task gets it. Later ones get a plain `CancelledError`: asyncio keeps a task's own one only once.

    Args:
        request: The stop that had been requested, where it is known.
    """

    def __init__(self, request: StopRequest | None = None) -> None:
        super().__init__(request)
        self.request = request

    def __str__(self) -> str:
        why = f" ({self.request.reason})" if self.request else ""
        return (
            f"the run was not started, for a stop had been requested{why}; "
            "leave the block, and start it under a new Supervisor"
        )


# A traceback names the module from which users import these.
for _error in (SupervisorError, SettingsError, UsageError, HandedOff, Quarantined, Stopped):
    _error.__module__ = "supervisor.errors"
