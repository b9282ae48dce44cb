"""Forgetting a student or a district: everywhere, proved, and nobody else."""

import errno
from pathlib import Path

import duckdb
import pytest

from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.operations.privacy.erase import NotErasedError, count_district, erase_student
from aeries_pipeline.operations.privacy.forget import NotForgottenError, Wish, forget
from aeries_pipeline.operations.privacy.person import find_person
from aeries_pipeline.operations.privacy.search import search_student
from aeries_pipeline.stores.backup import backups, check_backup, inspect, take_backup
from aeries_pipeline_tests.conftest import MakeWorld, World
from aeries_pipeline_tests.course_requests.test_pipeline import put
from aeries_pipeline_tests.processes.test_command_line import call
from aeries_pipeline_tests.stores.several import copy_district

NAME = "Zzyzxmarker"
MAIL = "zzyzx.marker@students.example.org"


@pytest.fixture
def lived_in(make_world: MakeWorld) -> World:
    """A district with a marked student everywhere: two nights, requests, files, a backup."""
    world = make_world(schools=2, students=60, roster={"resources": ["contacts"]})
    person = somebody(world)
    person.last = NAME
    assert call(world, "sync", "eagle-usd").exit_code == 0
    other = next(one for one in everybody(world) if one.id != person.id)
    put(
        world,
        f"StudentID,CourseID,Name\n{person.id},0315,{NAME}\n{person.id},0001,{NAME}\n"
        f"{other.id},0315,x\n",
        "spring.csv",
    )
    assert call(world, "requests", "export", "eagle-usd").exit_code in {0, 1}
    world.faults(
        {"kind": "bad_value", "field": "Birthdate", "share": 0.03, "path": "schools/994/students$"}
    )
    call(world, "sync", "eagle-usd", "--full")
    world.faults()
    with world.warehouse.open() as connection:
        # A bad row of the student, as of a night on which the birthdate was no date.
        connection.execute(
            "INSERT INTO quarantine.students SELECT 'eagle-usd', 994, 'p', now()::TIMESTAMP, "
            "'Birthdate: not a date', to_json({'StudentID': ?, 'LastName': ?})",
            [person.id, NAME],
        )
    # One of this release, and one of several districts as releases before 0.2 took them.
    for folder in (world.store.backups / "eagle-usd", world.store.backups):
        take_backup(world.warehouse, folder)
    assert call(world, "publish").exit_code == 0
    return world


def everybody(world: World) -> list[object]:
    return [row.person for row in world.site.district.rows[994] if not row.tag]


def somebody(world: World) -> object:
    return everybody(world)[0]


def leave(world: World, student: int) -> None:
    """Take a student out of Aeries, and pull, so that nothing lists the student any more."""
    for rows in world.site.district.rows.values():
        rows[:] = [row for row in rows if row.person.id != student]
    for _night in range(2):
        world.site.clock_offset += 86400
        call(world, "sync", "eagle-usd", "--full")


def holding(root: Path, text: str) -> set[str]:
    needle = text.encode()
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and needle in path.read_bytes()
    }


def test_a_student_is_gone_from_every_file_and_nobody_else_is(lived_in: World) -> None:
    world = lived_in
    student, data = somebody(world).id, world.settings.data
    before = holding(data, NAME)
    assert {name.split("/")[0] for name in before} >= {
        "warehouses", "landing", "out", "inbox", "published", "backups",
    }  # fmt: skip
    leave(world, student)
    others = 'SELECT count(*), sum(hash(t)::HUGEINT) FROM raw.{} t WHERE "StudentID" <> ?'
    tables = ("students", "transcripts", "classes", "contacts")
    kept = {name: world.warehouse.rows(others.format(name), [student]) for name in tables}
    accounts = world.warehouse.rows("SELECT count(*) FROM core.accounts WHERE student_id <> ?",
                                    [student])  # fmt: skip
    counts = world.warehouse.rows("FROM core.enrollment_counts ORDER BY ALL")
    done = call(world, "forget", "eagle-usd", "--student", str(student), "--yes",
                "--reason", "asked for by the district")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "nothing more is found" in done.output
    assert str(student) not in done.output
    assert NAME not in done.output
    assert holding(data, NAME) == set()
    for text in data.rglob("*"):
        if text.is_file() and text.suffix in {".csv", ".txt", ".json", ".sql", ".html"}:
            assert str(student) not in text.read_text("utf-8"), text
    assert {name: world.warehouse.rows(others.format(name), [student]) for name in tables} == kept
    assert world.warehouse.rows("SELECT count(*) FROM core.accounts") == accounts
    assert world.warehouse.rows("FROM core.enrollment_counts ORDER BY ALL") == counts
    audit = world.store.ledger.dicts("FROM meta.forgotten ORDER BY status DESC")
    assert [one["status"] for one in audit] == ["removed", "proved"]
    assert audit[1]["searched_files"] > 10
    assert audit[0]["rows"] > 5
    assert str(student) not in str(audit)
    for path in backups(world.settings.backups):
        check_backup(path)
    # The next night reads everything that an unchanged answer might hide, and works.
    assert call(world, "sync", "eagle-usd").exit_code == 0
    assert holding(data, NAME) == set()


@pytest.mark.long
def test_a_new_delivery_without_the_student_is_made(lived_in: World) -> None:
    world = lived_in
    student = somebody(world).id
    place = world.settings.out / "eagle-usd" / "xello"
    leave(world, student)
    before = sorted(one.name for one in place.iterdir())
    forget(
        world.settings,
        load_roster(world.settings.roster),
        Wish("eagle-usd", "privacy officer", "contract", student),
    )
    assert sorted(one.name for one in place.iterdir()) == before, "rewritten in place"
    assert call(world, "sync", "eagle-usd").exit_code == 0
    assert len(list(place.iterdir())) == len(before) + 1, "and Xello gets a new one"


def test_a_student_whom_aeries_lists_is_forgotten_on_request_alone(lived_in: World) -> None:
    student = str(somebody(lived_in).id)
    held = inspect(lived_in.warehouse.path)[1]
    words = ["forget", "eagle-usd", "--student", student, "--yes", "--reason", "a reason"]
    refused = call(lived_in, *words)
    assert refused.exit_code == 1
    assert "Aeries still lists this student" in refused.output
    assert inspect(lived_in.warehouse.path)[1] == held
    assert call(lived_in, *words, "--although-listed").exit_code == 0
    gone = lived_in.warehouse.rows('SELECT count(*) FROM raw.students WHERE "StudentID" = ?',
                                   [int(student)])  # fmt: skip
    assert gone == [(0,)]
    # The list is byte for byte the old one; it must not pass for unchanged.
    assert call(lived_in, "sync", "eagle-usd").exit_code == 0
    back = lived_in.warehouse.rows('SELECT count(*) FROM raw.students WHERE "StudentID" = ?',
                                   [int(student)])  # fmt: skip
    assert back == [(1,)]


@pytest.mark.long
def test_a_reason_that_says_of_whom_is_refused(lived_in: World) -> None:
    student = somebody(lived_in).id
    done = call(lived_in, "forget", "eagle-usd", "--student", str(student), "--yes",
                "--although-listed", "--reason", f"parents of {student} asked")  # fmt: skip
    assert done.exit_code == 1
    assert "must not identify the student" in done.output


@pytest.mark.long
def test_a_file_that_waits_in_the_inbox_is_seen_to_first(lived_in: World) -> None:
    student = somebody(lived_in).id
    put(lived_in, f"StudentID,CourseID\n{student},0001\n", "waiting.csv")
    done = call(lived_in, "forget", "eagle-usd", "--student", str(student), "--yes",
                "--although-listed", "--reason", "a reason")  # fmt: skip
    assert done.exit_code == 1
    assert "1 file in the inbox is about this student" in done.output


@pytest.mark.long
def test_the_same_number_in_another_district_is_somebody_else(lived_in: World) -> None:
    world = lived_in
    student = somebody(world).id
    with world.warehouse.open() as connection:
        connection.execute(
            "INSERT INTO core.accounts SELECT * REPLACE ('falcon-usd' AS district) "
            "FROM core.accounts WHERE student_id = ?",
            [student],
        )
    done = call(world, "forget", "eagle-usd", "--student", str(student), "--yes",
                "--although-listed", "--reason", "a reason")  # fmt: skip
    assert done.exit_code == 0, done.output
    found = world.warehouse.rows("SELECT district FROM core.accounts WHERE student_id = ?",
                                 [student])  # fmt: skip
    assert found == [("falcon-usd",)]


@pytest.mark.long
def test_what_a_family_shares_stays_with_the_others(lived_in: World) -> None:
    world = lived_in
    student = somebody(world).id
    assert call(world, "sync", "eagle-usd", "--full").exit_code == 0
    with world.warehouse.open() as connection:
        mine, brother = (
            row[0]
            for row in connection.execute(
                'SELECT "StudentID" FROM raw.students ORDER BY "StudentID" = ? DESC LIMIT 2',
                [student],
            ).fetchall()
        )
        assert mine == student
        for column, value in (
            ("StudentPersonalEmailAddress", "family@example.org"),
            ("NetworkLoginID", "ann of the (1st) year"),
        ):
            connection.execute(
                f'UPDATE raw.students SET "{column}" = ? WHERE "StudentID" = ?', [value, student]
            )
        connection.execute(
            "UPDATE raw.students SET \"ParentEmailAddress\" = 'the.family@example.org' "
            'WHERE "StudentID" = ?',
            [brother],
        )
        connection.execute(
            "INSERT INTO meta.account_decisions (district, why) VALUES ('eagle-usd', ?), "
            "('eagle-usd', 'they moved')",
            [f"the mother of {student} called"],
        )
        person = find_person(connection, "eagle-usd", student)
    assert "family@example.org" not in person.marks
    assert "ann of the (1st) year" in person.marks
    done = call(world, "forget", "eagle-usd", "--student", str(student), "--yes",
                "--although-listed", "--reason", "a reason")  # fmt: skip
    assert done.exit_code == 0, done.output
    kept = world.warehouse.rows(
        'SELECT count(*) FROM raw.students WHERE "StudentID" = ?', [brother]
    )
    assert kept == [(1,)]
    whys = {why for (why,) in world.warehouse.rows("SELECT why FROM meta.account_decisions")}
    assert whys == {"[removed: it named a student who was forgotten]", "they moved"}


@pytest.mark.long
def test_a_search_that_finds_something_says_where(lived_in: World) -> None:
    world = lived_in
    student = somebody(world).id
    with world.warehouse.open() as connection:
        person = find_person(connection, "eagle-usd", student)
    assert str(student) not in repr(person)
    note = world.settings.data / "out" / "eagle-usd" / "note-of-somebody.md"
    note.write_text(f"call home of {student}", encoding="utf-8")
    done = call(world, "forget", "eagle-usd", "--student", str(student), "--yes",
                "--although-listed", "--reason", "a reason")  # fmt: skip
    assert done.exit_code == 1
    assert "still found in out/eagle-usd/note-of-somebody.md" in done.output
    status = world.store.ledger.rows("SELECT status, still_found_in FROM meta.forgotten")
    assert ("remains", ["out/eagle-usd/note-of-somebody.md"]) in status
    note.unlink()
    again = call(world, "forget", "eagle-usd", "--student", str(student), "--yes",
                 "--although-listed", "--reason", "a reason")  # fmt: skip
    assert again.exit_code == 0, again.output
    assert search_student(world.settings, person).places == ()


@pytest.mark.long
def test_a_file_that_cannot_be_written_stays_as_it_is(lived_in: World) -> None:
    world = lived_in
    with world.warehouse.open() as connection:
        person = find_person(connection, "eagle-usd", somebody(world).id)
    path = world.warehouse.path
    before = path.read_bytes()

    def full(_fresh: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(NotErasedError, match="free some disk space"):
        erase_student(path, person, ready=full)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir() if one.name.startswith(".making")] == []


def test_a_district_is_gone_and_the_others_stay(lived_in: World) -> None:
    world = lived_in
    copy_district(world.store, "eagle-usd", "falcon-usd")
    take_backup(world.store.warehouse("falcon-usd"), world.store.backups / "falcon-usd")
    falcon = inspect(world.store.path("falcon-usd"))
    words = ["forget", "eagle-usd", "--yes", "--reason", "the contract has ended"]
    refused = call(world, *words)
    assert refused.exit_code == 1
    assert "set paused: true or take it out" in refused.output
    world.write_roster(paused=True)
    assert call(world, "status").exit_code == 0, "the ledger has answers about it"
    done = call(world, *words)
    assert done.exit_code == 0, done.output
    data = world.settings.data
    for place in ("landing", "out", "inbox", "backups"):
        assert not (data / place / "eagle-usd").exists()
    assert world.store.districts() == ["falcon-usd"]
    assert inspect(world.store.path("falcon-usd")) == falcon
    with duckdb.connect(str(world.settings.published / "aeries.duckdb"), read_only=True) as copy:
        assert copy.execute("SELECT count(*) FROM meta.pulls").fetchall() == [(0,)]
    for path in backups(world.settings.backups):
        if path.parent.name != "falcon-usd":
            assert count_district(path, "eagle-usd") == 0
    held = holding(data, NAME)
    assert {one.split("/")[1] for one in held} <= {"falcon-usd", "falcon-usd.duckdb"}, held
    asked = world.store.ledger.rows("SELECT DISTINCT district FROM meta.answers")
    assert ("eagle-usd",) not in asked
    assert world.store.ledger.rows("SELECT what, status FROM meta.forgotten ORDER BY ALL") == [
        ("district", "proved"), ("district", "removed"),
    ]  # fmt: skip
    shown = call(world, "sql", "SELECT what FROM meta.forgotten WHERE status = 'proved'")
    assert shown.output.split() == ["what", "district"]
    again = call(world, "forget", "eagle-us", "--yes", "--reason", "a name that was mistyped")
    assert again.exit_code == 1
    assert "eagle-us: there is no warehouse of this district" in again.output


def test_nothing_is_forgotten_of_nothing(world: World) -> None:
    with pytest.raises(NotForgottenError, match="there is no warehouse"):
        forget(world.settings, load_roster(world.settings.roster), Wish("eagle-usd", "x", "y", 1))


def test_a_number_that_no_student_has_changes_nothing(lived_in: World) -> None:
    world = lived_in
    files = {
        one: one.read_bytes()
        for place in ("landing", "out", "inbox", "backups", "warehouses")
        for one in (world.settings.data / place).rglob("*")
        if one.is_file()
    }
    # The code of a school stands in every page and line.
    for number in (994, 999_999_999):
        done = call(world, "forget", "eagle-usd", "--student", str(number), "--yes",
                    "--reason", "mistyped")  # fmt: skip
        assert done.exit_code == 1, done.output
        assert "no student has or had this StudentID" in done.output
        assert str(number) not in done.output
    assert {one: one.read_bytes() for one in files} == files


def test_a_student_of_a_refused_answer_alone_is_forgotten(lived_in: World) -> None:
    world = lived_in
    page = world.settings.landing / "eagle-usd" / "994" / "students" / "refused.json"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text('[{"SchoolCode": 994, "StudentID": 777000777}]', encoding="utf-8")
    done = call(world, "forget", "eagle-usd", "--student", "777000777", "--yes",
                "--reason", "asked for by the district")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert not page.exists()


def test_a_damaged_file_of_another_district_stops_no_forgetting(lived_in: World) -> None:
    world = lived_in
    copy_district(world.store, "eagle-usd", "falcon-usd")
    student = somebody(world).id
    leave(world, student)
    theirs = world.store.backups / "falcon-usd" / "warehouse-replaced-20260101T000000Z.duckdb"
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.write_bytes(b"x" * 8192)
    # What lies at the top may be of everybody, and a file that nobody takes for a backup stays.
    everybodys = world.settings.data / "old.duckdb"
    everybodys.write_bytes(b"x" * 8192)
    arguments = ("forget", "eagle-usd", "--student", str(student), "--yes",
                 "--reason", "asked for by the district")  # fmt: skip
    done = call(world, *arguments)
    assert done.exit_code == 1, done.output
    assert "still found in old.duckdb: it cannot be read" in done.output
    assert "backups/falcon-usd" not in done.output
    for path in backups(world.settings.backups):
        if path != theirs:
            check_backup(path)
    everybodys.unlink()
    gone = call(world, "forget", "falcon-usd", "--yes", "--reason", "left us")
    assert gone.exit_code == 0, gone.output
    assert not theirs.exists()


def test_what_was_written_anew_without_a_row_of_the_student_is_still_a_backup(
    lived_in: World,
) -> None:
    world = lived_in
    student = somebody(world).id
    leave(world, student)
    with world.warehouse.open() as connection:
        connection.execute("DELETE FROM raw.students")
    one = take_backup(world.store.ledger, world.store.backups, prefix="ledger-")
    done = call(world, "forget", "eagle-usd", "--student", str(student), "--yes",
                "--reason", "asked for by the district")  # fmt: skip
    assert done.exit_code == 0, done.output
    check_backup(one.path)
