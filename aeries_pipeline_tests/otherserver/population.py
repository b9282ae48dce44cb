"""What the second server has: the samples, grown to two small schools.

``population`` is the truth; ``dressed`` writes one record of it as a server of certain
readings does.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from aeries_pipeline import catalog
from aeries_pipeline.catalog.registry import FIRST, RESOURCES
from aeries_pipeline.catalog.resource import Grain, Resource
from aeries_pipeline_tests.otherserver.readings import Readings

SAMPLES = Path(catalog.__file__).parent / "samples"
SCHOOL, SECOND = 994, 993
PARTNER = 81
"""A school of another district, which no list of schools has."""
BOTH = 99400001
"""A student of both schools."""
NAMES = ("Abbott", "Ávila", "O\u2019Neil", "Peña", "Quiñones", "Nguyễn", "van der Meer", "Zhào 🙂")

Row = dict[str, Any]
Records = dict[tuple[str, int | None], list[Row]]

TABLE_NAMES = {
    "NCESSchoolID": "NCESSchoolIID",
    "SchoolWebsite": "School Website",
    "ServiceIDCode": "ServiceID",
    "MeetsAlgebraIRequirement": "MeetsAlgebraRequirement",
    "NCLBCoreCode": "NCLBBoreCode",
    "RecordSourceCode": "RecordSource",
    "PreKSchoolTypeCode": "PreKSchoolType",
    "ProgramEvaluationTypeCode": "ProgramEvaluationCode",
    "TrackHolidays": "TrackHoliday",
}
"""Names of the field tables, where the payloads have others."""
OLD_NAMES = {
    "EarlyWarningPoints": "AtRiskPoints",
    "CorrespondenceLanguageCode": "CorrespondanceLanguageCode",
}
"""Names of captures of 2020."""
HIDDEN = ("ParentEmailAddress", "LockerNumber", "NetworkLoginID")
"""Fields that the rights of the certificate hide."""
ABSENT = ("StudentPersonalEmailAddress", "GraduationCohort", "PortalAccountID")
"""Fields that older versions do not have at all."""
UNHEARD = {"PronounCode": "they", "HousingDetail": {"Kind": "D", "Since": [2019]}}
"""Fields that nobody has heard of."""


LATER = [one for name, one in RESOURCES.items() if name not in FIRST]
"""Resources that came after this server was written: it has their samples and no more."""


def sample(name: str) -> list[Row]:
    """Return the records of a sample."""
    data = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return data if isinstance(data, list) else [data]


def _is_by_student(resource: Resource) -> bool:
    of_students = any(field.name == "StudentID" for field in resource.fields)
    return of_students and resource.grain is Grain.SCHOOL


def population() -> Records:
    """Return every record that the server has, by resource and school."""
    found: Records = {
        ("schools", None): _schools(),
        ("codes", None): sample("codes"),
        ("courses", None): _numbered("courses", "ID", ["0001", "A/P 1", "ART+2", "Ñ 12"]),
        ("staff", None): _numbered("staff", "ID", [994605, 994606, 994607]),
        **{(one.name, None): sample(one.name) for one in LATER if one.grain is Grain.DISTRICT},
    }
    for code, size in ((SCHOOL, 13), (SECOND, 5)):
        people = [BOTH, *(code * 100_000 + 2 + at for at in range(size - 1))]
        # A list may come in any order, as by the students' names.
        people.sort(key=lambda student: NAMES[student % len(NAMES)])
        for name in (
            "students",
            "students_extended",
            "gpas",
            "classes",
            "graduation_status",
            "contacts",
            "programs",
            "enrollment",
            "course_requests",
            "alternate_course_requests",
            *(one.name for one in LATER if _is_by_student(one)),
        ):
            found[name, code] = _people(name, code, people)
        for one in LATER:
            if one.grain is Grain.SCHOOL and not _is_by_student(one):
                found[one.name, code] = _of(code, sample(one.name))
        found["transcripts", code] = _transcripts(code, people)
        found["terms", code] = sample("terms")
        found["calendar", code] = _of(code, sample("calendar"))
        found["absence_codes", code] = _of(code, sample("absence_codes"))
        found["graduation_requirements", code] = _of(code, sample("graduation_requirements"))
        found["sections", code] = _of(code, _numbered("sections", "SectionNumber", [100, 101]))
    for at, section in enumerate(found["sections", SCHOOL], 1):
        # A school with a flexible schedule names period and calendar by number, too.
        section |= {"FlexPeriodSequenceNumber": at, "ClassCalendarSequenceNumber": 7 - at}
    # The second school has nobody in a program, and one request for a course.
    found["programs", SECOND] = []
    del found["alternate_course_requests", SECOND][1:]
    return found


def _schools() -> list[Row]:
    school = sample("schools")[0]
    district = {"SchoolCode": 0, "Name": "District", "Terms": [], "DoNotReport": True}
    return [
        deepcopy(school) | {"SchoolCode": SCHOOL, "ScheduleType": "Flex"},
        deepcopy(school) | {"SchoolCode": SECOND, "ScheduleType": "MasterSchedule"},
        deepcopy(school) | district,
        deepcopy(school) | {"SchoolCode": 999, "InactiveStatusCode": "I", "Terms": []},
    ]


def _of(code: int, rows: list[Row]) -> list[Row]:
    return [row | {"SchoolCode": code} for row in rows]


def _people(name: str, code: int, people: list[int]) -> list[Row]:
    """Return the records of a sample once for each student."""
    rows: list[Row] = []
    for number, student in enumerate(people, 1):
        for row in deepcopy(sample(name)):
            row |= {"StudentID": student, "SchoolCode": code}
            if "StudentNumber" in row:
                row["StudentNumber"] = number
            if "LastName" in row and "FirstNameAlias" in row:
                row |= {"LastName": NAMES[student % len(NAMES)], "Grade": number % 7 + 6}
            for alternate in row.get("AlternateCourseRequests") or ():
                alternate |= {"StudentID": student, "SchoolCode": code}
            rows.append(row)
    return rows


def _transcripts(code: int, people: list[int]) -> list[Row]:
    """Return transcripts, of which two are empty; that of a student of both schools is in both."""
    rows = _people("transcripts", code, people)
    for row in rows:
        for line in row["CourseGrades"]:
            line["CreditAttempted"], line["CreditCompleted"] = 5.0, row["StudentID"] % 7 / 4
    taught = [row for row in rows if row["StudentID"] != BOTH]
    taught[0]["CourseGrades"] = taught[1]["CourseGrades"] = []
    return rows


def _numbered(name: str, key: str, values: list[Any]) -> list[Row]:
    return [deepcopy(sample(name)[0]) | {key: value} for value in values]


def renamed(readings: Readings) -> dict[str, str]:
    """Return the names that a server gives to fields of other names."""
    return {"payload": {}, "table": TABLE_NAMES, "capture of 2020": OLD_NAMES}[readings.names]


def dressed(row: Row, readings: Readings) -> Row:
    """Return a record as a server of these readings writes it."""
    found = _dressed(row, readings)
    if readings.newer:
        found |= UNHEARD
    if readings.dress != "plain":
        found = dict(reversed(found.items()))
    return found


def _dressed(row: Row, readings: Readings) -> Row:
    names = renamed(readings)
    found: Row = {}
    for name, value in row.items():
        if name in ABSENT and readings.older:
            continue
        if name == "CourseGrades" and not value and readings.history != "[]":
            if readings.history == "null":
                found[name] = None
            continue
        found[names.get(name, name)] = _value(name, value, readings)
    return found


def _value(name: str, value: Any, readings: Readings) -> Any:
    if name in HIDDEN:
        return readings.hidden
    if isinstance(value, list):
        return [_dressed(one, readings) if isinstance(one, dict) else one for one in value]
    if isinstance(value, float) and readings.numbers == "text":
        return f"{value:.4f}"
    if value == "":
        return readings.blank
    if value is None and name.endswith("Date"):
        return readings.no_date
    return value
