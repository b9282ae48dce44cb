"""A whole delivery byte for byte, as it is kept in ``golden``.

Where a change is meant, delete the folder and run this test twice: the first
run writes it anew and fails.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from aeries_pipeline.course_requests.compute import compute
from aeries_pipeline.course_requests.intake import take
from aeries_pipeline.course_requests.sss.deliver import export, write_unplaced
from aeries_pipeline.course_requests.tables import prepare
from aeries_pipeline.districts.roster import District
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.deliveries import checksums

GOLDEN = Path(__file__).parent / "golden"
MOMENT = datetime(2027, 2, 3, 4, 5, 6)
DISTRICT = District(
    id="eagle-usd", name="Eagle", url="https://eagle.example/aeries", certificate_env="X",
    schools=[993, 994], course_requests={"aca_columns": ["SC", "SN", "SQ", "AQ"]},
)  # fmt: skip
FILE = """\
Student ID,Course Code,Priority,Alternate For,School Year
99300007,0315,1,,2027-2028
99300007,0608,2,,2027-2028
99300007,0630,1,0608,2027-2028
99300008,0608,1,,2027-2028
99300008,0608,2,,2027-2028
99400001,0001,,,
99400001,1,,,
99400001,0777,,,
99400002,0608,,,2027-2028
99400003,0608,,,2027-2028
99400004,=1+2,,,
O'Brien,0608,,,
5,0608,,,
"""


def stock(warehouse: Warehouse) -> None:
    """Write what pulls would have: two schools, some students, the catalogue, one request."""
    with warehouse.open() as connection:
        prepare(connection)
        connection.execute(
            """
            INSERT INTO meta.pulls BY NAME
            SELECT 'p' AS pull_id, 'eagle-usd' AS district, unnest([993, 994]) AS school, resource,
                   'complete' AS status, TIMESTAMP '2027-02-02' AS started_at,
                   TIMESTAMP '2027-02-02' AS finished_at, '2026-2027' AS database_year
            FROM (VALUES ('students'), ('course_requests')) t(resource);
            CREATE TABLE raw.schools AS
            SELECT 'eagle-usd' AS district, * FROM (VALUES (993, 6, 8, 'Eagle Middle'),
                (994, 9, 12, 'Eagle <High>')) t("SchoolCode", "LowGradeLevel", "HighGradeLevel",
                                                "Name");
            CREATE TABLE raw.courses AS
            SELECT 'eagle-usd' AS district, '' AS "NextYearInactiveStatusCode", * FROM (VALUES
                ('0315', 'English 9', '', 9, 9, ''), ('0608', 'Biology', '', 9, 12, '0315'),
                ('0630', 'Chemistry', '', 9, 12, ''), ('0001', 'Art & Craft', '', 9, 12, ''),
                ('0777', 'Typing', 'I', 9, 12, '')) t("ID", "Title", "InactiveStatusCode",
                "LowGrade", "HighGrade", "PrerequisiteCourse");
            CREATE TABLE raw.students AS
            SELECT 'eagle-usd' AS district, "SchoolCode" AS school, *,
                   '' AS "AttendanceProgramCodePrimary", DATE '2025-08-20' AS "SchoolEnterDate"
            FROM (VALUES
                (99300007, 993, 7, '', 8, 994, 9), (99300007, 994, 300, '*', 8, 994, 9),
                (99300008, 993, 8, '', 8, 994, 9), (99400001, 994, 1, '', 9, 0, 10),
                (99400002, 994, 2, ' ', 10, 994, 11), (99400003, 994, 3, '', 12, 0, 13),
                (99400004, 994, 4, '', 11, 994, 12)) t("StudentID", "SchoolCode", "StudentNumber",
                "InactiveStatusCode", "Grade", "NextSchoolCode", "NextGrade");
            CREATE TABLE raw.course_requests AS
            SELECT 'eagle-usd' AS district, 994 AS "SchoolCode", 99400002 AS "StudentID",
                   1007 AS "SequenceNumber", '0608' AS "CourseID", '' AS "ActualPrimaryCourseID",
                   '' AS "AlternateTag";
            CREATE TABLE raw.sections AS
            SELECT 'eagle-usd' AS district, 994 AS "SchoolCode", '0608' AS "CourseID",
                   1 AS "MaxStudents", '' AS "InactiveStatusCode";
            """
        )


def test_a_delivery_byte_for_byte(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    stock(warehouse)
    taken = take(warehouse, DISTRICT, "planner.csv", FILE.encode(), MOMENT)
    assert taken.rows == 13
    compute(warehouse, DISTRICT, moment=MOMENT)
    found = export(warehouse, DISTRICT, 994, tmp_path / "out", moment=MOMENT)
    write_unplaced(warehouse, DISTRICT, tmp_path / "out")
    unplaced = tmp_path / "out" / "eagle-usd" / "sss" / "rejects_without_school.csv"
    unplaced.rename(found.folder / unplaced.name)
    if not GOLDEN.exists():
        found.folder.rename(GOLDEN)
        pytest.fail("written anew; look at the difference and run again")
    assert checksums(found.folder).keys() == checksums(GOLDEN).keys()
    for name in checksums(GOLDEN):
        assert (found.folder / name).read_bytes() == (GOLDEN / name).read_bytes(), name
