"""Count what the package is made of, from its source: classes and modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, kw_only=True)
class ModuleSize:
    """A module.

    Args:
        name: Its path below the package, such as `_core/ladder.py`.
        lines: All of its lines, comments and blank ones included.
        docstring: What stands at its top.
    """

    name: str
    lines: int
    docstring: str


@dataclass(frozen=True, kw_only=True)
class ClassSize:
    """A class.

    Args:
        module: The module that it stands in, as `ModuleSize.name`.
        name: Its name; that of a nested class has the outer one's before it.
        methods: Functions of its body: properties, setters and overloads count each.
        attributes: Distinct `self.x` assigned anywhere in it; a dataclass's fields count too.
        docstring: What stands at its top.
    """

    module: str
    name: str
    methods: int
    attributes: int
    docstring: str


def modules(package: Path) -> list[ModuleSize]:
    """Return the modules below a folder."""
    return [
        ModuleSize(
            name=path.relative_to(package).as_posix(),
            lines=len(path.read_text().splitlines()),
            docstring=ast.get_docstring(ast.parse(path.read_text())) or "",
        )
        for path in package.rglob("*.py")
    ]


def classes(package: Path) -> list[ClassSize]:
    """Return the classes below a folder."""
    return [
        _measured(node, name, path.relative_to(package).as_posix())
        for path in package.rglob("*.py")
        for name, node in _classes_in(ast.parse(path.read_text()))
    ]


def _classes_in(tree: ast.AST, outer: str = "") -> Iterator[tuple[str, ast.ClassDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield outer + node.name, node
            yield from _classes_in(node, f"{outer}{node.name}.")
        else:
            yield from _classes_in(node, outer)


def _measured(node: ast.ClassDef, name: str, module: str) -> ClassSize:
    fields = _fields(node) if _is_dataclass(node) else set[str]()
    return ClassSize(
        module=module,
        name=name,
        methods=sum(isinstance(each, _Function) for each in _body(node)),
        attributes=len(fields | set(_assigned(node))),
        docstring=ast.get_docstring(node) or "",
    )


def _body(node: ast.ClassDef) -> Iterator[ast.stmt]:
    """Yield the statements of a class body, also those below an `if TYPE_CHECKING`."""
    for each in node.body:
        if isinstance(each, ast.If):
            yield from (*each.body, *each.orelse)
        else:
            yield each


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(each) for each in node.decorator_list)


def _fields(node: ast.ClassDef) -> set[str]:
    return {
        each.target.id
        for each in _body(node)
        if isinstance(each, ast.AnnAssign)
        and isinstance(each.target, ast.Name)
        and not any(word in ast.unparse(each.annotation) for word in ("ClassVar", "InitVar"))
    }


def _assigned(node: ast.AST) -> Iterator[str]:
    """Yield the names of `self` that are assigned; a nested class has its own."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.ClassDef):
            continue
        if isinstance(each, ast.Attribute) and _is_stored_in_self(each):
            yield each.attr
        yield from _assigned(each)


def _is_stored_in_self(node: ast.Attribute) -> bool:
    is_self = isinstance(node.value, ast.Name) and node.value.id == "self"
    return is_self and isinstance(node.ctx, ast.Store)
