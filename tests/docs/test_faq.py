"""The FAQ has an entry for every message that the library can show, and for no other.

Covered are: each text that is given to an exception, a warning or what writes on stderr where it is
made (`messages.py` reads them out of the source); each class of `supervisor.errors`, by its own
sentence; each log event of the level WARNING or above; and the lines that are put together in a
variable, which are listed here by hand. Not covered: the parser's usage errors, the findings of
`check`, and what the command line prints about a run.

An entry is a heading, or an item of a list, with the message as code. `…` is what differs.
"""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from supervisor import errors
from supervisor._reports import log_events
from tests.docs.messages import Message, all_messages, modules

FAQ: Final = Path(__file__).parent.parent.parent / "docs" / "faq.md"

# Texts that nobody asks about, each with its reason.
_NO_ENTRY: Final = frozenset(
    {
        "module … has no attribute …",  # Python's own
        "write() argument must be str, not …",  # Python's own
        "Error in sys.excepthook:",  # Python's own
        "Original exception was:",  # Python's own
        "… ended with the wait status …",  # the cause of the log event "no guard"
        "… bytes are too many here; give … at most",  # the library's own mistake
        "recalls … from memory",  # shown of a run, no error
        "at work on …, … at a time",  # a worker has begun, no error
        "what preStop leaves of … (…)",  # a finding of `check`
        "the connection was torn down",  # what a scripted model raises on purpose
        "chat needs a POSIX terminal",  # behind the error that says so
    }
)

# Lines that are put together in a variable.
_BY_HAND: Final = (
    "blocked in the main thread, and cannot stop this program: …",
    "…, … s after it was asked for:",
    "the event loop is blocked, … s after the stop",
    "that did not end when they were told to:",
    "still at work at the end:",
    "daemons left running: …",
    "daemons are left running: …",
    "interrupted …, which blocked the event loop",
    "use `python -m supervisor exec -- COMMAND`, or call run() before they are started",
    "; something refused to stop, ending the process (status …)",
    "; the guard killed process …",
    "the process did not end itself by the deadline",
    "the interpreter was held past the deadline (…)",
    "finishing the turn of …",
    "finishing what is at work",
    "cancelling what is at work",
    "abandoning what is at work",
    "Ctrl-C does no more: it never ends this process.",
    "… was never awaited",
    "no log record of … could be made",
    "no command was given; put it behind --",
    "… is not valid for …; give seconds, 0 or more, or off",
    "no such file, neither it nor the interpreter that its first line names",
    "each call must be followed at once by its result",
    "making the target was interrupted",
    "the module has no team, no agent and no function that could make one",
)

# What AutoGen, Python or a provider says, and leads people here.
_OF_OTHERS: Final = (
    "ValueError: task_done() called too many times",
    "The team is already running, it cannot run again until it is stopped.",
    "The group chat is stopped.",
    "An assistant message with 'tool_calls' must be followed by tool messages",
    "Task was destroyed but it is pending!",
    "RuntimeError: Event loop is closed",
    "Task exception was never retrieved",
    "Digraph execution is complete",
    "AttributeError: 'coroutine' object has no attribute 'cancel'",
    "RuntimeError: Failed to get user input: …",
    "RuntimeError: …Error: … Traceback: …",
    "ImportError: cannot import name 'Supervisor' from 'supervisor'",
)


def test_every_message_has_its_entry() -> None:
    """What stays the same in a message stands in a heading or in an item of a list."""
    entries = "\n".join(_entries())
    missing = [
        message
        for message in sorted(_messages())
        if message.text not in _NO_ENTRY and message.core not in entries
    ]
    assert missing == []


def test_every_log_event_to_act_on_has_its_entry() -> None:
    """Each of the level WARNING or above is named."""
    page = " ".join(FAQ.read_text(encoding="utf-8").split())
    events = log_events.table().values()
    missing = [event.name for event in events if event.level >= logging.WARNING]
    assert [name for name in missing if name not in page] == []


def test_no_entry_is_of_a_message_that_is_gone() -> None:
    """Each entry is of a message, a log event, or somebody else's error that is listed here."""
    known = _messages() | {Message(text, "") for text in (*_OF_OTHERS, *log_events.table())}
    texts = "\n".join(message.text for message in known)
    gone = [
        entry
        for entry in _entries()
        if _core(entry) not in texts and not any(message.core in entry for message in known)
    ]
    assert gone == []


def test_the_lists_here_are_of_messages_that_are_made() -> None:
    """What is listed by hand, or left out, stands in the source."""
    source = "\n".join(_strings())
    for text in (*_BY_HAND, *_NO_ENTRY):
        assert Message(text, "").core in source, text


def test_every_error_class_has_its_entry() -> None:
    """The name of each class that has a sentence of its own stands in the FAQ or in its link."""
    page = FAQ.read_text(encoding="utf-8")
    for name in errors.__all__:
        if "__str__" in vars(getattr(errors, name)):
            assert f"`{name}`" in page, name


def _messages() -> frozenset[Message]:
    return all_messages() | {Message(text, "") for text in _BY_HAND}


def _entries() -> list[str]:
    """Return the code of the headings and list items that reads as a message."""
    found: list[str] = []
    for line in re.findall(r"^(?:### |- )(.*)", FAQ.read_text(encoding="utf-8"), re.MULTILINE):
        spans: list[tuple[str, str]] = re.findall(r"`` (.+?) ``|`([^`]+)`", line)
        texts = [double or single for double, single in spans]
        found += [text for text in texts if " " in text.strip("… ") and len(_core(text)) > 4]
    return found


def _core(text: str) -> str:
    return Message(text, "").core


def _strings() -> Iterator[str]:
    for module in modules().values():
        for node in ast.walk(module):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield " ".join(node.value.split())
