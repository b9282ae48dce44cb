"""The documentation as pages: every page, every link in it, and nothing beside it."""

import re
from pathlib import Path

import pytest
import requests

from aeries_pipeline.settings import Settings
from aeries_pipeline.web.documentation import DOCS, contents, page, picture
from aeries_pipeline.web.serve import pages_beside_the_ui, serving

PAGES = sorted(path.name for path in DOCS.glob("*.md"))
_LINK = re.compile(r'href="([^"]+)"')
_PICTURE = re.compile(r'src="([^"]+)"')


@pytest.mark.parametrize("name", PAGES)
def test_every_link_and_picture_of_a_page_leads_somewhere(name: str) -> None:
    shown = page(name)
    assert shown is not None
    for target in _LINK.findall(shown):
        if target.startswith(("http", "..")) or target == ".":
            continue
        other, _hash, anchor = target.partition("#")
        if other and not other.endswith(".md"):
            assert (DOCS / other).is_file(), f"{name} leads to {target}"
            continue
        there = page(other) if other else shown
        assert there is not None, f"{name} leads to {target}"
        assert not anchor or f'id="{anchor}"' in there, f"{name} leads to {target}"
    for target in _PICTURE.findall(shown):
        assert picture(target.removeprefix("images/")) is not None, f"{name} shows {target}"


def test_tables_are_tables_and_tags_are_text(tmp_path: Path) -> None:
    (tmp_path / "one.md").write_text(
        "# One\n\n## A `b` & c!\n\n| x | y |\n|---|---|\n| <script>1</script> | 2 |\n"
    )
    shown = page("one.md", tmp_path)
    assert shown is not None
    assert "<td>&lt;script&gt;1&lt;/script&gt;</td>" in shown
    assert '<h2 id="a-b-amp-c">' in shown
    assert "<title>One</title>" in shown
    assert '<a href="one.md">One</a>' in contents(tmp_path)


@pytest.mark.parametrize(
    "name", ["../README.md", "none.md", "generate.py", "/etc/passwd", "..%2FREADME.md", "a/b.md"]
)
def test_nothing_but_pages_is_served(name: str) -> None:
    assert page(name) is None


def test_the_ui_has_documentation_and_the_operators_page_beside_it(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "districts.yaml", tmp_path)
    with serving(pages_beside_the_ui(settings)) as address:
        assert requests.get(f"{address}/operator.html", timeout=9).status_code == 404
        (tmp_path / "operator.html").write_text("<p>Districts</p>")
        assert requests.get(f"{address}/operator.html", timeout=9).text == "<p>Districts</p>"
        assert "Accounts" in requests.get(f"{address}/docs/accounts.md", timeout=9).text
        listed = requests.get(f"{address}/docs/", timeout=9).text
        assert all(f'href="{name}"' in listed for name in PAGES)
        shown = requests.get(f"{address}/docs/images/preview.png", timeout=9)
        assert shown.headers["content-type"] == "image/png"
        for name in ("docs/generate.py", "docs/..%2fREADME.md", "docs/images/..%2f..%2fREADME.md"):
            assert requests.get(f"{address}/{name}", timeout=9).status_code == 404
