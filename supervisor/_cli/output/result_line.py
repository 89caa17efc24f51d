"""The last line that a person sees: how the run has ended, how long it took, and at what cost."""

from __future__ import annotations

from typing import Final

from supervisor._cli.output import amounts
from supervisor._cli.output.cells import cut
from supervisor._cli.output.outcome import Outcome
from supervisor._cli.output.sanitize import one_line

_LONGEST: Final = 200  # cells of an error's message
_WORDS: Final = {
    "finished": "Finished",
    "failed": "Failed",
    "stopped": "Stopped",
    "timed_out": "Stopped by the time limit",
    "abandoned": "Abandoned what refused to stop",
    "forced": "Ended by force",
    "killed": "Killed",
}


def result_line(outcome: Outcome) -> str:
    """Return the line: "Stopped by SIGINT; 4 messages kept, 2.1 s, 1,234 tokens"."""
    has_ended = outcome.status == "finished"
    facts = [
        f"{amounts.count(outcome.messages, 'message')}{'' if has_ended else ' kept'}",
        amounts.seconds(outcome.seconds),
    ]
    if outcome.usage.total:
        facts.append(amounts.count(outcome.usage.total, "token"))
    return f"{one_line(_how(outcome))}; {', '.join(facts)}"


def _how(outcome: Outcome) -> str:
    words, reason = _WORDS[outcome.status], outcome.stop_reason
    if outcome.status in ("stopped", "timed_out"):
        return reason or words
    if outcome.status == "failed" and outcome.error is not None:
        message = outcome.error.message.strip().partition("\n")[0]
        reason = cut(f"{outcome.error.type}: {message}", _LONGEST).rstrip(": ")
    return f"{words}: {reason.rstrip('.')}" if reason else words
