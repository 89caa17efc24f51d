"""The links of the project's Markdown: where each leads, and whether that exists.

The pages link relatively, so that they work on a forge and in an editor. On the site a link that
leaves `docs/` would lead nowhere: `for_site` turns it into one to the repository, whose address is
in `[project.urls]` of `pyproject.toml`. `problem` checks a link without a network.
`scripts/docs/hooks.py` and the tests use both. Nobody asks the addresses outside: to list them,

    python -m scripts.docs.links

Anchors are made from headings as GitHub makes them. `mkdocs.yml` has the site make the same ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from posixpath import normpath, relpath
from typing import Final
from urllib.parse import unquote, urlsplit

from scripts.docs.fences import blocks_of
from scripts.project import ROOT, repository

DOCS: Final = "docs"
# Pages of the site that are files of the root.
FROM_THE_ROOT: Final = {
    f"{DOCS}/{name.lower()}": name
    for name in ("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md")
}

_PAGES: Final = ("*.md", "docs/**/*.md", "examples/**/*.md", "tests/*.md", ".github/**/*.md")
_INLINE_CODE: Final = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_TARGET: Final = re.compile(
    r"\]\(\s*<?(?P<inline>[^)\s>]+)>?[^)]*\)|^ *\[[^\]]+\]:\s+(?P<reference>\S+)"
)
_ATTRIBUTE: Final = re.compile(r"\b(?:src|srcset|href)=\"(?P<attribute>[^\"]+)\"")
_HEADING: Final = re.compile(r"#{1,6} +(?P<text>.+?)(?: +#+)? *$")
_HTML_ANCHOR: Final = re.compile(r"<a (?:id|name)=\"(?P<anchor>[^\"]+)\"")


@dataclass(frozen=True, slots=True)
class Link:
    """A link in a page: its target as written, and the line that it is on."""

    target: str
    line: int

    @property
    def is_external(self) -> bool:
        """Whether it leads out of the project."""
        return bool(urlsplit(self.target).scheme)


def pages() -> list[str]:
    """Return the Markdown files of the repository, as paths from the root."""
    return sorted(
        path.relative_to(ROOT).as_posix() for pattern in _PAGES for path in ROOT.glob(pattern)
    )


def links(text: str) -> Iterator[Link]:
    """Yield the links and images of a page, except those that are code."""
    for number, line in enumerate(_without_code(text), 1):
        for found in (*_TARGET.finditer(line), *_ATTRIBUTE.finditer(line)):
            target = next(value for value in found.groupdict().values() if value)
            yield Link(target, number)


def problem(source: str, target: str) -> str | None:
    """Return what is wrong with a link, or None.

    Args:
        source: The page, as a path from the root with slashes.
        target: The link's target, as written.
    """
    path, fragment = _resolved(source, target)
    if path is None:
        return _problem_outside(target)
    if path.startswith("..") or not (ROOT / path).exists():
        return f"there is no {path}"
    if fragment and path.endswith(".md") and fragment not in anchors(_text(path)):
        return f"{path} has no heading for #{fragment}"
    return None


def for_site(source: str, target: str) -> str:
    """Return the target that a link has on the site.

    Args:
        source: The file that has the link, as a path from the root with slashes.
        target: The link's target, as written.
    """
    path, fragment = _resolved(source, target)
    if path is None or (path == source and fragment):
        return target
    behind = f"#{fragment}" if fragment else ""
    page = {file: page for page, file in FROM_THE_ROOT.items()}
    place = page.get(path, path)
    if place.startswith(f"{DOCS}/") and (ROOT / path).is_file():
        return relpath(place, page.get(source, source) + "/..") + behind
    kind = "tree" if (ROOT / path).is_dir() else "blob"
    return f"{repository()}/{kind}/main/{path}{behind}"


def rewritten(source: str, text: str) -> str:
    """Return a page with the targets that its links have on the site."""
    lines = text.splitlines(keepends=True)
    for number, searched in enumerate(_without_code(text)):
        line = lines[number]
        for found in reversed([*_TARGET.finditer(searched)]):
            start, end = found.span("inline" if found["inline"] else "reference")
            line = line[:start] + for_site(source, line[start:end]) + line[end:]
        lines[number] = line
    return "".join(lines)


@cache
def anchors(text: str) -> frozenset[str]:
    """Return the anchors of a page: those of its headings, and those written as HTML."""
    found: list[str] = []
    for line in _without_fences(text):
        found += [match["anchor"] for match in _HTML_ANCHOR.finditer(line)]
        if heading := _HEADING.match(line):
            slug = slugified(heading["text"])
            before = sum(
                re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other) is not None for other in found
            )
            found.append(f"{slug}-{before}" if before else slug)
    return frozenset(found)


def slugified(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    kept = re.sub(r"[^\w\- ]", "", text.lower())
    return kept.strip().replace(" ", "-")


def _resolved(source: str, target: str) -> tuple[str | None, str]:
    """Return the file that a link leads to, from the root, and its fragment; None: no file."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return None, parts.fragment
    if not parts.path:
        return source, parts.fragment
    return normpath(f"{source}/../{unquote(parts.path)}"), unquote(parts.fragment)


def _problem_outside(target: str) -> str | None:
    parts = urlsplit(target)
    if parts.scheme == "mailto" and "@" in parts.path:
        return None
    if parts.scheme != "https" or "." not in parts.netloc or parts.netloc != parts.netloc.lower():
        return f"{target} is no https address"
    return None


def _without_code(text: str) -> Iterator[str]:
    """Yield each line with spaces in the place of what is code."""
    for line in _without_fences(text):
        yield _INLINE_CODE.sub(lambda code: " " * len(code[0]), line)


def _without_fences(text: str) -> Iterator[str]:
    """Yield each line, those of fenced blocks empty."""
    code = {number for block in blocks_of(text) for number in block.lines}
    for number, line in enumerate(text.splitlines(), 1):
        yield "" if number in code else line


@cache
def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def main() -> None:
    """Print each address outside, with the pages that lead to it."""
    found: dict[str, list[str]] = {}
    for page in pages():
        for target in dict.fromkeys(link.target for link in links(_text(page)) if link.is_external):
            found.setdefault(target, []).append(page)
    for target in sorted(found):
        print(target, *found[target], sep="  ")


if __name__ == "__main__":
    main()
