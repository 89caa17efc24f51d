"""What mkdocs is told beside `mkdocs.yml`: the address of the repository, and pages made meanwhile.

`make docs` builds the site.
"""

from __future__ import annotations

import importlib
import logging
from typing import Any, Final

from scripts.docs import links, reference
from scripts.project import ROOT, repository

# mkdocs counts the warnings of loggers below its own, and its strict mode makes them errors.
_LOG: Final = logging.getLogger("mkdocs.hooks.links")


def on_config(config: Any) -> Any:
    """Read the address of the repository from `pyproject.toml`, its one place."""
    config.extra["social"] = [{"icon": "fontawesome/brands/github", "link": repository()}]
    config.watch.extend(str(ROOT / source) for source in links.FROM_THE_ROOT.values())
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are no files under docs/."""
    # By name: type checkers run where the site's generator is not installed, too.
    File: Any = importlib.import_module("mkdocs.structure.files").File  # noqa: N806 - a class
    for page, source in links.FROM_THE_ROOT.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page.removeprefix(f"{links.DOCS}/"), content=text))
    for page, text in reference.pages().items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Have the links out of docs/ lead to the repository, and warn of those that lead nowhere."""
    if page.file.src_uri in reference.pages():
        return markdown
    place = f"{links.DOCS}/{page.file.src_uri}"
    source = links.FROM_THE_ROOT.get(place, place)
    for link in links.links(markdown):
        if wrong := links.problem(source, link.target):
            _LOG.warning("%s:%d: %s", source, link.line, wrong)
    return links.rewritten(source, markdown)
