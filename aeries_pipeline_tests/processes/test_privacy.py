"""Neither the certificate nor a student's value leaves the places meant for it."""

from pathlib import Path

import pytest

from aeries_pipeline_tests.conftest import CERTIFICATE, World
from aeries_pipeline_tests.course_requests.test_pipeline import put
from aeries_pipeline_tests.processes.test_command_line import call

NAME = "Zzyzxmarker"
MAY_HOLD_STUDENTS = {"warehouses", "landing", "out", "inbox", "published", "backups"}


def files_that_hold(root: Path, text: str) -> set[str]:
    needle = text.encode()
    return {
        path.relative_to(root).parts[0]
        for path in root.rglob("*")
        if path.is_file() and needle in path.read_bytes()
    }


@pytest.mark.long
def test_marker_values_stay_where_they_may_be(world: World) -> None:
    for rows in world.site.district.rows.values():
        for row in rows:
            row.person.last = NAME
    world.write_roster(resources=["contacts"])
    shown = call(world, "sync", "eagle-usd").output
    # Everything that makes messages: bad rows, a fault of each type, a refusal, a bad certificate.
    for fault in (
        {"kind": "bad_value", "field": "Grade", "share": 0.5},
        {"kind": "bad_value", "field": "Birthdate", "share": 0.03},
        {"kind": "half"},
        {"kind": "html"},
        {"kind": "truncated", "times": 1},
        {"kind": "status", "status": 401},
        {"kind": "add_field", "field": "PronounCode"},
    ):
        world.faults({**fault, "path": "schools/994/students$"})
        shown += call(world, "sync", "eagle-usd", "--school", "994").output
    world.faults()
    student = world.site.district.rows[994][0].person.id
    for number, content in enumerate(
        (
            f"StudentID,CourseID,Name\n{student},0315,{NAME}\n{NAME},0315,x\n{student},{NAME},x\n",
            f"StudentID,CourseID\n{student},0315,{NAME}\n",
            f"{NAME},{student}\n1,2\n",
            f'StudentID,CourseID\n"{NAME},1\n',
        )
    ):
        put(world, content, f"{NAME}-{number}.csv")
        shown += call(world, "requests", "export", "eagle-usd").output
    assert world.warehouse.rows("SELECT count(*) FROM core.course_requests") == [(3,)]
    for words in (
        ["backup"],
        ["backup", "--list"],
        ["publish"],
        ["prune"],
        ["status"],
        ["accounts", "review", "eagle-usd"],
        ["sql", "--published", "SELECT count(*) FROM analytics.student_names"],
        ["forget", "eagle-usd", "--student", str(student), "--yes", "--reason", "for a test"],
    ):
        shown += call(world, *words).output
    with world.warehouse.open() as connection:
        # What makes a publication fail quotes nothing of the rows either.
        connection.execute("ALTER TABLE raw.students RENAME TO hidden")
        connection.execute("CREATE TABLE raw.students AS FROM raw.hidden")
        connection.execute('ALTER TABLE raw.students ALTER "Grade" TYPE VARCHAR USING "LastName"')
    shown += call(world, "publish", "--again").output
    assert "could not be made" in shown
    with world.warehouse.open() as connection:
        connection.execute("DROP TABLE raw.students")
        connection.execute("ALTER TABLE raw.hidden RENAME TO students")
    assert call(world, "publish").exit_code == 0
    shown += call(
        world, "forget", "eagle-usd", "--student", str(student), "--yes", "--although-listed",
        "--reason", "for a test",
    ).output  # fmt: skip
    assert "nothing more is found" in shown
    assert NAME not in shown
    assert CERTIFICATE not in shown
    data = world.settings.data
    assert files_that_hold(data, CERTIFICATE) == set()
    held = files_that_hold(data, NAME)
    assert "landing" in held, "the search itself works"
    assert held <= MAY_HOLD_STUDENTS
    assert files_that_hold(data / "dagster", str(student)) == set()
    open_to_others = [
        path for path in data.rglob("*")
        if not path.is_symlink() and path.stat().st_mode & 0o077 and path.suffix != ".lock"
    ]  # fmt: skip
    assert open_to_others == []
