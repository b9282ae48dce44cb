"""Pulling good districts: everything the emulator has is in the warehouse."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.emulator.serve import serving
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.emulator.site import XELLO_GRANT
from aeries_pipeline.emulator.switches import Switches
from aeries_pipeline.ingest.landing import keep_newest
from aeries_pipeline.ingest.progress import Progress
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.ingest.session import DistrictBusyError, PullOptions
from aeries_pipeline_tests.conftest import CERTIFICATE, FAST, KEEPS_LANDING, World
from aeries_pipeline_tests.emulator.test_emulator import PATHS


def pull_all(world: World) -> None:
    with world.session() as session:
        for resource in RESOURCES.values():
            pull_resource(session, resource, world.schools)


def test_every_row_of_every_resource_arrives(make_world) -> None:
    world = make_world(schools=4, students=700)
    pull_all(world)
    assert world.warehouse.rows("SELECT DISTINCT status FROM meta.pulls") == [("complete",)]
    for name, resource in RESOURCES.items():
        served = 0
        schools = world.schools if resource.grain == "school" else [0]
        paths = [PATHS[name].replace("994", str(school)) for school in schools]
        for path in [f"codes/{part}" for part in resource.parts] or paths:
            rows = json.loads(world.site.answer(path, {}, CERTIFICATE).body)
            nested = resource.nested
            served += sum(len(row[nested]) for row in rows) if nested else len(rows)
        stored = world.warehouse.rows(f'SELECT count(*) FROM raw."{name}"')
        assert stored == [(served,)], name
        ledger = world.warehouse.rows("SELECT sum(rows) FROM meta.pulls WHERE resource = ?", [name])
        assert ledger == [(served,)], name
        assert world.warehouse.rows(f'SELECT count(*) FROM quarantine."{name}"') == [(0,)]


@pytest.mark.skipif(not KEEPS_LANDING, reason="no answer stays on the disk of a worker")
def test_pages_land_as_received(make_world) -> None:
    world = make_world(students=900)
    with world.session() as session:
        pull_resource(session, RESOURCES["students"], [994])
    folder = world.settings.landing / "eagle-usd" / "students" / "994" / session.pull_id
    pages = sorted(folder.iterdir())
    assert len(pages) == 2
    whole = world.site.answer("schools/994/students", {}, CERTIFICATE).body
    landed = [row for page in pages for row in json.loads(page.read_text(encoding="utf-8"))]
    assert landed == json.loads(whole)
    assert all(page.stat().st_mode & 0o077 == 0 for page in pages)


def test_a_district_without_schools_yet_has_nothing_of_its_schools(world: World) -> None:
    with world.session() as session:
        assert pull_resource(session, RESOURCES["students"], []) == []
        assert len(pull_resource(session, RESOURCES["schools"], [])) == 1


def test_the_ledger_row_tells_the_whole_story(world: World) -> None:
    with world.session(replace(FAST, run_id="run-1", outside_window="first load")) as session:
        pull_resource(session, RESOURCES["students"], [994])
    (row,) = world.warehouse.dicts("FROM meta.pulls")
    assert row["district"] == "eagle-usd"
    assert (row["school"], row["resource"], row["status"]) == (994, "students", "complete")
    assert row["database_year"] == "2026-2027"
    assert row["server_version"] == "9.26.10.14"
    assert row["pull_window"] == "any time"
    assert row["outside_window_reason"] == "first load"
    assert row["run_id"] == "run-1"
    assert row["bytes"] > 1000
    assert (row["pages"], row["requests"], row["retries"]) == (1, 2, 0)
    assert len(row["schema_hash"]) == 12
    assert row["started_at"] <= row["finished_at"]


@pytest.mark.parametrize(
    "switches",
    [
        Switches(transcript_paging="record"),
        Switches(empty_transcript="absent"),
        Switches(school_shape="list", student_by_id="all_rows"),
        Switches(blank_is_space=True, early_warning_as_text=True, null_dates_as_year_one=True),
        Switches(max_page=50),
    ],
    ids=lambda switches: ",".join(sorted(switches.model_fields_set)),
)
def test_disputed_behaviours_load_the_same_rows(make_world, switches: Switches) -> None:
    world = make_world(students=240, switches=switches)
    pull_all(world)
    assert world.warehouse.rows("SELECT DISTINCT status FROM meta.pulls") == [("complete",)]
    rows = sum(len(world.site.district.rows[school]) for school in world.schools)
    assert world.warehouse.rows("SELECT count(*) FROM raw.students") == [(rows,)]
    current = sum(len(schools) for schools in world.site.district.truth().values())
    assert world.warehouse.rows(
        "SELECT count(*) FROM raw.students WHERE \"InactiveStatusCode\" = ''"
    ) == [(current,)]


@pytest.mark.parametrize(
    "switches",
    [Switches(hides_every=97), Switches(hides_every=97, max_page=120), Switches(max_page=150)],
    ids=lambda switches: ",".join(sorted(switches.model_fields_set)),
)
def test_every_record_arrives_from_servers_that_hide_some_and_cap_pages(
    make_world, switches: Switches
) -> None:
    """Seen: one hidden record of the first page cost everybody behind it."""
    world = make_world(schools=1, students=1150, switches=switches)
    (school,) = world.schools
    every = switches.hides_every
    rows = world.site.district.rows[school]
    shown = [row for number, row in enumerate(rows, 1) if not every or number % every]
    assert len(rows) > 1000
    for name in ("students", "transcripts", "graduation_status"):
        (result,) = pull_resource(world.session(), RESOURCES[name], world.schools)
        world.close()
        assert result.pull.status == "complete", result.pull.reason
    stored = world.warehouse.rows('SELECT "StudentID" FROM raw.students')
    assert {student for (student,) in stored} == {row.person.id for row in shown}
    assert len(stored) == len(shown), "each once"
    for name in ("transcripts", "graduation_status"):
        found = world.warehouse.rows(f'SELECT max("StudentID") FROM raw.{name}')
        last = max(row.person.id for row in shown if row.grade >= 9)
        assert found == [(last,)], "behind the hidden ones, too"


def test_the_concurrency_of_the_roster_is_kept_at_the_server(make_world) -> None:
    world = make_world(schools=8, students=80, roster={"max_concurrent_requests": 3})
    world.faults({"kind": "latency", "seconds": 0.05})
    with world.session() as session:
        pull_resource(session, RESOURCES["students"], world.schools)
    assert 1 < world.emulator.most_running <= 3


def test_the_rate_of_the_roster_is_kept_at_the_server(make_world) -> None:
    world = make_world(schools=6, students=60, roster={"max_requests_per_second": 20})
    with world.session() as session:
        pull_resource(session, RESOURCES["terms"], world.schools)
    times = sorted(visit.at for visit in world.emulator.log)
    assert times[-1] - times[0] >= (len(times) - 2) / 20


def test_a_permission_that_is_missing_is_a_state_and_no_failure(make_world) -> None:
    world = make_world(areas=XELLO_GRANT, roster={"resources": ["contacts"]})
    with world.session() as session:
        results = pull_resource(session, RESOURCES["contacts"], world.schools)
    assert {str(one.pull.status) for one in results} == {"not_granted"}
    assert "tick Read on 'Contacts' (Student Data)" in results[0].pull.reason


def test_one_district_is_pulled_by_one_process_at_a_time(world: World) -> None:
    with world.session(), pytest.raises(DistrictBusyError, match="eagle-usd: another process"):
        world.session()
    world.session().close()


def test_a_paused_district_is_not_asked(make_world) -> None:
    world = make_world(roster={"paused": True})
    with pytest.raises(ConfigurationError, match="eagle-usd: paused in the roster"):
        world.session()
    assert not world.emulator.log


def test_a_missing_certificate_leaves_the_district_free(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_AERIES_CERT")
    with pytest.raises(ConfigurationError, match="no certificate in the environment variable"):
        world.session()
    monkeypatch.setenv("TEST_AERIES_CERT", CERTIFICATE)
    world.session().close()


def test_nothing_is_sent_outside_the_window(make_world) -> None:
    world = make_world(roster={"pull_window": "weekdays 8pm-2am"})
    noon = replace(FAST, clock=lambda: datetime(2026, 11, 24, 20, 0, tzinfo=UTC))
    with world.session(noon) as session:
        results = pull_resource(session, RESOURCES["students"], world.schools)
    assert {(str(one.pull.status), one.pull.code) for one in results} == {
        ("skipped", "outside_window")
    }
    assert "it opens Tuesday 2026-11-24 20:00 PST" in results[0].pull.reason
    assert not world.emulator.log
    with world.session(replace(noon, outside_window="asked by the district")) as session:
        results = pull_resource(session, RESOURCES["students"], world.schools)
    assert {str(one.pull.status) for one in results} == {"complete"}


def test_progress_is_told_for_each_partition(world: World) -> None:
    told: list[Progress] = []
    with world.session() as session:
        pull_resource(session, RESOURCES["terms"], world.schools, told.append)
    assert len([one for one in told if one.fetched]) == len(world.schools)
    assert len([one for one in told if not one.fetched]) == len(world.schools)


def test_only_the_newest_pulls_stay_on_disk(tmp_path: Path) -> None:
    for second in range(5):
        (tmp_path / f"20261124T00000{second}Z-abcdef").mkdir()
    (tmp_path / "notes").mkdir()
    keep_newest(tmp_path, 2)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "20261124T000003Z-abcdef",
        "20261124T000004Z-abcdef",
        "notes",
    ]


def test_a_byte_order_mark_is_no_obstacle(world: World) -> None:
    answer = world.site.answer
    marked = "\ufeff"

    class Marked(type(world.site)):  # type: ignore[misc]
        def answer(self, *args):
            reply = answer(*args)
            return replace(reply, body=marked + reply.body)

    world.site.__class__ = Marked
    with serving(Emulator({"eagle-usd": world.site})) as url:
        world.write_roster(url=f"{url}/eagle-usd")
        with world.session() as session:
            results = pull_resource(session, RESOURCES["students"], world.schools)
    assert {str(one.pull.status) for one in results} == {"complete"}


def test_a_school_without_students_is_accepted_once_and_then_stops_nobody(world: World) -> None:
    students = RESOURCES["students"]
    empty, *others = world.schools
    world.site.district.rows[empty].clear()

    def found(options: PullOptions = FAST) -> dict[int | None, tuple[str, str]]:
        with world.session(options) as session:
            results = pull_resource(session, students, world.schools)
        return {one.pull.school: (str(one.pull.status), one.pull.code) for one in results}

    first = found()
    assert first[empty] == ("refused", "empty")
    assert {first[school] for school in others} == {("complete", "")}
    assert found()[empty] == ("refused", "empty"), "nobody has looked yet"
    assert found(replace(FAST, accept_shrunken="no students here"))[empty] == ("complete", "")
    # Read whole again, by another release, in another school year: nobody is asked again.
    assert found(replace(FAST, full=True))[empty] == ("complete", "")
    with world.warehouse.open() as connection:
        connection.execute("UPDATE meta.pulls SET reader = 'another release'")
    assert found()[empty] == ("complete", "")
    world.site.forced_year = 2027
    world.write_roster(database_year=2027)
    assert found()[empty] == ("complete", "")
