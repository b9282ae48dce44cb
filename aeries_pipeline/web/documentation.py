"""The folder ``docs`` as pages: Markdown rendered, pictures as they are, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt

import aeries_pipeline
from aeries_pipeline.operations.document import document

DOCS = Path(aeries_pipeline.__file__).parent.parent / "docs"
"""Beside the package in a clone; an installed package has none."""

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem;
       padding: 0 1rem; color: #1a1a1a; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border: 1px solid #ddd; }
pre { background: #f5f5f5; padding: .8rem; overflow-x: auto; }
code { background: #f5f5f5; }
img { max-width: 100%; }
"""
_NAME = re.compile(r"[a-z-]+\.md")
_PICTURE = re.compile(r"[a-z-]+\.png")
_HEADING = re.compile(r"<(h[1-6])>(.*?)</\1>")


def page(name: str, folder: Path = DOCS) -> str | None:
    """Return a page as HTML; None where there is none of this name.

    Args:
        name: Such as ``accounts.md``.
        folder: Where the pages are.
    """
    path = folder / name
    if not _NAME.fullmatch(name) or not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    # The pages are ours, and still: what looks like HTML in them is shown as text.
    return document(
        _title(text, name), _STYLE, f'<p><a href=".">All pages</a></p>\n{as_html(text)}'
    )


def as_html(text: str) -> str:
    """Return Markdown as HTML; headings can be linked to."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return _HEADING.sub(_with_anchor, body)


def picture(name: str, folder: Path = DOCS) -> Path | None:
    """Return the file of a picture; None where there is none of this name."""
    path = folder / "images" / name
    return path if _PICTURE.fullmatch(name) and path.is_file() else None


def contents(folder: Path = DOCS) -> str:
    """Return the page that lists all of them."""
    found = sorted(folder.glob("*.md")) if folder.is_dir() else []
    lines = "\n".join(
        f'<li><a href="{path.name}">{_title(path.read_text(encoding="utf-8"), path.name)}</a></li>'
        for path in found
    )
    return document("Documentation", _STYLE, f"<h1>Documentation</h1>\n<ul>\n{lines}\n</ul>\n")


def _title(text: str, name: str) -> str:
    first = text.partition("\n")[0]
    return first.removeprefix("# ") if first.startswith("# ") else name


def _with_anchor(found: re.Match[str]) -> str:
    """Give a heading the name by which links lead to it, made as repositories' sites make it."""
    kind, title = found.groups()
    plain = re.sub(r"<[^>]+>|[^\w\s-]", "", title).strip().lower()
    anchor = re.sub(r"\s", "-", plain)
    return f'<{kind} id="{anchor}">{title}</{kind}>'
