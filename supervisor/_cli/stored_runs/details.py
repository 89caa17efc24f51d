"""All that is kept of one run: for a person, and for a program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from supervisor._cli.output.events import call_text
from supervisor._cli.output.sanitize import one_line
from supervisor._cli.output.transcript import Transcript
from supervisor._cli.stored_runs import words
from supervisor._cli.stored_runs.messages import StoredMessage, stored_messages
from supervisor._reports import run_json

if TYPE_CHECKING:
    from supervisor._checkpoints.store import CallRecord, CheckpointStore, RunInfo

_LOGS: Final = ("output", "shown")
"""The logs of what was said: in earlier processes, and in the last one."""


@dataclass(frozen=True, kw_only=True)
class RunDetails:
    """A run that was read.

    Args:
        info: What it is.
        task: What it was given, as JSON-able data.
        messages: What was said.
        calls: The calls that are recorded, of tools and of code.
    """

    info: RunInfo
    task: Any
    messages: Sequence[StoredMessage]
    calls: Sequence[CallRecord]


def read(store: CheckpointStore, run_id: str) -> RunDetails:
    """Read a run.

    Raises:
        RunNotFound: It is not there.
        CheckpointCorrupt: What is stored is damaged.
    """
    from supervisor._checkpoints.integrity import check

    stored = store.load(run_id)
    kept = check(stored)
    said: list[Any] = []
    if kept is not None:
        said = [item for log in _LOGS for item in kept.logs.get(log, ())]
        said += kept.rest.get("late", ())  # finished, and on its way to who shows it
    return RunDetails(
        info=stored.info,
        task=json.loads(stored.task) if stored.task else None,
        messages=stored_messages(said),
        calls=stored.calls,
    )


def as_json(details: RunDetails) -> str:
    """Return it as JSON."""
    report = {
        "schema_version": words.SCHEMA_VERSION,
        "run": words.data(details.info),
        "task": details.task,
        "messages": [run_json.message(message) for message in details.messages],
        "calls": [asdict(call) for call in details.calls],
    }
    return json.dumps(report, indent=2) + "\n"


def as_text(details: RunDetails, width: int | None, *, color: bool, verbose: bool) -> str:
    """Return it as lines.

    Args:
        details: The run.
        width: The terminal's cells; None: no terminal.
        color: Whether to print in colours; needs rich.
        verbose: Whether to show what tools have returned.
    """
    said = _said(details.messages, width, color=color, verbose=verbose)
    parts = [words.described(details.info), said, _calls(details.calls)]
    return "\n".join(part for part in parts if part)


def _said(
    messages: Sequence[StoredMessage], width: int | None, *, color: bool, verbose: bool
) -> str:
    moment = 0.0  # of the message that is shown: calls took the time between two of them
    transcript = Transcript(width, color, verbose=verbose, clock=lambda: moment)
    said = ""
    for message in messages:
        moment = message.moment or moment
        said += transcript.render(message)
    return said + transcript.finish()


def _calls(calls: Sequence[CallRecord]) -> str:
    return "".join(f"{_call(call)}\n" for call in calls)


def _call(call: CallRecord) -> str:
    state = "has no result" if call.result is None else "has a result"
    return f"call     {one_line(call.agent)}: {call_text(call.tool, call.arguments)} {state}"
