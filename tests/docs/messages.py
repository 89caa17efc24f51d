"""Every text that the library can show to its user, read out of its source.

A text is what is given to an exception, to a warning, or to what writes on stderr, where that can
be seen in the source: a string, an f-string, a constant of the module, a choice or a sum of those.
What differs each time is `…` in it.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parent.parent.parent / "supervisor"

_ERROR: Final = re.compile(
    r"(Error|Held|Mismatch|Corrupt|NotFound|TooNew|Unavailable|Quarantined|Damaged)$"
)
_WRITERS: Final = frozenset({"write_stderr", "say", "warn", "_note", "_warn", "_tell", "_say"})
_FEWEST: Final = 12  # letters: a text with less says nothing by itself, as "…: …"


@dataclass(frozen=True, order=True)
class Message:
    """A text, and where it is made."""

    text: str
    file: str

    @functools.cached_property
    def core(self) -> str:
        """The longest part of it that is the same each time."""
        return max(self.text.split("…"), key=len).strip(" ;:,.'\"()")


@functools.cache
def modules() -> dict[Path, ast.Module]:
    """Return the source of the package, parsed, by its files."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}


@functools.cache
def all_messages() -> frozenset[Message]:
    """Return them all."""
    return frozenset(
        Message(text, path.relative_to(PACKAGE).as_posix())
        for path, module in modules().items()
        for text in _texts_of(module)
    )


def _texts_of(module: ast.Module) -> Iterator[str]:
    constants = {
        target.id: node.value
        for node in module.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(module):
        for shown in _shown(node):
            for text in _templates(shown, constants):
                if len(re.findall(r"[a-z]", text)) >= _FEWEST and " " in text.strip("… "):
                    yield " ".join(text.removeprefix("supervisor: ").split())


def _shown(node: ast.AST) -> list[ast.expr]:
    """Return what a piece of the source shows to the user."""
    if isinstance(node, ast.FunctionDef) and node.name == "__str__":
        return [
            each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value
        ]
    if not isinstance(node, ast.Call):
        return []
    name = _name(node.func)
    arguments = [*node.args, *(each.value for each in node.keywords if each.arg != "field")]
    if _ERROR.search(name) or name in _WRITERS:
        return arguments
    if name == "write" and re.search(r"stderr|reporter", ast.unparse(node.func)):
        return arguments
    if name == "event":
        return [each.value for each in node.keywords if each.arg == "line"]
    return []


def _name(function: ast.expr) -> str:
    match function:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def _templates(  # noqa: C901, PLR0911 - a case for each kind of expression
    node: ast.expr, constants: dict[str, ast.expr]
) -> list[str]:
    """Return the texts that an expression may have, each with `…` for what differs."""
    match node:
        case ast.Constant(value=str(text)):
            return [re.sub(r"\{\w*(![rs])?\}", "…", text)]
        case ast.JoinedStr(values=parts):
            texts = [""]
            for part in parts:
                ends = _templates(part, constants) if isinstance(part, ast.Constant) else ["…"]
                texts = [text + end for text in texts for end in ends]
            return texts
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            firsts = _templates(left, constants) or ["…"]
            seconds = _templates(right, constants) or ["…"]
            return [first + second for first in firsts for second in seconds]
        case ast.IfExp(body=one, orelse=other):
            return _templates(one, constants) + _templates(other, constants)
        case ast.BoolOp(values=values):
            return [text for value in values for text in _templates(value, constants)]
        case ast.Name(id=name) if name in constants:
            return _templates(constants[name], {})
        case ast.Call(func=ast.Attribute(value=value, attr="format")):
            return _templates(value, constants)
        case ast.Lambda(body=body):
            return _templates(body, constants)
        case ast.Dict(values=values):
            return [text for value in values for text in _templates(value, constants)]
        case ast.Subscript(value=value):
            return _templates(value, constants)
        case _:
            return []
