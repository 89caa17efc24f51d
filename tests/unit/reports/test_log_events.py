"""The table of log events: it agrees with the calls, and with docs/guide/telemetry.md."""

from __future__ import annotations

import ast
import functools
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import supervisor
from supervisor._reports import log_events
from supervisor._reports.log_events import LogEvent

ROOT = Path(__file__).parents[3]


@functools.cache
def _trees() -> Sequence[tuple[str, ast.Module]]:
    """Return the modules that name the reporter, or an event."""
    package = Path(supervisor.__file__).parent
    texts = [(path, path.read_text()) for path in sorted(package.rglob("*.py"))]
    told = [(path, text) for path, text in texts if "report" in text]
    return [(path.relative_to(package).as_posix(), ast.parse(text)) for path, text in told]


def _event(node: ast.AST) -> str | None:
    """Return the name of the table's constant, where an expression is one."""
    match node:
        case ast.Subscript(value=value):
            return _event(value)
        case ast.Attribute(value=ast.Name(id="log_events"), attr=name) if name in _constants():
            return name
        case _:
            return None


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Return the calls of `reporter.event`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="reporter"), attr="event")):
                yield node
            case _:
                pass


def _named(tree: ast.AST) -> set[str]:
    return {name for node in ast.walk(tree) if (name := _event(node))}


def _constants() -> dict[str, tuple[str, ...]]:
    """Return the fields of each constant."""
    found = {"ENTERED": log_events.ENTERED["DRAIN"].fields}
    for name, value in vars(log_events).items():
        if isinstance(value, LogEvent):
            found[name] = value.fields
    return found


def test_each_event_of_the_table_is_logged() -> None:
    """Each event of the table is named somewhere in the package."""
    assert {name for _, tree in _trees() for name in _named(tree)} == set(_constants())


def test_nothing_is_logged_but_the_events_of_the_table() -> None:
    """Each call of `reporter.event` gets an event of the table, or one that was passed on."""
    wrong = list[str]()
    for module, tree in _trees():
        for call in _calls(tree):
            [event] = call.args
            if _event(event) is None and ast.unparse(event) != "event":
                wrong.append(f"{module}:{call.lineno}")
    assert not wrong


def test_each_call_gives_the_fields_of_its_event() -> None:
    """A function that logs an event gives just the fields that the table has."""
    wrong = list[str]()
    for module, tree in _trees():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            given = {it.arg for call in _calls(function) for it in call.keywords} - {"line"}
            known = {field for name in _named(function) for field in _constants()[name]}
            if _named(function) and any(_calls(function)) and given != known:
                wrong.append(f"{module}: {function.name} gives {given}, the table has {known}")
    assert not wrong


def test_the_docs_have_the_same_table() -> None:
    """The page has each event with its level and its fields, and in the same order."""
    text = (ROOT / "docs" / "guide" / "telemetry.md").read_text().partition("### Events")[2]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    shown = [(name, level, fields.replace("`", "").strip()) for name, level, fields, _ in rows[1:]]
    assert shown == [
        (event.name, logging.getLevelName(event.level), ", ".join(event.fields))
        for event in log_events.table().values()
    ]


@pytest.mark.parametrize("event", log_events.table().values(), ids=lambda event: event.name)
def test_a_name_is_one_line_without_marks(event: LogEvent) -> None:
    """A name can stand in a table and be searched for: one line, with no bar and no back-quote."""
    assert not set("\n|`{}") & set(event.name)
