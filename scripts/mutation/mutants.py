"""The mutants of a module: its text, with one small thing changed.

Cosmic Ray's operators change expressions. One operator of our own removes a statement that only has
an effect, which is what most of the code that settles a run consists of. Cosmic Ray would change
each file in place and start pytest anew for each mutant; `trial.py` does neither.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# Not all of Cosmic Ray's: of the twelve that change one arithmetic operator, one is enough.
_CHANGES: Final = (
    *(f"ReplaceComparisonOperator_{change}" for change in (
        "Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE", "GtE_Gt", "GtE_Lt",
        "Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is",
    )),
    *(f"ReplaceBinaryOperator_{change}" for change in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul")),
    "AddNot",
    "ExceptionReplacer",
    "NumberReplacer",
    "RemoveDecorator",
    "ReplaceAndWithOr",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ReplaceFalseWithTrue",
    "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse",
    "ReplaceUnaryOperator_Delete_Not",
    "ZeroIterationForLoop",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change of a module.

    Args:
        file: The module's path.
        where: The function or class with the change; empty for the module itself.
        lines: Those of that function; of the whole module where it is in none.
        line: The line that is changed, as it was.
        becomes: The same line afterwards.
        text: The whole module afterwards.
    """

    file: str
    where: str
    lines: range
    line: str
    becomes: str
    text: str

    def __str__(self) -> str:
        return f"{self.file} {self.where}: {self.line!r} becomes {self.becomes!r}"


def mutants_of(path: Path) -> list[Mutant]:
    """Return the mutants of a module, each once, in the order of their lines."""
    text = path.read_text()
    places, whole = _places(ast.parse(text)), _Place(0, sys.maxsize, "", sys.maxsize)
    found = dict[str, tuple[int, Mutant]]()
    for mutated in (*_expressions(text), *_removals(text)):
        changed = _difference(text, mutated)
        if changed is None or _is_about_types(changed[1]) or not _compiles(mutated):
            continue
        number, line, becomes = changed
        where = max((place for place in places if place.has(number)), default=whole)
        lines = range(where.body, where.last + 1) if where.body <= number else range(sys.maxsize)
        mutant = Mutant(str(path), where.name, lines, line, becomes, mutated)
        found.setdefault(mutated, (number, mutant))
    return [mutant for _, mutant in sorted(found.values(), key=lambda pair: pair[0])]


def _expressions(text: str) -> Iterator[str]:
    plugins: Any = importlib.import_module("cosmic_ray.plugins")
    mutating: Any = importlib.import_module("cosmic_ray.mutating")
    for name in _CHANGES:
        operator = plugins.get_operator(f"core/{name}")()
        occurrence = 0
        while (mutated := mutating.mutate_code(text, operator, occurrence)) is not None:
            yield mutated
            occurrence += 1


def _removals(text: str) -> Iterator[str]:
    """Yield the text without one call, or without one value that is given to an attribute."""
    lines = text.encode().splitlines(keepends=True)
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.stmt) or not _has_only_an_effect(node):
            continue
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        start = lines[first][: node.col_offset]
        # As many lines as before, so that the rest stays where it was.
        gap = b"pass" + lines[last][node.end_col_offset :] + b"\n" * (last - first)
        yield b"".join([*lines[:first], start, gap, *lines[last + 1 :]]).decode()


def _has_only_an_effect(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call | ast.Await)
    if isinstance(node, ast.Delete | ast.AugAssign):
        return True
    return isinstance(node, ast.Assign) and any(
        isinstance(part, ast.Attribute | ast.Subscript)
        for target in node.targets
        for part in ast.walk(target)
    )


def _difference(text: str, mutated: str) -> tuple[int, str, str] | None:
    """Return the number of the first line that differs, and the line before and after."""
    for number, (line, becomes) in enumerate(
        zip(text.splitlines(), mutated.splitlines(), strict=False), 1
    ):
        if line != becomes:
            return number, line.strip(), becomes.strip()
    return None


def _is_about_types(line: str) -> bool:
    """Tell whether a line is a signature or a decorator's arguments, which type checkers watch."""
    return line.startswith(("def ", "async def ", "@dataclass", "*,")) or ", *, " in line


def _compiles(text: str) -> bool:
    try:
        compile(text, "<mutant>", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


@dataclass(frozen=True, order=True)
class _Place:
    """A function or a class; the one that begins last is the innermost."""

    first: int
    last: int
    name: str
    body: int

    def has(self, line: int) -> bool:
        return self.first <= line <= self.last


def _places(node: ast.AST, prefix: str = "") -> list[_Place]:
    found: list[_Place] = []
    for child in ast.iter_child_nodes(node):
        name = prefix
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{prefix}.{child.name}".lstrip(".")
            first = min([child.lineno, *(it.lineno for it in child.decorator_list)])
            last = child.end_lineno or sys.maxsize
            # What runs when it is defined is reached by an import, and so by all tests.
            is_class = isinstance(child, ast.ClassDef)
            body = sys.maxsize if is_class else child.body[0].lineno
            found.append(_Place(first, last, name, body))
        found += _places(child, name)
    return found
