"""The table of log events: the name of each, its level, and its fields.

The supervisor logs nothing but these. A name is the same each time, so that a log can be searched
for it; what differs is in the fields. `docs/guide/telemetry.md` has the same table, with what each
event means; a test compares the two, and both with the calls.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One kind of event.

    Args:
        name: What happened, in a few words without facts in them.
        level: A level of `logging`.
        fields: The names of the facts that a record of it can have, beside those of its run.
    """

    name: str
    level: int
    fields: tuple[str, ...] = ()


def _debug(name: str, *fields: str) -> LogEvent:
    return LogEvent(name, logging.DEBUG, fields)


def _info(name: str, *fields: str) -> LogEvent:
    return LogEvent(name, logging.INFO, fields)


def _warning(name: str, *fields: str) -> LogEvent:
    return LogEvent(name, logging.WARNING, fields)


def _error(name: str, *fields: str) -> LogEvent:
    return LogEvent(name, logging.ERROR, fields)


# -- a stop -----------------------------------------------------------------------------------

ENTERED: Final[Mapping[str, LogEvent]] = {
    rung: _info(f"entered {rung}", "reason", "trigger") for rung in ("DRAIN", "CANCEL", "ABANDON")
}
"""For each rung by its name: it is entered."""

_LEFT: Final = ("left", "count", "rung", "reason", "seconds")

STILL_AT_WORK: Final = _warning("still at work as the stop is abandoned", *_LEFT)
REFUSED_TO_STOP: Final = _error("refused to stop", *_LEFT)
LOOP_BLOCKED: Final = _warning("event loop blocked", *_LEFT)
INTERRUPTED_CODE: Final = _warning("interrupted", "where")
KILLED_CHILDREN: Final = _warning("killed child processes", *_LEFT)
DAEMONS_LEFT: Final = _info("daemons left running", "daemons")
STOPPED: Final = _info("stopped", "reason", "rung", "seconds")
FORCED_END: Final = _error("forced end", *_LEFT, "status")
INTERRUPTED_RUNS: Final = _info("interrupted the runs", "reason", "count")
TIME_STANDS_STILL: Final = _info("a debugger: time stands still for the stop")
TIME_GOES_ON: Final = _info("a debugger: time goes on for the stop")

# -- a run ------------------------------------------------------------------------------------

RUN_BEGAN: Final = _debug("run began")
RUN_ENDED: Final = _debug("run ended", "outcome", "seconds")
FAILED_IN_STOP: Final = _error("run failed while it was stopped", "exc_info")
SOURCE_FAILED_IN_STOP: Final = _error("source failed while it was stopped", "exc_info")
TEAM_QUARANTINED: Final = _warning("team quarantined", "agents", "doing", "seconds")
SOURCE_QUARANTINED: Final = _warning("source quarantined", "doing", "seconds")
HELPER_REFUSED: Final = _error("helper refused to stop")
NOT_CONSISTENT: Final = _error(
    "team not made consistent; reset() it before its next run", "exc_info"
)
REPAIR_REFUSED: Final = _error(
    "team not made consistent: its context, condition or manager refused to stop"
)
CALLS_NOT_CLOSED: Final = _error("open tool calls of a model context not closed", "exc_info")
MESSAGES_NOT_ADDED: Final = _error(
    "messages not added to the model context of a team's manager", "exc_info"
)
MESSAGES_NOT_COUNTED: Final = _error("messages in a team's queue not counted", "exc_info")
CONDITION_NOT_RESET: Final = _warning("termination condition not reset", "manager", "exc_info")
KERNEL_NOT_INTERRUPTED: Final = _warning("kernel not interrupted", "exc_info")
TOKEN_CALLBACK_FAILED: Final = _warning("cancellation callback failed", "exc_info")

# -- a run that is kept -------------------------------------------------------------------------

RUN_CONTINUED: Final = _info("run continued", "run_id", "turn", "attempts")
LEASE_LOST: Final = _warning("lease lost", "run_id")
STORE_UNAVAILABLE: Final = _warning("store of runs unavailable", "store", "exc_info")
CONDITION_NOT_KEPT: Final = _warning("termination condition not kept", "condition", "exc_info")
CONDITION_BEGINS_ANEW: Final = _warning(
    "termination conditions begin anew: they are not those with which the run was kept",
    "conditions",
)
AGENT_STATE_NOT_KEPT: Final = _error("state of an agent not kept", "agent", "exc_info")
AGENT_STATE_SLOW: Final = _warning("an agent's save_state held the loop", "agent", "seconds")

# -- a served runtime ---------------------------------------------------------------------------

MESSAGES_NOT_TAKEN: Final = _warning("messages not taken: stopping", "count", "to")
HANDLERS_REFUSED: Final = _error("handlers refused to end", "left", "seconds")
RUNTIME_REFUSED: Final = _error("the runtime refused to stop", "runtime")
RUNTIME_NOT_STOPPED: Final = _warning("runtime not stopped in order", "exc_info")

# -- the program's own code -----------------------------------------------------------------------

STOP_CALLBACK_FAILED: Final = _error("on_stop callback failed", "exc_info")
RUNG_CALLBACK_FAILED: Final = _error("rung callback failed", "exc_info")
INTERRUPT_CALLBACK_FAILED: Final = _error("on_interrupt callback failed", "exc_info")
SPAWNED_FAILED: Final = _error("spawned task failed", "exc_info")

# -- the process -----------------------------------------------------------------------------------

NO_HANDLERS: Final = _info(
    "no signal handlers installed: this is not the main thread; "
    "a Supervisor in the main thread, or stop(), will stop this one"
)
SIGNALS_BLOCKED: Final = _warning("blocked signals", "signals")
SIGNALS_NOT_HEARD: Final = _warning("signals not heard", "why")
NOT_SUPERVISED: Final = _warning("not supervised")
NOT_SPLIT: Final = _warning("PID 1 is not split", "why")
NO_SUBREAPER: Final = _warning("no subreaper")
NO_GUARD: Final = _warning("no guard", "exc_info")
NO_GUARD_WANTED: Final = _info("no guard: a prompt or a debugger is here, and nothing is ended")
OWN_ERROR: Final = _error(
    "a supervisor's own error while it was told of a signal, or the time", "exc_info"
)
TELEMETRY_FAILED: Final = _error("telemetry failed", "exc_info")
REPORT_FAILED: Final = _error("a report failed", "error")


def table() -> Mapping[str, LogEvent]:
    """Return each event by its name, in the order of this module."""
    others = [value for value in globals().values() if isinstance(value, LogEvent)]
    return {event.name: event for event in (*ENTERED.values(), *others)}
