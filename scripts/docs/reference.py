"""The site's pages of the public modules: one directive for each public name.

The names and their order come from the tables of `docs/reference.md`, which a test compares with
the code. The pages are made while the site is built: nobody has to keep them, and a forge shows no
directives. mkdocstrings puts the docstring and the signature in the place of each directive.
"""

from __future__ import annotations

import re
from typing import Final

from scripts.docs.links import DOCS
from scripts.project import ROOT

SOURCE: Final = f"{DOCS}/reference.md"
FOLDER: Final = "reference"
# Classes of the first module that have tables of their own there.
_CLASSES: Final = ("Supervisor", "Run")
# Made by the supervisor, never by a user.
_NOT_MADE_BY_USERS: Final = ("Run", "Runs", "SupervisedToken")
# The names and values of their members say what they are.
_WITH_BARE_MEMBERS: Final = ("HostSettings", "Way")
_SECTION: Final = re.compile(
    r"^## `(?P<name>[\w.]+)`\n(?P<body>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL
)
_ROW: Final = re.compile(r"^\| `(?P<name>\w+)[^`]*` \|", re.MULTILINE)


def modules() -> dict[str, list[str]]:
    """Return the public names of each public module, in the order of the reference."""
    text = (ROOT / SOURCE).read_text(encoding="utf-8")
    return {
        section["name"]: _ROW.findall(section["body"])
        for section in _SECTION.finditer(text)
        if section["name"] not in _CLASSES
    }


def pages() -> dict[str, str]:
    """Return the pages: their paths in the docs, and their Markdown."""
    return {page_of(module): _page(module, names) for module, names in modules().items()}


def page_of(module: str) -> str:
    """Return the path of a module's page."""
    return f"{FOLDER}/{module}.md"


def _page(module: str, names: list[str]) -> str:
    every = modules()
    parts = [f"# {module}", _directive(module, "members: []", "show_root_heading: false")]
    elsewhere: list[str] = []
    for name in names:
        target = _target_elsewhere(module, name, every)
        if target is not None:
            elsewhere.append(f"- [`{name}`]({target}){{ #{module}.{name} }}")
        elif name in _NOT_MADE_BY_USERS:
            parts.append(_directive(f"{module}.{name}", "merge_init_into_class: false"))
        elif name in _WITH_BARE_MEMBERS:
            parts.append(_directive(f"{module}.{name}", "show_if_no_docstring: true"))
        else:
            parts.append(_directive(f"{module}.{name}"))
    if elsewhere:
        parts += ["## Described on their own pages", "\n".join(elsewhere)]
    return "\n\n".join(parts) + "\n"


def _target_elsewhere(module: str, name: str, every: dict[str, list[str]]) -> str | None:
    """Return where a name of the package is described, if that is another module's page."""
    if module != "supervisor":
        return None
    if f"{module}.{name}" in every:
        return f"{module}.{name}.md"
    other = next((other for other in every if other != module and name in every[other]), None)
    return other and f"{other}.md#{other}.{name}"


def _directive(path: str, *options: str) -> str:
    lines = [f"::: {path}", *(["    options:"] if options else [])]
    return "\n".join([*lines, *(f"      {option}" for option in options)])
