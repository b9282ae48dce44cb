"""From a file in the inbox to the files for Aeries and back, over HTTP and real DuckDB files."""

from __future__ import annotations

import csv
import io
import os
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.course_requests.checks import ARRIVED, answers
from aeries_pipeline.course_requests.compute import Computed, compute
from aeries_pipeline.course_requests.inbox import (
    FAILED,
    PROCESSED,
    drop_in,
    inbox_of,
    refresh_reports,
    take_all,
    waiting_files,
)
from aeries_pipeline.course_requests.intake import Taken
from aeries_pipeline.course_requests.model import Reason, State
from aeries_pipeline.course_requests.sss.deliver import Export, export, write_unplaced
from aeries_pipeline.emulator.district import Row
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline_tests.conftest import FAST, MakeWorld, World

GRANTED = {"resources": ["course_requests", "alternate_course_requests", "sections"]}
WITHOUT = ("schools", "courses", "students")
WITH = (*WITHOUT, "sections", "course_requests", "alternate_course_requests")


def pull(world: World, *names: str, accept: str | None = None) -> None:
    with world.session(replace(FAST, accept_shrunken=accept)) as session:
        for name in names or WITHOUT:
            schools = world.schools if RESOURCES[name].grain == "school" else []
            pull_resource(session, RESOURCES[name], schools)


def put(world: World, text: str | bytes, name: str = "requests.csv") -> Path:
    source = world.settings.data.with_name("handed-in") / f"from-xello-{name}"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(text.encode() if isinstance(text, str) else text)
    return drop_in(inbox_of(world.settings.inbox, "eagle-usd"), source)


def take(world: World) -> tuple[list[Taken], Computed]:
    place = inbox_of(world.settings.inbox, "eagle-usd")
    taken = list(take_all(world.warehouse, world.district, place, datetime.now(UTC)))
    computed = compute(world.warehouse, world.district)
    refresh_reports(world.warehouse, world.district, place, taken)
    return taken, computed


def files(world: World, school: int = 994, moment: datetime | None = None) -> Export:
    return export(world.warehouse, world.district, school, world.settings.out, moment=moment)


def table(found: Export, name: str) -> list[dict[str, str]]:
    text = (found.folder / name).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def sophomores(world: World) -> list[Row]:
    """Ninth graders of the high school, who will be in grade 10 and stay."""
    rows = [row for row in world.site.district.rows[994] if row.grade == 9 and not row.tag.strip()]
    return [row for row in rows if row.next_grade == 10]


def courses(world: World, grade: int = 10) -> list[str]:
    return [
        one.id
        for one in world.site.district.courses
        if one.low <= grade <= one.high and not one.tag and one.area
    ]


def lines(pairs: list[tuple[object, str]]) -> str:
    return "".join(["StudentID,CourseID\r\n", *(f"{who},{what}\r\n" for who, what in pairs)])


def states(world: World) -> Counter[str]:
    rows = world.warehouse.rows("SELECT state, count(*) FROM core.course_requests GROUP BY ALL")
    return Counter(dict(rows))


def test_a_file_becomes_rows_that_name_next_years_record(world: World) -> None:
    pull(world)
    wanted = courses(world)[:3]
    students = sophomores(world)[:4]
    pairs = [(row.person.id, course) for row in students for course in wanted]
    put(world, lines(pairs))
    taken, computed = take(world)
    assert [one.status for one in taken] == ["taken"]
    assert computed.states == {State.READY: 12}
    found = files(world)
    assert found.is_new
    assert found.new == found.whole == 12
    rows = table(found, "SSS.csv")
    assert [(row["SC"], row["SE"], row["TN"]) for row in rows] == [("994", "0", "0")] * 12
    assert {(row["SN"], row["CN"]) for row in rows} == {
        (str(row.number), course) for row in students for course in wanted
    }
    assert {int(row["SQ"]) for row in rows} == {1001, 1002, 1003}
    assert states(world) == {"exported": 12}
    names = {one.name for one in found.folder.iterdir()}
    assert names == {
        "SSS.csv", "sss.sql", "rejects.csv", "preview.html", "manifest.json", "whole",
        "how-to-import.txt",
    }  # fmt: skip
    assert all(one.stat().st_mode & 0o077 == 0 for one in found.folder.rglob("*"))


def test_rerun_changes_nothing(world: World) -> None:
    pull(world)
    put(world, lines([(sophomores(world)[0].person.id, courses(world)[0])]))
    take(world)
    first = files(world)
    before = world.warehouse.rows("SELECT * FROM core.course_requests ORDER BY ALL")
    content = (first.folder / "whole" / "SSS.csv").read_bytes()
    _taken, computed = take(world)
    assert computed.changed == 0
    again = files(world)
    assert not again.is_new
    assert again.folder == first.folder
    assert world.warehouse.rows("SELECT * FROM core.course_requests ORDER BY ALL") == before
    assert (again.folder / "whole" / "SSS.csv").read_bytes() == content


def test_a_delta_holds_only_what_is_new_and_the_whole_everything(world: World) -> None:
    pull(world)
    who = sophomores(world)[0]
    one, two = courses(world)[:2]
    put(world, lines([(who.person.id, one)]))
    take(world)
    files(world)
    put(world, lines([(who.person.id, one), (who.person.id, two)]), "later.csv")
    _taken, computed = take(world)
    assert computed.states == {State.EXPORTED: 1, State.READY: 1, State.REPEATED: 1}
    assert computed.reasons == {}, "what comes again is no failure"
    found = files(world)
    assert [(row["CN"], row["SQ"]) for row in table(found, "SSS.csv")] == [(two, "1002")]
    whole = [(row["CN"], row["SQ"]) for row in table(found, "whole/SSS.csv")]
    assert whole == [(one, "1001"), (two, "1002")]
    assert table(found, "rejects.csv") == []


def test_a_rising_ninth_grader_waits_for_the_row_at_the_high_school(world: World) -> None:
    district = world.site.district
    leaver = next(
        row for row in district.rows[993]
        if row.grade == 8 and not row.tag.strip() and row.next_school == 994
        and not any(other.person.id == row.person.id for other in district.rows[994])
    )  # fmt: skip
    pull(world)
    put(world, lines([(leaver.person.id, courses(world, 9)[0])]))
    _taken, computed = take(world)
    assert computed.reasons == {(State.HELD, Reason.NO_ROW_AT_NEXT_SCHOOL): 1}
    assert table(files(world), "rejects.csv")[0]["State"] == "waiting"
    assert files(world, 993).folder is None
    waiting = district.add_row(
        Row(leaver.person, 994, 0, 8, "*", district.today, next_school=994, next_grade=9)
    )
    district.version += 1
    pull(world, "students")
    _taken, computed = take(world)
    assert computed.states == {State.READY: 1}
    (row,) = table(files(world), "SSS.csv")
    assert (row["SC"], row["SN"]) == ("994", str(waiting.number))
    assert row["SN"] != str(leaver.number) or leaver.number == waiting.number


def test_a_second_enrolment_does_not_decide_where_the_request_goes(
    make_world: MakeWorld,
) -> None:
    world = make_world(schools=4, roster={"accounts": {"secondary_programs": ["2"]}})
    district = world.site.district
    student = sophomores(world)[0]
    other = next(s.code for s in district.real_schools() if s.code not in {994} and s.high == 12)
    district.add_row(Row(student.person, other, 0, 9, "", district.today, next_grade=10))
    district.version += 1
    pull(world)
    with world.warehouse.open() as connection:
        connection.execute(
            "UPDATE raw.students SET \"AttendanceProgramCodePrimary\" = '2', "
            '"NextSchoolCode" = "SchoolCode" WHERE "SchoolCode" = ? AND "StudentID" = ?',
            [other, student.person.id],
        )
    put(world, lines([(student.person.id, courses(world)[0])]))
    take(world)
    assert world.warehouse.rows("SELECT school, student_number FROM core.course_requests") == [
        (994, student.number)
    ]


def test_every_line_of_a_messy_file_ends_somewhere(world: World) -> None:
    pull(world)
    district = world.site.district
    who = sophomores(world)[0].person.id
    good = courses(world)
    senior = next(r for r in district.rows[994] if r.next_grade == 13 and not r.tag.strip())
    retired = next(one.id for one in district.courses if one.tag)
    text = (
        "Student ID|Course Code|Alternate For|School Year\r\n"
        f"{who}|{good[0]}||2027-2028\r\n"
        f"{who}|{good[0]}||\r\n"
        f"{who}|{good[1]}|{good[0]}|\r\n"
        f"{who}|{good[2]}||2025-2026\r\n"
        f"{who}|{retired}||\r\n"
        f"{who}|9999||\r\n"
        f"{who}|||\r\n"
        f"|{good[0]}||\r\n"
        f"O'Brien|{good[0]}||\r\n"
        f"1|{good[0]}||\r\n"
        f"{senior.person.id}|{good[0]}||\r\n"
        f"{who}|=1+1||\r\n"
    )
    put(world, text)
    taken, computed = take(world)
    assert taken[0].rows == computed.received == 12
    assert {reason: n for (_state, reason), n in computed.reasons.items()} == {
        Reason.OTHER_YEAR: 1, Reason.COURSE_INACTIVE: 1,
        Reason.COURSE_UNKNOWN: 1, Reason.COURSE_MISSING: 1, Reason.STUDENT_MISSING: 1,
        Reason.STUDENT_UNREADABLE: 1, Reason.STUDENT_UNKNOWN: 1, Reason.STUDENT_GRADUATES: 1,
        Reason.FORMULA: 1,
    }  # fmt: skip
    found = files(world)
    assert len(table(found, "SSS.csv")) == 1
    assert [row["CN"] for row in table(found, "ACR.csv")] == [good[1]]
    assert table(found, "ACA.csv") == [
        {"SC": "994", "SN": str(sophomores(world)[0].number), "SSS_SQ": "1001", "ACR_SQ": "1001"}
    ]
    assert write_unplaced(world.warehouse, world.district, world.settings.out) == 3
    unplaced = world.settings.out / "eagle-usd" / "sss" / "rejects_without_school.csv"
    assert len(table(found, "rejects.csv")) + unplaced.read_bytes().count(b"\r\n") - 1 == 9
    assert computed.states[State.REPEATED] == 1
    report = next((inbox_of(world.settings.inbox, "eagle-usd") / PROCESSED).glob("*.report.txt"))
    told = report.read_text(encoding="utf-8")
    assert "12 requests were read (UTF-8, pipe)." in told
    assert "line 10: StudentID O'Brien, CourseID" in told
    assert report.stat().st_mode & 0o077 == 0


def test_requests_in_aeries_are_known_and_numbers_follow_theirs(make_world: MakeWorld) -> None:
    world = make_world(roster={**GRANTED, "course_requests": {"first_sequence": 1}})
    pull(world, *WITH)
    ((student, number, course),) = world.warehouse.rows(
        'SELECT "StudentID", max("SequenceNumber"), min("CourseID") FROM raw.course_requests '
        'WHERE "SchoolCode" = 994 AND "StudentID" IN (SELECT unnest(?)) GROUP BY 1 LIMIT 1',
        [[row.person.id for row in sophomores(world)]],
    )
    known = {
        row[0]
        for row in world.warehouse.rows(
            'SELECT "CourseID" FROM raw.course_requests WHERE "StudentID" = ?', [student]
        )
    }
    fresh = next(one for one in courses(world) if one not in known)
    put(world, lines([(student, course), (student, fresh)]))
    _taken, computed = take(world)
    assert computed.states == {State.IN_AERIES: 1, State.READY: 1}
    found = files(world)
    assert [(row["CN"], row["SQ"]) for row in table(found, "SSS.csv")] == [(fresh, str(number + 1))]
    assert "seats this year" in (found.folder / "preview.html").read_text(encoding="utf-8")


def import_sss(world: World, found: Export, *, leave_out: int = 0) -> None:
    """Do what a registrar does: import SSS.csv, but for some rows."""
    district = world.site.district
    people = {row.number: row.person.id for row in district.rows[994]}
    for row in table(found, "SSS.csv")[leave_out:]:
        key = (994, people[int(row["SN"])])
        district.imported.setdefault(key, []).append((int(row["SQ"]), row["CN"]))
    district.version += 1


def test_what_arrived_and_what_did_not_and_made_again_after_blanking(
    make_world: MakeWorld,
) -> None:
    world = make_world(roster={**GRANTED, "course_requests": {"arrival_days": 0}})
    world.site.district.requests_blanked = True
    pull(world, *WITH)
    students = sophomores(world)[:3]
    put(world, lines([(row.person.id, courses(world)[n]) for row in students for n in (0, 1)]))
    take(world)
    found = files(world)
    assert Counter(a for (_s, a), n in take(world)[1].arrivals.items() for _ in range(n)) == {
        "not_known_yet": 6
    }
    import_sss(world, found, leave_out=1)
    changed = world.site.district.imported[(994, students[2].person.id)]
    changed[0] = (changed[0][0], courses(world)[5])
    pull(world, "course_requests")
    computed = take(world)[1]
    assert computed.arrivals == {
        (994, "arrived"): 4, (994, "not_arrived"): 1, (994, "changed_in_aeries"): 1,
    }  # fmt: skip
    verdict = next(one for one in answers("eagle-usd", [], computed) if one.name == ARRIVED)
    assert not verdict.passed
    assert "1 exported request is not in Aeries: school 994 (1)" in verdict.text
    again = files(world)
    assert [row["SQ"] for row in table(again, "whole/SSS.csv")] == ["1001"], "what is missing"
    assert table(again, "SSS.csv") == []
    # Initialize Scheduling blanks the table: the whole file is everything, as it was.
    world.site.district.imported.clear()
    world.site.district.version += 1
    pull(world, "course_requests")
    assert table(files(world), "whole/SSS.csv") == table(again, "whole/SSS.csv"), "not believed"
    pull(world, "course_requests", accept="Initialize Scheduling")
    take(world)
    blanked = files(world)
    assert table(blanked, "whole/SSS.csv") == table(found, "SSS.csv")


def test_who_moves_is_exported_again_at_the_new_school(world: World) -> None:
    pull(world)
    mover = sophomores(world)[0]
    put(world, lines([(mover.person.id, courses(world, 10)[0])]))
    take(world)
    files(world)
    district = world.site.district
    mover.next_school = 993
    district.add_row(
        Row(mover.person, 993, 0, 9, "*", district.today, next_school=993, next_grade=8)
    )
    district.version += 1
    pull(world, "students")
    with world.warehouse.open() as connection:
        connection.execute('UPDATE raw.courses SET "LowGrade" = 1, "HighGrade" = 12')
    mover.next_grade = 8
    pull(world, "students")
    _taken, computed = take(world)
    assert computed.states == {State.READY: 1}
    assert files(world, 993).new == 1
    rows = world.warehouse.rows(
        "SELECT school, sequence_number FROM core.course_request_exports ORDER BY exported_at"
    )
    assert rows == [(994, 1001), (993, 1001)]


def test_the_same_content_is_taken_once(world: World) -> None:
    pull(world)
    text = lines([(sophomores(world)[0].person.id, courses(world)[0])])
    put(world, text)
    put(world, text, "copy.csv")
    taken, computed = take(world)
    assert Counter(one.status for one in taken) == {"taken": 1, "known": 1}
    assert computed.received == 1
    place = inbox_of(world.settings.inbox, "eagle-usd")
    assert len(list((place / PROCESSED).glob("*.csv"))) == 2
    assert waiting_files(place, datetime.now(UTC)) == []


def test_a_broken_file_goes_to_failed_with_its_report_and_is_whole(world: World) -> None:
    pull(world)
    good = lines([(sophomores(world)[0].person.id, courses(world)[0])])
    broken = b"StudentID,CourseID\r\nMarker,0315\r\n2\r\n"
    put(world, broken, "broken.csv")
    put(world, good, "good.csv")
    taken, computed = take(world)
    assert Counter(one.status for one in taken) == {"failed": 1, "taken": 1}
    assert computed.received == 1
    place = inbox_of(world.settings.inbox, "eagle-usd")
    (kept,) = (place / FAILED).glob("*.csv")
    assert kept.read_bytes() == broken
    report = (place / FAILED / f"{kept.name}.report.txt").read_text(encoding="utf-8")
    assert "line 3 has 1 cell" in report
    assert "Marker" not in report
    (verdict,) = [one for one in answers("eagle-usd", taken, computed) if one.serious]
    assert "what failed lies in the inbox's folder failed" in verdict.text
    # Corrected and put in again, it is taken.
    put(world, broken.replace(b"\r\n2\r\n", b"\r\n"), "broken.csv")
    assert [one.status for one in take(world)[0]] == ["taken"]


def test_a_file_that_may_still_grow_is_left_alone(world: World) -> None:
    place = inbox_of(world.settings.inbox, "eagle-usd")
    moment = datetime.now(UTC)
    for name in ("a.csv", "b.csv.part", ".hidden.csv", "~$open.xlsx", "c.csv.filepart"):
        (place / name).write_text("StudentID,CourseID\r\n1,2\r\n", encoding="utf-8")
    assert waiting_files(place, moment) == []
    assert [one.path.name for one in waiting_files(place, moment + timedelta(seconds=30))] == [
        "a.csv"
    ]
    old = time.time() - 60
    os.utime(place / "b.csv.part", (old, old))
    assert waiting_files(place, moment) == []


def test_a_text_that_ends_in_mid_line_waits_longer(world: World) -> None:
    place = inbox_of(world.settings.inbox, "eagle-usd")
    path = place / "stalled.csv"
    path.write_text("CourseID,StudentID\r\n0315,9940", encoding="utf-8")
    moment = datetime.now(UTC)
    for seconds, waits in ((60, True), (1790, True), (1810, False)):
        found = waiting_files(place, moment + timedelta(seconds=seconds))
        assert (found == []) is waits, seconds
    path.write_text("CourseID,StudentID\r\n0315,99400001\r\n", encoding="utf-8")
    assert len(waiting_files(place, datetime.now(UTC) + timedelta(seconds=30))) == 1
    # What the command line hands in is whole, however it ends.
    path.unlink()
    put(world, "StudentID,CourseID\r\n1,0315")
    assert len(waiting_files(place, datetime.now(UTC))) == 1


def test_an_upload_that_went_on_after_it_was_taken_is_not_lost(world: World) -> None:
    pull(world)
    who, wanted = sophomores(world)[0].person.id, courses(world)
    path = put(world, lines([(who, wanted[0])]))
    with path.open("ab") as upload:
        assert [one.rows for one in take(world)[0]] == [1]
        upload.write(f"{who},{wanted[1]}\r\n".encode())
    (moved,) = (path.parent / PROCESSED).glob("*.csv")
    assert waiting_files(path.parent, datetime.now(UTC)) == []
    old = time.time() - 60
    os.utime(moved, (old, old))
    taken, computed = take(world)
    assert [(one.status, one.rows) for one in taken] == [("taken", 2)]
    assert computed.states == {State.READY: 2, State.REPEATED: 1}
    assert computed.reasons == {}
    assert take(world)[0] == []


def test_a_file_that_cannot_be_moved_does_not_hold_up_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull(world)
    put(world, lines([(sophomores(world)[0].person.id, courses(world)[0])]), "a.csv")
    put(world, lines([(sophomores(world)[1].person.id, courses(world)[0])]), "b.csv")
    real = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name == "from-xello-a.csv":
            raise PermissionError(13, "Permission denied")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    taken, computed = take(world)
    assert Counter(one.status for one in taken) == {"stuck": 1, "taken": 1}
    (verdict,) = [one for one in answers("eagle-usd", taken, computed) if one.serious]
    assert "cannot be read or moved (Permission denied); it stays in the inbox" in verdict.text
    assert computed.states == {State.READY: 2}, "kept in the warehouse before it is moved"
    monkeypatch.undo()
    assert [one.status for one in take(world)[0]] == ["known"]


def test_before_any_pull_requests_wait_and_are_not_lost(world: World) -> None:
    put(world, lines([(99400001, "0315")]))
    _taken, computed = take(world)
    assert computed.states == {State.HELD: 1}
    assert files(world).folder is None
    pull(world)
    who = sophomores(world)[0].person.id
    put(world, lines([(who, courses(world)[0])]), "second.csv")
    assert take(world)[1].received == 2


def test_killed_between_folder_and_record_the_same_rows_come_again(world: World) -> None:
    pull(world)
    put(world, lines([(sophomores(world)[0].person.id, courses(world)[0])]))
    take(world)
    first = files(world)
    rows = table(first, "SSS.csv")
    with world.warehouse.open() as connection:
        connection.execute("DELETE FROM core.course_request_exports")
        connection.execute("UPDATE core.course_requests SET state = 'ready'")
    again = files(world, moment=now() + timedelta(seconds=5))
    assert table(again, "SSS.csv") == rows
    assert not first.folder.exists(), "never announced, so it is not left beside the other"


def test_a_full_disk_leaves_neither_folder_nor_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull(world)
    put(world, lines([(sophomores(world)[0].person.id, courses(world)[0])]))
    take(world)
    real = Path.rename

    def full(self: Path, target: Path) -> Path:
        if self.name.startswith(".making"):
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space left"):
        files(world)
    place = world.settings.out / "eagle-usd" / "sss" / "994"
    assert list(place.iterdir()) == []
    assert states(world) == {"ready": 1}
    monkeypatch.undo()
    assert files(world).new == 1


def test_last_years_requests_are_left_as_they_are(world: World) -> None:
    pull(world)
    put(world, lines([(sophomores(world)[0].person.id, courses(world)[0])]))
    take(world)
    files(world)
    with world.warehouse.open() as connection:
        connection.execute("UPDATE meta.pulls SET database_year = '2027-2028'")
    computed = compute(world.warehouse, world.district)
    assert computed.next_year == 2028
    assert computed.received == 0
    assert states(world) == {"exported": 1}
    assert files(world).folder is None


def test_a_workbook_and_a_district_with_its_own_column_names(make_world: MakeWorld) -> None:
    from openpyxl import Workbook

    names = {"student_id": "Kennung", "course_id": "Fach"}
    world = make_world(roster={"course_requests": {"columns": names}})
    pull(world)
    book = Workbook()
    book.active.append(("Kennung", "Fach", "StudentID"))
    book.active.append((sophomores(world)[0].person.id, courses(world)[0], "x"))
    out = io.BytesIO()
    book.save(out)
    put(world, out.getvalue(), "plan.xlsx")
    assert take(world)[1].states == {State.READY: 1}


def test_a_file_of_300_mb_is_refused_without_reading_it_all(world: World) -> None:
    place = inbox_of(world.settings.inbox, "eagle-usd")
    path = place / "huge.csv"
    with path.open("wb") as file:
        file.write(b"StudentID,CourseID\r\n1")
        file.truncate(300 * 2**20)
    old = time.time() - 3600
    os.utime(path, (old, old))
    (found,) = take(world)[0]
    assert found.code == "too_large"
    (kept,) = (place / FAILED).glob("*.csv")
    assert kept.stat().st_size == 300 * 2**20, "whole"
