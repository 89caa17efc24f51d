"""What telemetry is told of a run, out of what is known of it."""

from __future__ import annotations

from contextvars import Context
from typing import Any

from supervisor._core.adapter import AnyAdapter
from supervisor._core.events import Rung
from supervisor._core.run_state import RunState
from supervisor._core.stoppable import Owner
from supervisor._reports import log_events
from supervisor._reports.log import reporter
from supervisor._reports.telemetry.runs import RunOutcome, RunTelemetry, StopFacts

AnyState = RunState[Any]


def tell_begin(state: AnyState, adapter: AnyAdapter, context: Context) -> None:
    """Tell that a run begins; its tasks will inherit from this context."""
    state.telemetry = RunTelemetry(adapter.run_kind, adapter.name)
    state.telemetry.begin(context)
    state.is_observed = state.telemetry.is_observed


def tell_rung(state: AnyState, owner: Owner, rung: Rung) -> None:
    """Tell that a stop has led a run to a rung; called where the run is observed.

    Not of a run that has ended by itself, and whose end is still being written: it is not stopped.
    """
    stop = _stop_facts(state, owner)
    if stop is not None:
        state.telemetry.enter(rung.name, stop)


def tell_given_up(state: AnyState, owner: Owner) -> None:
    """Tell that something of a run refused to end."""
    state.telemetry.end("quarantined", state.error, _stop_facts(state, owner))


def tell_settled(state: AnyState) -> None:
    """Tell that nothing of a stopped run is at work any more."""
    state.telemetry.note("settled")


def tell_end(state: AnyState, owner: Owner, *, was_stopped: bool, is_repaired: bool) -> None:
    """Tell that a run is done.

    Args:
        state: The run's.
        owner: Its supervisor.
        was_stopped: Whether a stop has ended it.
        is_repaired: Whether what was stopped is usable again.
    """
    telemetry, error = state.telemetry, state.error
    if not was_stopped:
        telemetry.end("finished" if error is None else "failed", error)
    else:
        if is_repaired:
            telemetry.note("repaired")
        outcome: RunOutcome = "drained" if state.is_draining else "stopped"
        telemetry.end(outcome, None, _stop_facts(state, owner))
    telemetry.forget()


def tell_dropped(state: AnyState) -> None:
    """Tell that the loop of a run was closed around it."""
    state.telemetry.end("forced")
    state.telemetry.forget()


def log_failure(state: AnyState, error: BaseException) -> None:
    """Log what a run has raised because it was stopped."""
    with state.bound():
        reporter.event(log_events.FAILED_IN_STOP, exc_info=error)


def _stop_facts(state: AnyState, owner: Owner) -> StopFacts | None:
    request = state.request
    if request is None:
        return None
    is_own = request is not owner.stop_request
    return StopFacts(request.reason, request.cause, request.time, is_own)
