"""Pieces of text become whole lines, and the beginning of one."""

from __future__ import annotations

from supervisor._cli.chat.terminal.lines import Lines


def lines(*pieces: str, columns: int = 10) -> Lines:
    """Return lines that have taken in these pieces."""
    made = Lines(lambda: columns)
    for piece in pieces:
        made.add(piece)
    return made


def test_a_line_is_whole_once_it_has_ended() -> None:
    """Pieces are put together, and what has no end yet stays back."""
    made = lines("on", "e\ntw", "o\nth")
    assert (made.take(), made.unfinished) == ("one\ntwo\n", "th")
    made.add("ree\n")
    assert (made.take(), made.take(), made.unfinished) == ("three\n", "", "")


def test_a_long_beginning_is_broken_at_a_space() -> None:
    """What fills four rows of the terminal becomes a line, without a word cut in two."""
    made = lines("word " * 9)
    assert (made.take(), made.unfinished) == ("word " * 7 + "word\n", "word ")


def test_a_word_that_is_too_long_is_cut_by_cells() -> None:
    """A text without spaces is cut where the rows are full; a CJK character takes two cells."""
    made = lines("漢" * 21)
    assert (made.take(), made.unfinished) == ("漢" * 20 + "\n", "漢")


def test_no_text_passes_through_unparsed() -> None:
    """The two characters between which prompt_toolkit writes text as it is are dropped."""
    assert lines("a\x01\x1b[2J\x02b\n").take() == "a\x1b[2Jb\n"


def test_what_the_program_prints_has_lines_of_its_own() -> None:
    """It does not go into a line of the conversation, which goes on below it."""
    made = lines("Well, ", columns=80)
    made.add("printed\n", is_ours=False)
    made.add("here it is\n")
    made.add("half a line", is_ours=False)
    made.add("the end\n")
    assert made.take() == "Well, \nprinted\nhere it is\nhalf a line\nthe end\n"


def test_a_line_that_was_ended_for_others_is_not_ended_twice() -> None:
    """Where the conversation ends its line after that, there is no empty line."""
    made = lines("Well, ")
    made.add("printed\n", is_ours=False)
    made.add("\nnext\n")
    assert made.take() == "Well, \nprinted\nnext\n"


def test_a_terminal_without_a_width_gets_all_of_it() -> None:
    """One that says that it has no columns gets a character a line, and nothing is lost."""
    assert lines("ab", columns=0).take() == "a\nb\n"
