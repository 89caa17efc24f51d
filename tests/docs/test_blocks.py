"""The fenced blocks of README.md, docs/, the examples and the other pages: none is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.docs.fences import Block, blocks_of
from scripts.docs.links import pages
from scripts.project import ROOT
from supervisor._cli.check import command_line
from tests.docs.blocks import blocks, commands, problems

ALL = list(blocks())


@pytest.mark.parametrize("page", pages())
def test_no_block_of_a_page_is_wrong(page: str, tmp_path: Path) -> None:
    """Each block has a language, and what reads that language takes it."""
    wrong = [
        f"{block}: {problem}"
        for block in ALL
        if block.page == page
        for problem in problems(block, tmp_path)
    ]
    assert wrong == []


def test_a_block_that_does_not_run_says_why() -> None:
    """Each comment that leaves Python blocks out has the reason, which pytest shows."""
    bare = re.compile(r"^<!--+ skip: (?:next|start) *--+>$", re.MULTILINE)
    assert [page for page in pages() if bare.search((ROOT / page).read_text())] == []


def test_a_check_of_our_files_finds_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a page has the reader check files of the repository, nothing is wrong with them."""
    monkeypatch.chdir(ROOT)
    checks = [
        words[2:]
        for block in ALL
        if block.language in ("sh", "console")
        for words in commands(block)
        if words[:2] == ["autogen-supervisor", "check"]
        if words[2:] and all(word.startswith("examples/") for word in words[2:])
    ]
    assert checks
    for words in checks:
        found = command_line.findings(command_line.read(words))
        in_files = [each for each in found if "examples/" in str(each)]
        assert in_files
        assert "problem" not in {each.level for each in in_files}


@pytest.mark.parametrize(
    ("language", "text", "problem"),
    [
        ("", "anything", "the language '' is not checked"),
        ("sh", "autogen-supervisor run team.py:team 'A task' --timeout 60", None),
        ("sh", "autogen-supervisor run team.py:team 'A task' --timout 60", "--timout"),
        ("sh", ".venv/bin/python -m supervisor chat team.py:team  # words", None),
        ("sh", "autogen-supervisor chats team.py:team", "there is no command 'chats'"),
        ("sh", "autogen-supervisor exec -- python app.py", None),
        ("sh", "autogen-supervisor submit app:make 'Task' --store sqlite:///x.db", None),
        ("sh", "autogen-supervisor runs --no-such", "--no-such"),
        ("sh", "autogen-supervisor check \\\n  --josn", "--josn"),
        ("sh", "make test", None),
        ("sh", "A=b make tset | grep 'make none'", "no target 'tset'"),
        ("sh", "frobnicate", "'frobnicate' is no program"),
        ("sh", "git clone <an address> folder", None),
        ("sh", "python examples/none.py", "there is no examples/none.py"),
        ("sh", "python -m examples.fleet.none", "there is no examples/fleet/none"),
        ("sh", "uvicorn examples.web.app:nothing", "has no 'nothing'"),
        ("sh", "pip install 'autogen-supervisor[cli]'", None),
        ("sh", "pip install 'autogen-supervisor[clli]'", "no extra 'clli'"),
        ("console", "$ make test\nmake none\n$ make none", "no target 'none'"),
        ("text", "any words", None),
        ("text", "autogen-supervisor run", "it begins with a command"),
        ("text", "autogen-supervisor run [OPTION ...]", None),
        ("json", '{"a": 1}\n{"b": 2}', None),
        ("json", '{"a": 1', "JSONDecodeError"),
        ("yaml", "a: [1", "ParserError"),
        ("yaml", "services:\n  a:\n    image: x", None),
        ("yaml", "services: 3", "does not know it"),
        ("toml", "a = ", "TOMLDecodeError"),
        ("ini", "[Service]\nExecStart=/usr/bin/python app.py", None),
        ("ini", "a = 1", "MissingSectionHeaderError"),
        ("dockerfile", 'FROM python\nCMD ["python"]', None),
        ("dockerfile", "COMD python", "is no instruction"),
        ("javascript", "const a = (1);", None),
        ("javascript", "const a = (1;", "SyntaxError"),
        ("pycon", ">>> await x\n1", None),
        ("pycon", ">>> await (", "SyntaxError"),
        ("python", "x = (", "SyntaxError"),
    ],
)
def test_what_is_wrong_with_a_block_is_noticed(
    language: str, text: str, problem: str | None, tmp_path: Path
) -> None:
    """Each kind of mistake is told, and what is right passes."""
    found = problems(Block(language, text + "\n", 1), tmp_path)
    if problem is None:
        assert found == []
    else:
        assert [problem in each for each in found] == [True]


def test_blocks_are_found() -> None:
    """Blocks in lists, and with longer fences, are blocks too."""
    text = "a\n```sh\nb\n```\n- c\n\n  ````text\n  ```\n  d\n  ````\n"
    assert list(blocks_of(text)) == [Block("sh", "b\n", 2), Block("text", "```\nd\n", 7)]
