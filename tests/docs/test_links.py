"""The links of README.md, the pages under docs/ and the other Markdown files of the repository."""

from __future__ import annotations

import pytest

from scripts.docs import links
from scripts.project import ROOT

REPOSITORY = "https://github.com/autogen-supervisor/autogen-supervisor"


@pytest.mark.parametrize("page", links.pages())
def test_each_link_leads_somewhere(page: str) -> None:
    """A link names a file of the repository, and a heading of it, or an https address."""
    text = (ROOT / page).read_text(encoding="utf-8")
    wrong = {
        f"line {link.line}: {problem}"
        for link in links.links(text)
        if (problem := links.problem(page, link.target))
    }
    assert wrong == set()


def test_the_addresses_outside_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m scripts.docs.links` prints each address once, and the pages that have it."""
    links.main()
    lines = capsys.readouterr().out.splitlines()
    assert "https://pgqueuer.readthedocs.io/  docs/guide/fleet.md" in lines
    assert len(lines) == len({line.split()[0] for line in lines})


def test_links_are_found() -> None:
    """Inline links, references, images and HTML count; code does not."""
    text = """[one](a.md) and ![two](b.svg), [`three`](c.md#d 'title')
[four]: e.md
<img src="f.svg">
`[code](no.md)` ``[`code`](no.md)``
```text
[code](no.md)
```
[five](g.md)
"""
    found = [(link.target, link.line) for link in links.links(text)]
    inline = [("a.md", 1), ("b.svg", 1), ("c.md#d", 1)]
    assert found == [*inline, ("e.md", 2), ("f.svg", 3), ("g.md", 8)]


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("design.md", None),
        ("design.md#the-ladder", None),
        ("#words", None),
        ("guide/run.md", None),
        ("../README.md", None),
        ("../examples/", None),
        ("https://example.org/", None),
        ("none.md", "there is no docs/none.md"),
        ("design.md#none", "docs/design.md has no heading for #none"),
        ("../../outside.md", "there is no ../outside.md"),
        ("http://example.org/", "http://example.org/ is no https address"),
        ("https://localhost/", "https://localhost/ is no https address"),
    ],
)
def test_a_link_that_leads_nowhere_is_noticed(target: str, problem: str | None) -> None:
    """What is wrong with a link is told in one line."""
    assert links.problem("docs/design.md", target) == problem


@pytest.mark.parametrize(
    ("source", "target", "on_site"),
    [
        ("docs/guide/run.md", "chat.md", "chat.md"),
        ("docs/guide/run.md", "../design.md#words", "../design.md#words"),
        ("docs/guide/run.md", "#here", "#here"),
        ("docs/guide/run.md", "../../README.md#a", f"{REPOSITORY}/blob/main/README.md#a"),
        ("docs/design.md", "../examples/", f"{REPOSITORY}/tree/main/examples"),
        ("docs/design.md", "../CHANGELOG.md", "changelog.md"),
        ("docs/guide/run.md", "../../CHANGELOG.md", "../changelog.md"),
        ("CHANGELOG.md", "docs/guide/run.md", "guide/run.md"),
        ("CHANGELOG.md", "SECURITY.md#x", "security.md#x"),
        ("docs/design.md", "https://example.org/", "https://example.org/"),
    ],
)
def test_a_link_out_of_the_docs_leads_to_the_repository(
    source: str, target: str, on_site: str
) -> None:
    """A page of the site is linked to as a page, other files by the repository's address."""
    assert links.for_site(source, target) == on_site


def test_a_page_is_rewritten_outside_of_code() -> None:
    """Only targets change, and no code."""
    text = "[a](../LICENSE), ![b](images/ladder.svg)\n`[a](../LICENSE)`\n[c]: ../LICENSE\n"
    address = f"{REPOSITORY}/blob/main/LICENSE"
    expected = f"[a]({address}), ![b](images/ladder.svg)\n`[a](../LICENSE)`\n[c]: {address}\n"
    assert links.rewritten("docs/design.md", text) == expected


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("The ladder", "the-ladder"),
        ("`supervisor.errors`", "supervisorerrors"),
        ("What it costs, and why?", "what-it-costs-and-why"),
        ("a & b", "a--b"),
        ("[Linked](x.md) words", "linked-words"),
        ("With_underscore", "with_underscore"),
    ],
)
def test_an_anchor_is_made_as_github_makes_it(heading: str, anchor: str) -> None:
    """Punctuation goes, spaces become hyphens, and letters small."""
    assert links.slugified(heading) == anchor


def test_equal_headings_are_numbered() -> None:
    """The second of two equal headings has a number; headings in code are none."""
    text = "# A\n## A\n```sh\n# no heading\n```\n<a id='x'></a>\n<a id=\"y\"></a>\n"
    assert links.anchors(text) == {"a", "a-1", "y"}
