"""AutoGen's private names are used in the folder `upstream` and nowhere else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import supervisor

_FOLDER = Path(supervisor.__file__).parent / "_autogen"
_MODULES = [path for path in sorted(_FOLDER.rglob("*.py")) if path.parent.name != "upstream"]


def test_all_other_modules_are_checked() -> None:
    """The modules around the folder `upstream` are found, those of `history` too."""
    assert {"run_context.py", "journal.py"} <= {path.name for path in _MODULES}


@pytest.mark.parametrize("path", _MODULES, ids=lambda p: p.relative_to(_FOLDER).as_posix())
def test_no_other_module_touches_a_private_name(path: Path) -> None:
    """Only the folder `upstream` uses attributes, or imports modules, that begin with `_`."""
    tree = ast.parse(path.read_text())
    own = {node.name for node in tree.body if isinstance(node, ast.ClassDef)} | {
        "self",
        "cls",
        "super()",
    }
    touched = [
        f"line {node.lineno}: .{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and _is_private(node.attr)
        and ast.unparse(node.value) not in own
    ]
    imported = [
        f"line {node.lineno}: {node.module}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("autogen")
        and any(map(_is_private, [*(node.module or "").split("."), *(a.name for a in node.names)]))
    ]
    assert not touched + imported


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")
