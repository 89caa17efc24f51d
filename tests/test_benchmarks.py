"""The benchmarks: what pages quote of the reference run, its page, and the runner."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.__main__ import QUESTIONS, Run, _ask
from benchmarks._check import FLOORS, contradiction
from benchmarks._page import IMAGES, PAGE, REFERENCE, docstring, page, pictures, renew
from benchmarks._quotes import Quote, disagreement, quotes
from benchmarks._quotes import pages as quoting_pages
from benchmarks._record import Record, digits, figure, read, record, records_of

ROOT = Path(__file__).parent.parent
RUN = read(REFERENCE)
RECORDS = records_of(RUN)
STALE = "run `make bench-page`"

NAME = ("latency", "quiet", "supervised", "asyncio")
ID = "latency/quiet/supervised/asyncio"


def test_the_page_is_made_of_the_reference_run() -> None:
    """docs/benchmarks.md has the figures of benchmarks/reference.json."""
    assert PAGE.read_text() == page(RUN), STALE


def test_the_pictures_are_made_of_the_reference_run() -> None:
    """Each picture of the page is that of the run, and no other one is there."""
    drawn = pictures(RUN)
    assert {path.name for path in IMAGES.glob("bench-*.svg")} == set(drawn), STALE
    for name, picture in drawn.items():
        assert (IMAGES / name).read_text() == picture, f"{name}: {STALE}"


def test_each_quoted_figure_agrees_with_the_reference_run() -> None:
    """A figure with a comment is that of its record, rounded as the page has it."""
    found = quotes(quoting_pages())
    assert found
    assert not [wrong for quote in found if (wrong := disagreement(quote, RECORDS))], STALE


def test_each_script_is_a_question() -> None:
    """`make bench` asks each script, and each one says in its docstring what it measures."""
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py")}
    assert scripts == set(QUESTIONS)
    assert all("\n\n" in docstring(script) for script in scripts)


def _asked() -> Iterator[object]:
    """Yield one question that is cheap, and the others for the soak."""
    for name in QUESTIONS:
        yield name if name == "processes" else pytest.param(name, marks=pytest.mark.soak)


@pytest.mark.process
@pytest.mark.timeout(300)
@pytest.mark.parametrize("question", [*_asked()])
def test_each_question_can_be_asked(tmp_path: Path, question: str) -> None:
    """Each script measures, and its records have the names of those in the reference run."""
    run = Run(tmp_path / "bench.json")
    run.begin()
    assert not _ask(run, question, 280, is_quick=True)
    names = set(records_of(read(run.output)))
    assert names
    assert names <= set(RECORDS)


def test_the_reference_run_is_whole() -> None:
    """It has every question, and none has failed."""
    assert set(RUN["questions"]) == set(QUESTIONS)
    assert not [name for name, how in RUN["questions"].items() if how["error"]]


def test_each_floor_is_of_something() -> None:
    """A floor that no record has would hide a mistake in its name."""
    assert not [floor for floor in FLOORS if not any(name.startswith(floor) for name in RECORDS)]


def test_a_record_has_median_quartiles_and_p99() -> None:
    """They are those of the values, whatever their order."""
    found = record(NAME, [float(value) for value in range(100, 0, -1)])
    assert (found.n, found.median, found.p99) == (100, 50.5, 99.0)
    assert (found.q1, found.q3) == (25.75, 75.25)
    assert found.id == ID


def test_what_never_ended_has_no_figure() -> None:
    """Without a value there is no median, and the figure says so."""
    found = record(NAME, [])
    assert found.median is None
    assert figure(found.median, "s") == "never"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.996, "1.0"), (9.96, "10"), (1234.5, "1,234"), (0.0123, "0.012"), (-2.34, "-2.3")],
)
def test_a_figure_has_two_significant_digits(value: float, text: str) -> None:
    """Rounding may add a digit before the point; none before it is dropped."""
    assert digits(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0018, "1.8 ms"), (2.5e-6, "2.5 µs"), (12.0, "12 s"), (1e-9, "0.0010 µs")],
)
def test_a_figure_is_in_the_scale_that_suits_it(seconds: float, text: str) -> None:
    """Seconds are written as seconds, milliseconds or microseconds."""
    assert figure(seconds, "s") == text


def test_a_count_has_no_digits_behind_the_point() -> None:
    """It is no measurement."""
    assert figure(2.0, "count") == "2"


def _quote(folder: Path, text: str) -> Quote:
    path = folder / "page.md"
    path.write_text(text)
    (found,) = quotes([path])
    return found


def test_a_quote_is_the_figure_before_its_comment(tmp_path: Path) -> None:
    """Its unit belongs to it, other figures of the line do not."""
    found = _quote(tmp_path, f"one\n| 3 s | ends in 1.8 ms<!-- bench: {ID} --> |\n")
    assert (found.text, found.id, found.what, found.line) == ("1.8 ms", ID, "median", 2)
    assert found.value == pytest.approx(0.0018)


def test_a_comment_behind_no_figure_is_refused(tmp_path: Path) -> None:
    """The error names the page and the line."""
    with pytest.raises(ValueError, match=r"page\.md:1: .* directly behind a figure"):
        _quote(tmp_path, f"soon<!-- bench: {ID} -->")


@pytest.mark.parametrize(
    ("text", "agrees"),
    [("1.8 ms", True), ("2 ms", True), ("1.7 ms", False), ("1 ms", False), ("0.0018 s", True)],
)
def test_a_quote_may_be_rounded(tmp_path: Path, text: str, agrees: bool) -> None:
    """With as many digits as the page has."""
    quote = _quote(tmp_path, f"{text}<!-- bench: {ID} -->")
    assert (not disagreement(quote, {ID: record(NAME, [0.00183])})) is agrees


@pytest.mark.parametrize(("seconds", "agrees"), [(0.0133, True), (0.0067, True), (0.014, False)])
def test_a_new_run_may_differ_by_a_third(tmp_path: Path, seconds: float, agrees: bool) -> None:
    """In either direction."""
    quote = _quote(tmp_path, f"10 ms<!-- bench: {ID} -->")
    assert (not contradiction(quote, {ID: record(NAME, [seconds])})) is agrees


@pytest.mark.parametrize("seconds", [0.0012, 0.0004])
def test_a_floor_excuses_small_differences(tmp_path: Path, seconds: float) -> None:
    """Half a millisecond of a signal's way is chance."""
    quote = _quote(tmp_path, f"0.8 ms<!-- bench: {ID} -->")
    assert not contradiction(quote, {ID: record(NAME, [seconds])})


def test_what_is_contradicted_is_named(tmp_path: Path) -> None:
    """The message has the page, the line, what is quoted and what is measured."""
    quote = _quote(tmp_path, f"10 ms<!-- bench: {ID} -->")
    found = contradiction(quote, {ID: record(NAME, [0.002])})
    assert found == f"page.md:1: 10 ms is quoted, 2.0 ms is measured, 0.20 times ({ID})"


def test_what_never_ends_must_not_end(tmp_path: Path) -> None:
    """`@never` is contradicted by any figure, and a figure by none."""
    never = _quote(tmp_path, f"killed after 10 s<!-- bench: {ID}@never -->")
    ends, endless = {ID: record(NAME, [5.0])}, {ID: record(NAME, [])}
    assert contradiction(never, ends)
    assert not contradiction(never, endless)
    assert contradiction(_quote(tmp_path, f"5 s<!-- bench: {ID} -->"), endless)


def test_quoted_words_are_those_of_the_note(tmp_path: Path) -> None:
    """`@note` stands behind a code span."""
    quote = _quote(tmp_path, f"`no time`<!-- bench: {ID}@note -->")
    assert not disagreement(quote, {ID: record(NAME, [], note="there was no time left")})
    assert disagreement(quote, {ID: record(NAME, [], note="status 0")})


def test_quoted_figures_are_renewed(tmp_path: Path) -> None:
    """Each gets its own figure in its own unit; the rest of the page stays."""
    path = tmp_path / "page.md"
    path.write_text(f"a 7 ms<!-- bench: {ID} --> b 0.9 s<!-- bench: {ID}@p99 --> c")
    ours = {"records": [vars(record(NAME, [0.00183, 0.00183, 0.2]))]}
    assert not renew(ours, [path])
    assert path.read_text() == f"a 1.8 ms<!-- bench: {ID} --> b 0.20 s<!-- bench: {ID}@p99 --> c"


def test_a_question_that_fails_loses_nothing_of_others(tmp_path: Path) -> None:
    """What was measured before is in the file, with what went wrong."""
    run = Run(tmp_path / "bench.json")
    run.begin()
    run.add("first", [vars(record(NAME, [0.001]))], seconds=1.0, load="0.0", error="")
    assert _ask(run, "no_such_question", 60, is_quick=True) == "status 1"
    assert _ask(run, "too_late", 0, is_quick=True) == "there was no time left"
    found = json.loads(run.output.read_text())
    assert [Record(**each).id for each in found["records"]] == [ID]
    assert found["questions"]["no_such_question"]["error"] == "status 1"


def test_a_difference_may_be_negative(tmp_path: Path) -> None:
    """A minus belongs to its figure; a hyphen between two figures does not."""
    assert _quote(tmp_path, f"+ -8.8 ms<!-- bench: {ID} -->").text == "-8.8 ms"
    assert _quote(tmp_path, f"1-8.8 ms<!-- bench: {ID} -->").text == "8.8 ms"
