"""The page that a counselor looks at: demand and seats, who asks for too little, what changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from aeries_pipeline.course_requests.sss.preview import CourseLine, Preview, grade_name, html
from aeries_pipeline.course_requests.sss.students import Group
from aeries_pipeline_tests.course_requests.test_covers import Office


def page(*courses: CourseLine, **more: object) -> str:
    return html(Preview("school 994", "2027-2028", courses, {}, {}, **more))


def test_a_grade_that_nobody_knows_is_no_grade() -> None:
    assert [grade_name(one) for one in (None, 0, 9)] == [
        "grade not known", "kindergarten", "grade 9",
    ]  # fmt: skip
    text = page(CourseLine("0608", "Biology", {10: 2, None: 1, 9: 3}, 0))
    heads = [one.split("</th>")[0] for one in text.split('<th class="n">')[1:]]
    assert heads == ["grade 9", "grade 10", "grade not known", "all", "new"]
    assert "grade 0" not in text


def test_demand_is_drawn_beside_the_seats() -> None:
    text = page(
        CourseLine("0608", "Biology", {10: 40}, 3, seats=30, withdrawn=2, unprepared=5),
        CourseLine("0001", "<Art>", {10: 10}, 0, seats=20),
    )
    assert '<div class="demand" style="width:100.0%" title="40 requests"></div>' in text
    assert '<div class="seats" style="width:75.0%" title="30 seats"></div>' in text
    assert '<div class="demand" style="width:25.0%"' in text
    assert text.count('<tr class="full">') == 1
    assert '<th class="n">withdrawn</th>' in text
    assert '<th class="n">without the course before</th>' in text
    assert "@media print" in text
    assert "&lt;Art&gt;" in text
    assert "http" not in text, "nothing from elsewhere"


def test_students_are_counted_by_grade_and_counselor() -> None:
    text = page(groups=[Group(10, 605, 30, 4, 2, 1), Group(None, None, 1, 1, 0, 0)], bounds=(5, 9))
    assert "<th>fewer than 5</th><th>more than 9</th>" in text
    assert '<td>grade 10</td><td>605</td><td class="n">30</td><td class="n">4</td>' in text
    assert "<td>grade not known</td><td>none</td>" in text


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_the_page_of_a_school_tells_what_changed_and_who_lacks_requests(office: Office) -> None:
    settled = office.district.course_requests.model_copy(update={"requests_a_student": (2, 2)})
    office.district = office.district.model_copy(update={"course_requests": settled})
    office.run('ALTER TABLE raw.students ADD COLUMN "CounselorNumber" INTEGER')
    office.run('UPDATE raw.students SET "CounselorNumber" = 605 WHERE "StudentID" = 99400001')
    office.hand_in("99400001,0608", "99400001,0001", "99400001,0630", "99400004,0001")
    office.settle()
    office.hand_in("99400001,0608")
    text = (office.settle()[1].folder / "preview.html").read_text(encoding="utf-8")
    assert '<th class="n">withdrawn</th>' in text
    row = next(one for one in text.split("<tr") if "<td>0630</td>" in one)
    assert '<td class="n">0</td><td class="n"></td><td class="n">1</td>' in row, "withdrawn"
    groups = text.split("Students by grade and counselor")[1].split("<tr><td>")[1:]
    told = {tuple(one.replace("</td>", "").split('<td class="n">')[0].split("<td>")):
            [cell.split("<")[0] for cell in one.split('<td class="n">')[1:]]
            for one in groups}  # fmt: skip
    # One grade 10 student with a single request of two, three others, one of them about to move in.
    assert told["grade 10", "605"] == ["1", "", "1", ""]
    assert told["grade 12", "none"] == ["1", "", "1", ""]
    assert told["grade 11", "none"] == ["1", "1", "", ""]
    assert told["grade 9", "none"] == ["1", "1", "", ""]
