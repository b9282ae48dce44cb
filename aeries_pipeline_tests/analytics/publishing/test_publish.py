"""What is published, of whom, and how it takes the place of the last copy."""

import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from aeries_pipeline.accounts.compute import compute
from aeries_pipeline.analytics.dictionary import entries, titles
from aeries_pipeline.analytics.publishing.copy import NOTE, read_copy
from aeries_pipeline.analytics.publishing.due import fingerprint, read_state
from aeries_pipeline.analytics.publishing.publish import (
    NothingToPublishError,
    NotPublishedError,
    Published,
    publish,
)
from aeries_pipeline.analytics.registry import COUNTS, VIEWS
from aeries_pipeline.analytics.view import Grain
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.stores.outcomes import new_id, now
from aeries_pipeline_tests.conftest import MakeWorld, World
from aeries_pipeline_tests.course_requests.test_pipeline import put, take

ALL = ["sections", "contacts", "course_requests", "enrollment"]


def pull_all(world: World) -> None:
    session = world.session()
    for resource in RESOURCES.values():
        if world.district.wants(resource):
            pull_resource(session, resource, world.schools)
    session.close()
    compute(world.warehouse, world.district)


def published(world: World) -> Published:
    return publish(world.settings, load_roster(world.settings.roster))


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def full(make_world: MakeWorld) -> World:
    world = make_world(schools=3, students=300, roster={"resources": ALL})
    pull_all(world)
    return world


def test_nothing_is_published_before_the_first_pull(world: World) -> None:
    with pytest.raises(NothingToPublishError, match="pull a district first"):
        published(world)


def test_every_table_and_column_has_a_comment_and_a_place_in_the_dictionary(full: World) -> None:
    done = published(full)
    for name in (*(f"raw.{t.name}" for r in RESOURCES.values() for t in r.tables), *titles()):
        assert name in titles()
    no_comment = rows(
        done.database,
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE comment IS NULL "
        "AND schema_name <> 'counted' UNION ALL SELECT schema_name, view_name FROM duckdb_views() "
        "WHERE NOT internal AND comment IS NULL",
    )
    assert no_comment == []
    bare = rows(
        done.database,
        "SELECT DISTINCT c.schema_name, c.table_name, c.column_name FROM duckdb_columns() c "
        "ANTI JOIN duckdb_views() v ON v.schema_name = 'core' AND v.view_name = c.table_name "
        "WHERE NOT c.internal AND c.comment IS NULL AND c.schema_name <> 'counted'",
    )
    assert bare == []
    in_database = rows(
        done.database,
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE NOT internal AND schema_name <> 'counted' "
        "AND (schema_name, table_name) NOT IN (SELECT ('core', view_name) FROM duckdb_views() "
        "WHERE schema_name = 'core')",
    )
    in_words = [(one.schema_name, one.table_name, one.column_name, one.data_type)
                for one in entries()]  # fmt: skip
    assert sorted(in_database) == sorted(in_words)
    assert len(rows(done.database, "FROM meta.data_dictionary")) == len(in_words)


def test_the_copy_holds_what_the_warehouse_holds_but_for_what_stays_behind(full: World) -> None:
    done = published(full)
    for name in ("raw.students", "raw.transcripts", "core.accounts", "core.account_changes"):
        query = f"SELECT count(*), count(DISTINCT hash(COLUMNS(*)::VARCHAR)) FROM {name}"
        assert rows(done.database, query) == full.warehouse.rows(query)
        assert done.rows[name] > 0
    held = {schema for (schema,) in rows(done.database, "SELECT schema_name FROM duckdb_tables()")}
    assert held == {"raw", "history", "core", "meta", "counted"}
    ledger = rows(done.database, "SELECT column_name FROM duckdb_columns() "
                  "WHERE schema_name = 'meta' AND table_name = 'pulls'")  # fmt: skip
    assert ("answers",) not in ledger
    counted = rows(done.database, "SELECT count(*) FROM raw.students")
    parquet = done.parquet / "raw.students.parquet"
    with duckdb.connect() as connection:
        assert connection.read_parquet(str(parquet)).count("*").fetchall() == counted
    assert {path.name for path in done.parquet.iterdir()} == {f"{n}.parquet" for n in done.rows}


def test_what_a_killed_publication_has_left_is_gone_after_the_next(full: World) -> None:
    first = published(full)
    place = full.settings.published
    half = place / ".making-killed"
    half.mkdir()
    (half / "source.duckdb").write_bytes(b"a copy of the warehouse")
    # Killed between the two renames: complete, and never seen by anybody.
    unseen = place / f".parquet-{new_id(now())}"
    unseen.mkdir()
    second = published(full)
    assert not half.exists()
    assert not unseen.exists()
    kept = {one.name for one in place.glob(".parquet-*")}
    assert kept == {f".parquet-{one.row['publication_id']}" for one in (first, second)}


def test_an_open_reader_keeps_its_copy_and_a_new_one_gets_the_new(full: World) -> None:
    first = published(full)
    parquet = (first.parquet / "core.accounts.parquet" / "eagle-usd.parquet").open("rb")
    with duckdb.connect(str(first.database), read_only=True) as reader:
        query = "SELECT publication_id FROM meta.published"
        assert reader.execute(query).fetchall() == [(first.row["publication_id"],)]
        before = reader.execute("SELECT sum(hash(a::VARCHAR)) FROM core.accounts a").fetchall()
        full.site.advance(3)
        pull_all(full)
        second = published(full)
        after = reader.execute("SELECT sum(hash(a::VARCHAR)) FROM core.accounts a").fetchall()
        assert after == before
        assert reader.execute(query).fetchall() == [(first.row["publication_id"],)]
    # In this process the database of an open path is shared; a new process sees the new one.
    assert rows(second.database, query) == [(second.row["publication_id"],)]
    assert parquet.read(4) == b"PAR1"
    parquet.close()
    versions = [one for one in second.parquet.parent.iterdir() if one.name.startswith(".parquet-")]
    assert len(versions) == 2
    third = published(full)
    kept = {one.name for one in third.parquet.parent.iterdir()}
    assert len(kept) == 6, "two versions, the database, the link, the districts and the note"


def test_what_fails_leaves_the_last_copy_and_says_so(full: World) -> None:
    done = published(full)
    before = (done.database.read_bytes(), sorted(done.parquet.iterdir()))
    (done.database.parent / ".making-left-by-a-kill").mkdir()
    # A table that no view expects: as after a half upgrade by hand.
    with full.warehouse.open() as connection:
        connection.execute('ALTER TABLE raw.students DROP COLUMN "Grade"')
        connection.execute('ALTER TABLE raw.students ADD COLUMN "Grade" VARCHAR')
        connection.execute("UPDATE raw.students SET \"Grade\" = 'Zzyzx'")
    # Without the note beside it nothing of the last copy is kept.
    (done.database.parent / NOTE).unlink()
    with pytest.raises(NotPublishedError, match="the last one is as it was") as caught:
        published(full)
    assert "Zzyzx" not in str(caught.value)
    assert (done.database.read_bytes(), sorted(done.parquet.iterdir())) == before
    assert not [one for one in done.database.parent.iterdir() if one.name.startswith(".making-")]


def test_what_somebody_wrote_into_the_last_copy_does_not_reach_the_next(full: World) -> None:
    done = published(full)
    code = (
        "import sys, os, duckdb; c = duckdb.connect(sys.argv[1]);"
        "c.execute(\"SET checkpoint_threshold = '1TB'\");"
        "c.execute('CREATE TABLE raw.mine AS SELECT 1 AS a'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(done.database)], check=True)
    log = done.database.with_name("aeries.duckdb.wal")
    assert log.exists(), "a log was left, as by a killed program"
    published(full)
    assert not log.exists()
    found = rows(done.database, "SELECT table_name FROM duckdb_tables() WHERE table_name = 'mine'")
    assert found == []


def test_files_are_private_or_the_groups(full: World) -> None:
    place = published(full).database.parent
    modes = {path.stat().st_mode & 0o777 for path in place.rglob("*") if not path.is_symlink()}
    assert modes == {0o600, 0o700}
    roster = load_roster(full.settings.roster)
    shared = roster.model_copy(
        update={"publish": roster.publish.model_copy(update={"readable_by_group": True})}
    )
    publish(full.settings, shared)
    assert place.stat().st_mode & 0o777 == 0o750
    assert (place / "aeries.duckdb").stat().st_mode & 0o777 == 0o640


def test_a_counted_district_has_no_row_of_a_student(make_world: MakeWorld) -> None:
    full = make_world(schools=3, students=300, roster={"resources": ALL})
    for school in full.site.district.rows.values():
        for row in school:
            row.person.last = "Zzyzxmarker"
    pull_all(full)
    put(full, planner(full))
    take(full)
    whole = published(full)
    truth = {view.name: whole.rows[view.full_name] for view in COUNTS}
    assert all(truth.values()), truth
    full.write_roster(resources=ALL, analysts={"access": "counts", "smallest_count": 5})
    done = published(full)
    for name, number in done.rows.items():
        if name.startswith(("raw.", "core.")):
            assert number == 0, name
    for view in VIEWS.values():
        if view.grain is Grain.STUDENT:
            assert done.rows[view.full_name] == 0, view.name
    for name, number in truth.items():
        assert done.rows[f"analytics.{name}"] == number, name
    small = rows(
        done.database,
        "SELECT count(*) FILTER (students < 5), count(*) FILTER (suppressed), "
        "count(*) FILTER (students IS NOT NULL) FROM analytics.enrollment_by_day",
    )[0]
    assert small[0] == 0
    assert small[1] > 0
    assert small[2] > 0
    assert b"Zzyzxmarker" in full.warehouse.path.read_bytes(), "the search itself works"
    files = [one for one in done.database.parent.rglob("*") if one.is_file()]
    assert done.database in files
    assert [one for one in files if one.suffix == ".parquet"]
    assert [one for one in files if b"Zzyzxmarker" in one.read_bytes()] == []
    ledger = rows(done.database, "SELECT DISTINCT district FROM meta.pulls")
    assert ledger == [("eagle-usd",)]


def test_a_district_without_access_is_left_out(full: World) -> None:
    full.write_roster(resources=ALL, analysts={"access": "none"})
    done = published(full)
    held = {name for name, number in done.rows.items() if number}
    assert held == {"meta.published", "meta.data_dictionary"}


def test_a_district_that_left_the_roster_is_left_out(full: World) -> None:
    full.write_roster(id="falcon-usd")
    assert published(full).rows["raw.students"] == 0


def test_the_settings_of_a_copy_are_remembered(full: World) -> None:
    published(full)
    roster = load_roster(full.settings.roster)
    state = read_state(full.store, read_copy(full.settings.published))
    assert state.is_published
    assert state.settings == fingerprint(roster)
    full.write_roster(resources=ALL, analysts={"access": "counts"})
    assert fingerprint(load_roster(full.settings.roster)) != state.settings


def planner(world: World) -> str:
    from aeries_pipeline.emulator.planner import planner_export

    return planner_export(world.site.district)


# The page for analysts.

PAGE = Path(__file__).parents[3] / "docs" / "analysts.md"
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_ten_questions_have_answers_and_four_agree_with_the_books(full: World) -> None:
    put(full, planner(full))
    take(full)
    done = published(full)
    answers = {}
    with duckdb.connect(str(done.database), read_only=True) as copy:
        for query in QUERIES:
            frame = copy.sql(query).df()
            answers[query] = frame
            if "subject = 'English'" not in query:
                assert len(frame) > 0, query
    assert len(QUERIES) == 15, "13 questions, one of them twice, and how to look a column up"
    by_start = {query.split("\n")[0]: frame for query, frame in answers.items()}
    district = full.site.district
    today = by_start["SELECT district, school_name, grade, count(*) AS students"]
    assert today["students"].sum() == len(district.truth())
    # Before the question below is put to the emulator itself.
    visits = list(full.emulator.log)
    juniors = next(frame for query, frame in answers.items() if "c.credits_needed" in query)
    assert set(juniors["student_id"]) == behind_in_english(full)
    day = by_start["SELECT s.student_id, s.period, s.course_id, s.course_title, s.section"]
    assert set(day["student_id"]) <= {row.person.id for rows in district.rows.values()
                                      for row in rows}  # fmt: skip
    nights = by_start[
        "SELECT district, CAST(began AS DATE) AS day, sum(seconds) AS seconds, "
        "sum(requests) AS requests,"
    ]
    ledger = full.warehouse.rows("SELECT min(started_at), max(finished_at) FROM meta.pulls")
    assert nights["seconds"].sum() <= (ledger[0][1] - ledger[0][0]).total_seconds() + 1
    asked = [visit for visit in visits if not visit.path.endswith("systeminfo")]
    assert nights["requests"].sum() == len(asked)


def behind_in_english(world: World) -> set[int]:
    """Reckon it from what the emulated Aeries answers, without any of our SQL."""
    import requests

    found = set()
    for school in world.schools:
        head = {"AERIES-CERT": "Marker0Certificate0Marker0000001"}
        base = f"{world.url}/eagle-usd/api/v5/schools/{school}"
        students = requests.get(f"{base}/students", headers=head, timeout=10).json()
        juniors = {
            one["StudentID"]
            for one in students
            if one["Grade"] == 11 and not one["InactiveStatusCode"].strip()
        }
        summary = requests.get(f"{base}/GraduationStatusSummary", headers=head, timeout=10).json()
        for one in summary:
            for area in one["SubjectAreas"]:
                expected = area["CreditsRequired"] / 2
                if (
                    one["StudentID"] in juniors
                    and area["SubjectAreaDescription"] == "English"
                    and area["CreditsCompleted"] < expected
                ):
                    found.add(one["StudentID"])
    return found


def test_the_notebook_runs(full: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    published(full)
    monkeypatch.setenv("AERIES_DATA_DIR", str(full.settings.data))
    monkeypatch.setenv("MPLBACKEND", "agg")
    book = json.loads(PAGE.with_name("analysts.ipynb").read_text(encoding="utf-8"))
    scope: dict[str, object] = {}
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    for cell in cells:
        exec("".join(cell["source"]), scope)
    shown = [output for cell in cells for output in cell["outputs"]]
    assert len(shown) >= 5, "make notebook-results puts the demo's results in"
    assert any("image/png" in output["data"] for output in shown), "and a chart"
    # No result but those of the emulated districts may ever be kept here.
    kept = json.dumps(shown)
    assert set(re.findall(r"[a-z]+-j?u?u?h?sd", kept)) == {"eagle-usd", "heron-jusd", "osprey-uhsd"}
    scope["copy"].close()
    assert len(cells) >= 5
    assert len(scope["courses"]) > 0
