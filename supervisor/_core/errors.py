"""Every error that the supervisor raises on purpose.

    Exception
     +- SupervisorError
         +- SettingsError (also a ValueError)     a setting cannot be
         +- UsageError    (also a RuntimeError)   right thing, wrong place or time
         |   +- HandedOff (also a ValueError)     a Swarm waits for somebody outside
         +- Quarantined                           a team that refused to stop is used again
         +- CheckpointError                       a run that is kept cannot be continued
             +- RunHeld                           somebody else has it
             +- RunNotFound                       there is none of that id
             +- RunCancelled                      it was cancelled, for good
             +- RunMismatch                       it is one of another team or task
             +- CheckpointCorrupt                 what is stored is damaged
             |   +- UnknownMessage                a message's type is not known here
             +- CheckpointTooNew                  a newer version has written it
             +- StoreUnavailable                  the store does not answer
    asyncio.CancelledError
     +- Stopped                                   a run was started after a stop
     +- LeaseLost                                 somebody else has taken the run over

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

__all__ = [
    "CheckpointCorrupt",
    "CheckpointError",
    "CheckpointTooNew",
    "HandedOff",
    "LeaseLost",
    "Quarantined",
    "RunCancelled",
    "RunHeld",
    "RunMismatch",
    "RunNotFound",
    "SettingsError",
    "Stopped",
    "StoreUnavailable",
    "SupervisorError",
    "UnknownMessage",
    "UsageError",
]


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
        shown = self.value.name if isinstance(self.value, enum.Enum) else _shown(self.value)
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


class CheckpointError(SupervisorError):
    """A run that is kept in a store cannot be begun or continued; nothing of it was changed."""


class RunHeld(CheckpointError):
    """Somebody else has the run; wait for it with `wait=`, or leave it to them.

    Args:
        run_id: The run.
        owner: Who has it.
        until: When their lease ends, in seconds since 1970; None where that is not known.
    """

    def __init__(self, run_id: str, owner: str, until: float | None = None) -> None:
        self.run_id = run_id
        self.owner = owner
        self.until = until
        super().__init__(run_id, owner, until)

    def __str__(self) -> str:
        return (
            f"the run {self.run_id!r} is at work in {self.owner}; "
            "give wait=30 to wait for it, or another id to begin another run"
        )


class RunNotFound(CheckpointError, LookupError):
    """The store has no run of that id; list those that it has.

    Args:
        run_id: The run.
        store: The store's URL, without a password.
    """

    def __init__(self, run_id: str, store: str) -> None:
        self.run_id = run_id
        self.store = store
        super().__init__(run_id, store)

    def __str__(self) -> str:
        return (
            f"there is no run {self.run_id!r} in {self.store}; "
            "give a task to begin it, or the id of one that is there"
        )


class RunCancelled(CheckpointError):
    """The run was cancelled, and is not continued; forget it, or begin one of another id.

    Args:
        run_id: The run.
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(run_id)

    def __str__(self) -> str:
        return (
            f"the run {self.run_id!r} was cancelled; "
            "give another id, or forget this one to begin it anew"
        )


class RunMismatch(CheckpointError):
    """The run is one of another task, or of a team of another shape; give another id.

    Args:
        run_id: The run.
        what: What differs: "task", "team", "members": also `allow_changed=True` does not let it
            go on; or "kind": it is no run, but a session of `chat`.
        difference: The difference, in words.
    """

    def __init__(self, run_id: str, what: str, difference: str) -> None:
        self.run_id = run_id
        self.what = what
        self.difference = difference
        super().__init__(run_id, what, difference)

    def __str__(self) -> str:
        if self.what == "kind":
            return f"{self.run_id!r} is no run: {self.difference}; give another id"
        if self.what == "members":
            return (
                f"the run {self.run_id!r} cannot go on with this team: {self.difference}; "
                "give it the team it was begun with, or another id"
            )
        return (
            f"the run {self.run_id!r} was begun with another {self.what}: {self.difference}; "
            "give another id, or allow_changed=True to go on all the same"
        )


class CheckpointCorrupt(CheckpointError):
    """What is stored of the run is damaged; restore the store, or forget the run.

    Args:
        run_id: The run.
        problem: What is wrong, in words.
    """

    def __init__(self, run_id: str, problem: str) -> None:
        self.run_id = run_id
        self.problem = problem
        super().__init__(run_id, problem)

    def __str__(self) -> str:
        return (
            f"what is stored of the run {self.run_id!r} is damaged: {self.problem}; "
            "restore the store from a backup, or forget the run and begin it anew"
        )


class UnknownMessage(CheckpointCorrupt):
    """The run has a message of a type that is not known here; give the team that type.

    Args:
        run_id: The run.
        type_name: The type that the message says it has.
    """

    def __init__(self, run_id: str, type_name: str) -> None:
        self.type_name = type_name
        super().__init__(run_id, f"a message of the unknown type {type_name!r}")
        self.args: tuple[object, ...] = (run_id, type_name)

    def __str__(self) -> str:
        return (
            f"the run {self.run_id!r} has a message of the type {self.type_name!r}, which is not "
            "known here; build the team with custom_message_types=[...], as when it was begun"
        )


class CheckpointTooNew(CheckpointError):
    """A newer version of autogen-supervisor has written this; use that version.

    Args:
        store: The store's URL, without a password.
        found: The version of the format that was found.
        known: The newest one that is known here.
    """

    def __init__(self, store: str, found: int, known: int) -> None:
        self.store = store
        self.found = found
        self.known = known
        super().__init__(store, found, known)

    def __str__(self) -> str:
        return (
            f"{self.store} has format {self.found}, and this version of autogen-supervisor knows "
            f"formats up to {self.known}; use the newer version that has written it"
        )


class StoreUnavailable(CheckpointError):
    """The store does not answer; nothing that it has kept is lost.

    Args:
        store: The store's URL, without a password.
        problem: What it says.
    """

    def __init__(self, store: str, problem: str) -> None:
        self.store = store
        self.problem = problem
        super().__init__(store, problem)

    def __str__(self) -> str:
        return f"cannot use {self.store}: {self.problem}; put that right, and start again"


class LeaseLost(asyncio.CancelledError):
    """The run was taken over by somebody else, for this process did not renew its lease in time.

    What this process did since is not kept. `except Exception` does not catch it, so that a loop
    over jobs does not take it for a failed job.

    Args:
        run_id: The run.
    """

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id

    def __str__(self) -> str:
        return (
            f"the run {self.run_id!r} has another owner by now, for its lease was not renewed in "
            "time; go on with its next call, or give a longer lease"
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
for _name in __all__:
    globals()[_name].__module__ = "supervisor.errors"


def _shown(value: object) -> str:
    """Return a value as a message shows it, in a few words."""
    try:
        return reprlib.repr(value)
    except ValueError:  # an int of thousands of digits has no text
        return f"this {type(value).__name__}"
