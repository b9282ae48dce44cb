"""What schools were given, beside what a pull of Aeries' requests shows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from aeries_pipeline.course_requests.checks import ARRIVED, answers
from aeries_pipeline.course_requests.reconcile import Arrival, reconcile
from aeries_pipeline_tests.course_requests.test_covers import Office


def imported(office: Office) -> None:
    """Do what a registrar does, then pull."""
    office.run(
        "INSERT INTO raw.course_requests SELECT district, school, student_id, sequence_number, "
        "course_id, '', '' FROM core.course_request_exports WHERE action = 'insert'"
    )
    office.run(f"UPDATE meta.pulls SET started_at = TIMESTAMP '{office.now + timedelta(days=1)}'")


def test_each_request_is_arrived_changed_missing_taken_out_or_extra(tmp_path: Path) -> None:
    office = Office(tmp_path)
    assert reconcile(office.warehouse, "eagle-usd") == []
    office.hand_in("99400001,0608", "99400001,0001", "99400004,0001", "99400004,0630")
    office.settle()
    (before,) = reconcile(office.warehouse, "eagle-usd")
    assert before.counts == {Arrival.NOT_KNOWN: 4, Arrival.EXTRA: 1}
    assert before.share is None
    imported(office)
    (found,) = reconcile(office.warehouse, "eagle-usd")
    assert (found.school, found.year) == (994, 2027)
    assert (found.counts, found.share) == ({Arrival.ARRIVED: 4, Arrival.EXTRA: 1}, 1.0)
    at = 'WHERE "StudentID" = 99400004 AND "CourseID" ='
    office.run(f"UPDATE raw.course_requests SET \"CourseID\" = 'E7' {at} '0630'")
    office.run(f"DELETE FROM raw.course_requests {at} '0001'")
    (found,) = reconcile(office.warehouse, "eagle-usd")
    assert found.counts == {
        Arrival.ARRIVED: 2, Arrival.CHANGED: 1, Arrival.MISSING: 1, Arrival.EXTRA: 1,
    }  # fmt: skip
    assert found.share == 0.5
    # Where the course is gone or the student has left, nobody waits for the request.
    office.run("UPDATE raw.courses SET \"InactiveStatusCode\" = 'I' WHERE \"ID\" = '0001'")
    office.settle()
    (later,) = reconcile(office.warehouse, "eagle-usd")
    assert (later.counts[Arrival.NOT_DUE], later.counts.get(Arrival.MISSING, 0)) == (1, 0)
    office.run("UPDATE raw.courses SET \"InactiveStatusCode\" = '' WHERE \"ID\" = '0001'")
    computed, _ = office.settle()
    (verdict,) = [one for one in answers("eagle-usd", [], computed) if one.name == ARRIVED]
    assert "school 994: 50.0% arrived" in verdict.text
    assert (verdict.numbers["extra"], verdict.numbers["changed_in_aeries"]) == (1, 1)


def test_what_was_withdrawn_is_taken_out_or_still_there(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.hand_in("99400001,0608", "99400001,0001", "99400001,0630")
    office.settle()
    office.hand_in("99400001,0608")
    office.settle()
    imported(office)
    (found,) = reconcile(office.warehouse, "eagle-usd")
    assert found.counts == {Arrival.ARRIVED: 1, Arrival.STILL_THERE: 2, Arrival.EXTRA: 1}
    office.run("DELETE FROM raw.course_requests WHERE \"CourseID\" = '0001'")
    (found,) = reconcile(office.warehouse, "eagle-usd")
    assert (found.counts[Arrival.STILL_THERE], found.counts[Arrival.TAKEN_OUT]) == (1, 1)
    assert found.share == 1.0
