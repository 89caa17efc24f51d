"""The last line that a person sees: how the run has ended, how long it took, and at what cost."""

from __future__ import annotations

from typing import Final

from supervisor._cli.output import amounts
from supervisor._cli.output.cells import cut
from supervisor._cli.output.sanitize import one_line
from supervisor._reports.outcome import Outcome

_LONGEST: Final = 200  # cells of an error's message
_WORDS: Final = {
    "finished": "Finished",
    "failed": "Failed",
    "stopped": "Stopped",
    "timed_out": "Stopped by the time limit",
    "abandoned": "Stopped",
    "forced": "Ended by force",
    "killed": "Killed",
}


def result_line(outcome: Outcome) -> str:
    """Return the line: "Stopped by SIGINT; 4 messages and events kept, 2.1 s, 9 tokens"."""
    has_ended = outcome.status == "finished"
    facts = [
        f"{_counted(outcome.messages)}{'' if has_ended else ' kept'}",
        amounts.seconds(outcome.seconds),
    ]
    if outcome.usage.total:
        facts.append(amounts.count(outcome.usage.total, "token"))
    return f"{one_line(_how(outcome))}; {', '.join(facts)}"


def _counted(messages: int) -> str:
    """Return their number; AutoGen's own words at the end count messages without events."""
    return f"{amounts.count(messages, 'message')}{' and events' if messages > 1 else ''}"


def _how(outcome: Outcome) -> str:
    words, reason = _WORDS[outcome.status], outcome.stop_reason
    if outcome.status in ("stopped", "timed_out"):
        return reason or words
    if outcome.status == "abandoned":
        return f"{(reason or words).rstrip('.')}, and abandoned what refused to stop"
    if outcome.status == "failed" and outcome.error is not None:
        message = outcome.error.message.strip().partition("\n")[0]
        reason = cut(f"{outcome.error.type}: {message}", _LONGEST).rstrip(": ")
    return f"{words}: {reason.rstrip('.')}" if reason else words
