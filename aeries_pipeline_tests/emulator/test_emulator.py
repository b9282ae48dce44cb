"""The emulator is held to the published samples and to the rules of the API."""

import json
import re
import time
from collections import Counter
from datetime import datetime

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.emulator.days import advance
from aeries_pipeline.emulator.district import INACTIVE_SCHOOL, make_district
from aeries_pipeline.emulator.faults import load_faults
from aeries_pipeline.emulator.from_samples import an_address, sample_of
from aeries_pipeline.emulator.serve import Shape, make_site, serving
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.emulator.site import DEMO_CERTIFICATE, XELLO_GRANT, Site
from aeries_pipeline.emulator.switches import Switches
from aeries_pipeline_tests.conftest import CERTIFICATE, World

PATHS = {name: an_address(one, 994, 2026) for name, one in RESOURCES.items()}


@pytest.fixture(scope="module")
def site() -> Site:
    return make_site(Shape(seed=3, schools=3, students=300))


def get(site: Site, path: str, certificate: str | None = DEMO_CERTIFICATE, **query: str):
    reply = site.answer(path, query, certificate)
    return reply.status, json.loads(reply.body)


@pytest.mark.parametrize("name", PATHS)
def test_names_order_and_nesting_are_those_of_the_sample(site: Site, name: str) -> None:
    _, rows = get(site, PATHS[name])
    assert rows
    published = sample_of(name)[0]
    assert shape(rows[0]) == shape(published) or lists_are_empty(rows[0], published)


def shape(row: dict) -> list:
    return [
        (key, shape(value[0]))
        if isinstance(value, list) and value and isinstance(value[0], dict)
        else key
        for key, value in row.items()
    ]


def lists_are_empty(row: dict, other: dict) -> bool:
    """An array that happens to be empty has no shape to compare."""
    return list(row) == list(other)


@pytest.mark.parametrize("name", PATHS)
def test_numbers_and_dates_are_written_as_aeries_writes_them(site: Site, name: str) -> None:
    body = site.answer(PATHS[name], {}, DEMO_CERTIFICATE).body
    for value in re.findall(r'":(-?\d+\.\d+)', body):
        assert re.fullmatch(r"-?\d+\.\d{4}", value)
    for value in re.findall(r'"[A-Za-z]*Date[A-Za-z]*":"([^"]+)"', body):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00", value)


def test_three_rows_in_ten_are_not_current_and_every_status_occurs(site: Site) -> None:
    rows = [row for rows in site.district.rows.values() for row in rows]
    current = [row for row in rows if not row.tag.strip() and row.school != INACTIVE_SCHOOL]
    assert 0.25 < 1 - len(current) / len(rows) < 0.4
    tags = Counter(row.tag for row in rows)
    assert {"", "*", "N", "I", "X"} <= set(tags)


def test_a_pre_enrolled_row_stands_in_the_next_school_with_the_current_grade(site: Site) -> None:
    awaited = [row for row in site.district.rows[994] if row.tag == "*"]
    assert awaited
    assert {row.grade for row in awaited} == {8}
    assert all(row.entered.year == site.district.year + 1 for row in awaited)


def test_some_students_attend_two_schools() -> None:
    district = make_district(seed=1, schools=6, students=2000, year=2026)
    assert any(len(schools) > 1 for schools in district.truth().values())


def test_the_same_seed_makes_the_same_district() -> None:
    one, other = (make_site(Shape(seed=9, schools=3, students=100)) for _ in range(2))
    for path in PATHS.values():
        assert one.answer(path, {}, DEMO_CERTIFICATE) == other.answer(path, {}, DEMO_CERTIFICATE)


def test_paging_counts_from_one_and_includes_both_ends(site: Site) -> None:
    _, whole = get(site, "schools/994/students")
    _, page = get(site, "schools/994/students", StartingRecord="11", EndingRecord="20")
    assert page == whole[10:20]
    _, page = get(site, "schools/994/Transcript", StartingStudent="2", EndingStudent="3")
    assert len(page) == 2
    _, page = get(site, "schools/994/Transcript", StartingRecord="2", EndingRecord="3")
    assert len(page) > 3


def test_certificates_rights_and_open_end_points(site: Site) -> None:
    granted = Site(site.district, {"Xello": XELLO_GRANT})
    assert get(granted, "schools/994/students", "Xello")[0] == 200
    assert get(granted, "schools/994/sections", "Xello")[0] == 401
    assert get(granted, "schools/994/students", "xello")[0] == 401
    assert get(granted, "schools", None)[0] == 401
    assert get(granted, "systeminfo", None)[0] == 200
    strict = Site(site.district, {"Xello": XELLO_GRANT}, Switches(missing_permission=403))
    assert get(strict, "schools/994/sections", "Xello")[0] == 403


def test_a_year_that_is_not_open_silently_answers_with_the_default(site: Site) -> None:
    _, info = get(site, "systeminfo", DatabaseYear="1999")
    assert info["DatabaseYear"] == "2026-2027"
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}[+-]\d\d:\d\d", info["CurrentDateTime"]
    )


def test_unknown_things(site: Site) -> None:
    assert get(site, "schools/555/students") == (200, [])
    assert get(site, "courses/XXXX") == (404, {"Message": "Invalid Course ID"})
    assert get(site, "schools/994/students/1") == (200, [])
    assert get(site, "nothing/here")[0] == 404


def test_switches_for_behaviours_on_which_sources_differ(site: Site) -> None:
    twice = next(row for row in site.district.rows[994] if row.tag == "*")
    both = Site(site.district, switches=Switches(student_by_id="all_rows"))
    path = f"schools/994/students/{twice.person.id}"
    assert len(get(site, path)[1]) == 1
    assert {row["SchoolCode"] for row in get(both, path)[1]} > {994}
    listed = Site(site.district, switches=Switches(school_shape="list"))
    assert isinstance(get(listed, "schools/994")[1], list)
    assert isinstance(get(site, "schools/994")[1], dict)
    old = Site(
        site.district,
        switches=Switches(
            early_warning_as_text=True, null_dates_as_year_one=True, blank_is_space=True
        ),
    )
    row = get(old, "schools/994/students")[1][0]
    assert isinstance(row["AtRiskPoints"], str)
    assert "EarlyWarningPoints" not in row
    capped = Site(site.district, switches=Switches(max_page=50))
    assert len(get(capped, "schools/994/students", StartingRecord="1", EndingRecord="500")[1]) == 50


def test_the_change_feed_names_rows_that_a_day_changed() -> None:
    site = make_site(Shape(seed=4, schools=3, students=400))
    before = datetime.now()
    site.advance(1)
    when = f"{before:%Y/%m/%d/%H/%M}"
    _, keys = get(site, f"StudentDataChanges/student/{when}")
    assert keys
    assert list(keys[0]) == ["StudentID", "SchoolCode", "StudentNumber"]
    assert get(site, "StudentDataChanges/student/2199/1/1/0/0")[1] == []
    assert get(site, "StudentDataChanges/student/2026/13/1/0/0")[0] == 400


def test_the_other_change_feeds_name_courses_and_sections() -> None:
    site = make_site(Shape(seed=4, schools=3, students=400))
    site.advance(9)
    when = "2020/1/1/0/0"
    _, courses = get(site, f"CourseDataChanges/{when}")
    assert courses
    renamed = get(site, f"courses/{courses[0]['ID']}")[1]
    assert renamed["Title"].endswith("+")
    _, rosters = get(site, f"SectionRosterDataChanges/{when}")
    assert rosters
    section = rosters[0]
    path = f"schools/{section['SchoolCode']}/sections/{section['SectionNumber']}/students"
    assert get(site, path)[1]
    assert get(site, f"StaffDataChanges/{when}") == (200, [])
    granted = Site(site.district, {"Xello": XELLO_GRANT})
    assert get(granted, f"SectionDataChanges/{when}", "Xello")[0] == 401


def test_one_student_can_be_asked_for_in_every_way(site: Site) -> None:
    row = site.district.rows[994][0]
    for tail in ("", "/extended"):
        by_id = get(site, f"schools/994/students/{row.person.id}{tail}")[1]
        by_number = get(site, f"schools/994/students/sn/{row.number}{tail}")[1]
        by_grade = get(site, f"schools/994/students/grade/{row.grade}{tail}")[1]
        assert by_number[0] in by_id
        assert by_number[0] in by_grade


@settings(max_examples=15)
@given(seed=st.integers(0, 50), days=st.integers(0, 320))
def test_no_day_loses_a_person_or_gives_a_number_twice(seed: int, days: int) -> None:
    district = make_district(seed=seed, schools=3, students=60, year=2026)
    advance(district, days, datetime(2026, 9, 1))
    for code, rows in district.rows.items():
        numbers = [row.number for row in rows]
        assert len(numbers) == len(set(numbers))
        assert all(row.school == code for row in rows)
    assert district.truth()
    assert district.year == 2026 + (days >= 300)


def test_rollover_moves_everybody_up_and_seniors_out() -> None:
    district = make_district(seed=2, schools=3, students=300, year=2026)
    seniors = {row.person.id for row in district.active() if row.grade == 12}
    grades = {row.person.id: row.grade for row in district.active() if row.grade < 12}
    advance(district, 300, datetime(2027, 6, 30))
    now = {row.person.id: row.grade for row in district.active() if row.school != INACTIVE_SCHOOL}
    stayed = set(grades) & set(now)
    assert len(stayed) > 50
    assert not seniors & set(now)


def test_the_log_shows_each_request_and_no_certificate(world: World) -> None:
    header = {"AERIES-CERT": CERTIFICATE}
    requests.get(f"{world.url}/eagle-usd/api/v5/schools/", headers=header, timeout=5)
    log = requests.get(f"{world.url}/_emulator/log", timeout=5)
    assert [visit["path"] for visit in log.json()["visits"]] == ["api/v5/schools/"]
    assert CERTIFICATE not in log.text


def test_days_and_faults_can_be_set_while_it_runs(world: World) -> None:
    done = requests.post(f"{world.url}/_emulator/advance", json={"days": 2}, timeout=5).json()
    assert done["eagle-usd"]["arrivals"] == 2
    bad = requests.put(f"{world.url}/_emulator/faults", json=[{"kind": "meteor"}], timeout=5)
    assert bad.status_code == 400
    assert bad.json()["Message"].startswith("fault 1: kind: choose from latency, status, reset")
    for body in (b"nothing", b'{"kind": "reset"}', b"[3]"):
        bad = requests.put(f"{world.url}/_emulator/faults", data=body, timeout=5)
        assert bad.status_code == 400
        assert "Input should" not in bad.text
    good = [{"kind": "status", "status": 503, "times": 1}]
    requests.put(f"{world.url}/_emulator/faults", json=good, timeout=5)
    url = f"{world.url}/eagle-usd/api/v5/systeminfo"
    assert [requests.get(url, timeout=5).status_code for _ in range(2)] == [503, 200]
    truth = requests.get(f"{world.url}/_emulator/truth/eagle-usd", timeout=5).json()
    assert len(truth) > 100


def test_a_fault_file_with_a_mistake_is_one_sentence(tmp_path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("faults:\n  - {kind: status, status: 200}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"faults.yaml: fault 1: status: has to be at least 400"):
        load_faults(path)
    with pytest.raises(ValueError, match="cannot be read"):
        load_faults(tmp_path / "none.yaml")


@pytest.mark.long
def test_a_county_starts_in_seconds() -> None:
    started = time.monotonic()
    county = make_site(Shape(seed=1, schools=50, students=50_000))
    with serving(Emulator({"county": county})) as url:
        headers = {"AERIES-CERT": DEMO_CERTIFICATE}
        answer = requests.get(f"{url}/county/api/v5/schools", headers=headers, timeout=30)
    assert len(answer.json()) == 55
    # Generous: it takes about two seconds; a minute would mean it no longer starts in seconds.
    assert time.monotonic() - started < 60
