"""The tables of the ladder, on the pages and in the code, say the same."""

from __future__ import annotations

import re
from typing import Final, get_args

import pytest

from scripts.project import ROOT
from supervisor import Ladder, Rung
from supervisor._core.ladder import DUPLICATE_SECONDS, TABLE, Trigger
from supervisor._core.settings import parse_signals
from supervisor._supervisor.process_end import FORCED

# How a page says what the next signal does, and the rung to which the code's table then leads.
_NEXT: Final = {"cancels": Rung.CANCEL, "abandons": Rung.ABANDON, "ends the process": Rung.EXIT}


@pytest.fixture(params=["README.md", "docs/guide/stops.md"])
def rows(request: pytest.FixtureRequest) -> dict[Rung, list[str]]:
    """Return the cells of a page's table, by rung: what happens, seconds, signals, the next one."""
    return _rows(request.param, "rung")


def test_each_rung_has_a_row(rows: dict[Rung, list[str]]) -> None:
    """They stand in the order in which a stop climbs them."""
    assert list(rows) == [rung for rung in Rung if rung is not Rung.RUNNING]


def test_the_seconds_are_the_defaults(rows: dict[Rung, list[str]]) -> None:
    """A rung without a limit of time has none in the table either."""
    assert {rung: float(cells[1] or 0) for rung, cells in rows.items()} == {
        rung: Ladder().seconds(rung) for rung in rows
    }


def test_each_signal_enters_at_its_rung(rows: dict[Rung, list[str]]) -> None:
    """The signals are those of a program at a terminal; the one that needs it says so."""
    entries = {
        name: rung for rung, cells in rows.items() for name in re.findall(r"SIG[A-Z]+", cells[2])
    }
    at_terminal = parse_signals(None, stdin_is_tty=True)
    assert entries == {number.name: rung for number, rung in at_terminal.items()}
    needs = {number.name for number in at_terminal.keys() - parse_signals(None, stdin_is_tty=False)}
    said = re.findall(
        r"(SIG[A-Z]+) where stdin is a terminal", " ".join(map("".join, rows.values()))
    )
    assert set(said) == needs


def test_the_next_signal_leads_where_the_rules_lead(rows: dict[Rung, list[str]]) -> None:
    """The last column is the column `signal` of the table in code."""
    found = {rung: _NEXT[cells[3]] for rung, cells in rows.items() if cells[3]}
    assert found == {rung: TABLE[rung]["signal"] for rung in rows if "signal" in TABLE[rung]}


def test_a_forced_end_has_its_status(rows: dict[Rung, list[str]]) -> None:
    """The status is the one with which the supervisor ends a process."""
    assert rows[Rung.EXIT][0].endswith(f"status {FORCED}")


def test_the_design_has_the_rules() -> None:
    """A cell is empty where the code's table has no entry, and names no other rung than it."""
    rows = _rows("docs/design.md", "from")
    assert list(rows) == [rung for rung in Rung if TABLE[rung]]
    for rung, cells in rows.items():
        for trigger, cell in zip(get_args(Trigger), cells, strict=True):
            leads_to = TABLE[rung].get(trigger)
            assert bool(cell) == (leads_to is not None), (rung, trigger)
            named = re.findall(r"\b[A-Z]{4,}\b", cell)
            assert not leads_to or set(named) <= {leads_to.name}, (rung, trigger)


def test_the_numbers_in_the_design_are_those_of_the_code() -> None:
    """The default seconds, and the time within which a signal counts once."""
    text = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    ladder = Ladder()
    order = " < ".join(rung.name for rung in Rung)
    seconds = f"{ladder.drain:g}, {ladder.cancel:g} and {ladder.abandon:g} seconds by default"
    assert f"{order}, with {seconds}." in text
    assert f"- The same signal within {DUPLICATE_SECONDS:g} s of the last one" in text


def _rows(page: str, first: str) -> dict[Rung, list[str]]:
    """Return the rows of the table whose first column has this name, without that column."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.search(rf"^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert found is not None
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in found[1].splitlines()]
    return {Rung[name]: cells for name, *cells in rows}
