"""The pages of a district that was pulled: what they say, and that they name no student."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import requests

from aeries_pipeline.web.access import Access
from aeries_pipeline.web.app import application
from aeries_pipeline.web.questions import bars_of, questions
from aeries_pipeline.web.serve import serving
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.orchestration.test_request_assets import courses, lines, sophomores
from aeries_pipeline_tests.processes.test_command_line import call

TOKEN = "correct-horse-battery"
READER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def pulled(world: World) -> World:
    """A district whose files were delivered, with course requests and a school that failed."""
    theirs = world.settings.data.parent / "theirs"
    theirs.mkdir()
    world.write_roster(delivery={"to": "folder", "folder": str(theirs)})
    assert call(world, "sync", "eagle-usd").exit_code == 0
    plan = world.settings.data / "plan.csv"
    pairs = [(sophomores(world)[0].person.id, courses(world)[0]), (999999, "0315")]
    plan.write_text(lines(pairs), encoding="utf-8")
    assert call(world, "requests", "take", "eagle-usd", str(plan)).exit_code == 0
    call(world, "requests", "export", "eagle-usd")
    assert call(world, "publish").exit_code == 0
    world.faults({"kind": "html", "path": "schools/994/gpas"})
    assert call(world, "sync", "eagle-usd").exit_code == 1
    return world


@pytest.fixture
def address(pulled: World) -> Iterator[str]:
    with serving(application(pulled.settings, Access(token=TOKEN))) as found:
        yield found


def read(address: str, page: str) -> str:
    answer = requests.get(address + page, headers=READER, timeout=60)
    assert answer.status_code == 200, (page, answer.text)
    return answer.text


def test_a_districts_morning_is_told_and_no_student_is_named(pulled: World, address: str) -> None:
    before = _files(pulled.settings.data)
    shown = {
        page: read(address, page)
        for page in ("/", "/districts/eagle-usd", "/questions", "/dictionary")
    }
    assert "needs a person" in shown["/"]
    morning = shown["/districts/eagle-usd"]
    assert "a login page came instead of data" in morning
    assert '<td>gpas</td><td class="n">2</td><td class="n">3</td>' in morning
    assert "arrived" in morning
    assert "Of students of no school" in morning
    assert "1 cannot be imported" in morning
    assert read(address, "/districts/eagle-usd/requests/994").startswith("<!DOCTYPE html>")
    assert "students" in shown["/questions"]
    assert 'class="bar"' in shown["/questions"]
    for row in pulled.site.district.rows[994]:
        for value in (str(row.person.id), f"{row.person.first} {row.person.last}"):
            for page, text in shown.items():
                assert value not in text, page
    assert _files(pulled.settings.data) == before, "whoever reads changes nothing"


def test_what_is_not_there_says_so(pulled: World, address: str) -> None:
    for page in (
        "/districts/none", "/districts/..%2F..", "/districts/eagle-usd/requests/1", "/nothing",
        "/districts/none/requests/994", "/style.css/x",
    ):  # fmt: skip
        answer = requests.get(address + page, headers=READER, timeout=9)
        assert answer.status_code == 404, page
        assert ("no such district" in answer.text) == page.startswith("/districts/none"), page
    shutil.rmtree(pulled.settings.published)
    assert "There is no analysts&#39; copy yet." in read(address, "/questions")


def test_a_question_whose_result_names_students_has_no_result(pulled: World) -> None:
    asked = {one.number: one for one in questions(pulled.settings.published / "aeries.duckdb")}
    assert list(asked) == list(range(1, len(asked) + 1))
    assert len(asked) >= 10
    assert "names students" in asked[1].note
    assert "names students" in asked[7].note
    assert asked[2].columns[-1] == "students"
    assert asked[4].bars[0][2].endswith(" percent")
    cells = [cell for one in asked.values() for row in one.rows for cell in row]
    assert not [cell for cell in cells if str(cell).endswith("00:00:00")]
    assert len(asked[2].bars) == len(asked[2].rows) > 0


def test_a_column_of_days_has_no_time_of_day(tmp_path: Path) -> None:
    (tmp_path / "analysts.md").write_text(
        "### 1. When?\n```sql\nSELECT unnest([TIMESTAMP '2026-11-24', NULL]) AS week, 3 AS pulls, "
        "TIMESTAMP '2026-11-24 08:30' AS seen\n```\n"
    )
    with duckdb.connect(str(tmp_path / "copy.duckdb")):
        pass
    (one,) = questions(tmp_path / "copy.duckdb", tmp_path)
    assert [str(cell) for cell in one.rows[0]] == ["2026-11-24", "3", "2026-11-24 08:30:00"]
    assert one.bars[0][0] == "2026-11-24"


def test_bars_are_as_long_as_their_numbers() -> None:
    columns = ("district", "school", "students", "share")
    rows = [("a", 1, 50, 0.5), ("a", 2, 100, 0.1), ("b", 3, None, None)]
    assert bars_of(columns, rows) == [
        ("a, 1", 50.0, "50 students"), ("a, 2", 100.0, "100 students"), ("b, 3", 0.0, "0 students"),
    ]  # fmt: skip
    columns = ("district", "students", "percent")
    assert bars_of(columns, [("a", 50, 25.5), ("b", 9, None)]) == [
        ("a", 25.5, "25.5 percent"), ("b", 0.0, "0 percent"),
    ]  # fmt: skip
    assert bars_of(("name",), [("x",)]) == []
    assert bars_of(columns, []) == []
    assert bars_of(("change",), [(-1,), (2,)]) == [], "a bar cannot be shorter than nothing"


def _files(data: Path) -> dict[str, str]:
    """Return a checksum of each file, but for the answers that the ledger keeps."""
    return {
        str(one.relative_to(data)): hashlib.sha256(one.read_bytes()).hexdigest()
        for one in data.rglob("*")
        if one.is_file() and "ledger" not in one.name and "locks" not in one.parts
    }
