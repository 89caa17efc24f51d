"""The site that `make docs` builds: it needs nothing from elsewhere, and has every public name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from scripts.docs import links, reference
from scripts.project import ROOT
from tests.test_public import PUBLIC

LIMIT_SECONDS = 300
# What a browser loads by itself, and by which attribute.
LOADED = {
    ("audio", "src"),
    ("iframe", "src"),
    ("img", "src"),
    ("img", "srcset"),
    ("input", "src"),
    ("link", "href"),
    ("script", "src"),
    ("source", "src"),
    ("source", "srcset"),
    ("video", "src"),
}


class Page(HTMLParser):
    """What one page loads, links to, and has anchors for."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag refers to."""
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif (tag, name) in LOADED and value:
                self.loads.append(value)
            elif (tag, name) == ("a", "href") and value:
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Page]:
    """Build the site with warnings as errors; return its pages."""
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed: `make docs`")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        # A proxy at a closed port: nothing can be downloaded.
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "https_proxy": "http://127.0.0.1:9"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {
        path.relative_to(folder).as_posix(): Page(path)
        for path in folder.rglob("*")
        if path.suffix == ".html"
    }


@pytest.mark.soak
@pytest.mark.process
@pytest.mark.timeout(LIMIT_SECONDS)
class TestSite:
    """The built site."""

    def test_it_has_each_page(self, site: dict[str, Page]) -> None:
        """Each file under docs/ is a page of the site."""
        sources = {
            path.relative_to(ROOT / links.DOCS).with_suffix(".html").as_posix()
            for path in (ROOT / links.DOCS).rglob("*.md")
        }
        assert sources <= site.keys()

    def test_it_loads_nothing_from_elsewhere(self, site: dict[str, Page]) -> None:
        """No page refers to a font, a style, a script or an image of another host."""
        outside = {
            load
            for page in site.values()
            for load in page.loads
            if urlsplit(load).netloc or urlsplit(load).scheme not in ("", "data")
        }
        assert outside == set()

    def test_each_link_within_it_leads_somewhere(self, site: dict[str, Page]) -> None:
        """The links of the built pages lead to pages, and to anchors, that are there."""
        wrong = {
            f"{name}: {link}"
            for name, page in site.items()
            if name != "404.html"  # its links are absolute
            for link in page.links
            if not _leads_somewhere(site, name, link)
        }
        assert wrong == set()

    def test_each_public_name_has_an_anchor(self, site: dict[str, Page]) -> None:
        """`supervisor.NAME` of each public module can be linked to on its page."""
        anchors = {anchor for page in site.values() for anchor in page.anchors}
        names = {f"{module.__name__}.{name}" for module in PUBLIC for name in module.__all__}
        assert names - anchors == set()

    def test_each_public_method_has_an_anchor(self, site: dict[str, Page]) -> None:
        """The public members of `Supervisor` and `Run` are described, the inherited ones too."""
        from supervisor import Run, Supervisor

        page = site["reference/supervisor.html"]
        names = {
            f"supervisor.{cls.__name__}.{name}"
            for cls in (Supervisor, Run)
            for name in dir(cls)
            if not name.startswith("_")
        }
        assert names - page.anchors == set()

    def test_each_public_name_has_a_docstring(self) -> None:
        """What the reference shows of a name begins with a sentence; types have one too."""
        griffe = pytest.importorskip("griffe", reason="the extra `docs` is not installed")
        package = griffe.load("supervisor", search_paths=[str(ROOT)], resolve_aliases=True)
        bare = {
            f"{module.__name__}.{name}"
            for module in PUBLIC
            for name in module.__all__
            if name != "__version__"
            if not package[f"{module.__name__}.{name}".removeprefix("supervisor.")].has_docstring
        }
        assert bare == set()


def test_a_page_of_the_reference_is_made_for_each_public_module() -> None:
    """The tables of docs/reference.md give the pages, with one directive for each name."""
    assert set(reference.modules()) == {module.__name__ for module in PUBLIC}
    for module in PUBLIC:
        text = reference.pages()[reference.page_of(module.__name__)]
        described = re.findall(r"^::: (\S+)$", text, re.MULTILINE)
        described += re.findall(r"\{ ?#(\S+) ?\}", text)
        names = [f"{module.__name__}.{name}" for name in module.__all__]
        assert sorted(described) == sorted([module.__name__, *names])


def _leads_somewhere(site: dict[str, Page], page: str, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    path = os.path.normpath(f"{page}/../{unquote(parts.path)}") if parts.path else page
    if path not in site:
        return Path(path).suffix not in ("", ".html")
    fragment = unquote(parts.fragment)
    return not fragment or fragment.startswith("__") or fragment in site[path].anchors
