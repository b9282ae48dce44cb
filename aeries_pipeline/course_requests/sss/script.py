"""The same requests as a T-SQL script for Aeries' SQL Server. Pure.

One transaction, and nothing but inserts: a row that is there, locked or
scheduled is not touched. It looks up free sequence numbers itself, deleted
rows included, and may be run again: a request that is there is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from aeries_pipeline.course_requests.sss.plan import Plan, Row

_ROWS_A_STATEMENT = 500
"""SQL Server takes at most 1,000 rows in one VALUES."""

_HEAD = """\
-- Course requests of school {school} for {year}: {requests} requests, {alternates} alternates.
-- Made by aeries_pipeline for {district}. Take a backup of SSS first.
-- Run it as a whole in the database of the current school year, after Initialize Scheduling.
-- It only inserts. It may be run again: what is there already is left out.
-- The last result lists what was not inserted because the student's record or the course is gone.
SET XACT_ABORT ON;
SET NOCOUNT ON;
BEGIN TRANSACTION;

"""
_TEMPORARY = """\
CREATE TABLE {table} (SC SMALLINT NOT NULL, SN INT NOT NULL, ID INT NOT NULL, \
CN VARCHAR(6) NOT NULL, PN VARCHAR(6) NOT NULL, ORD INT NOT NULL);
"""
_KNOWN = """\
INNER JOIN STU AS t ON t.SC = w.SC AND t.SN = w.SN AND t.ID = w.ID AND t.DEL = 0
INNER JOIN CRS AS c ON c.CN = w.CN AND c.DEL = 0
"""
_THERE = """\
SELECT 1 FROM SSS AS s WHERE s.SC = w.SC AND s.SN = w.SN AND s.DEL = 0
    AND (s.CN = w.CN OR (s.[AT] = 'X' AND s.AC = w.CN))"""
_REQUESTS = (
    """\
INSERT INTO SSS (SC, SN, SQ, CN, SE, {teacher}, RT, [AT], AC, PL, DEL)
SELECT w.SC, w.SN,
    ISNULL(m.SQ, 0) + ROW_NUMBER() OVER (PARTITION BY w.SC, w.SN ORDER BY w.ORD),
    w.CN, 0, 0, '', '', '', '', 0
FROM #requests AS w
"""
    + _KNOWN
    + """\
LEFT JOIN (SELECT SC, SN, MAX(SQ) AS SQ FROM SSS WITH (UPDLOCK, HOLDLOCK) GROUP BY SC, SN) AS m
    ON m.SC = w.SC AND m.SN = w.SN
WHERE NOT EXISTS ("""
    + _THERE
    + ");\n"
)
_ALTERNATES = (
    """\
INSERT INTO ACR (SC, SN, SQ, CN, SRT, DEL)
SELECT w.SC, w.SN,
    ISNULL(m.SQ, 0) + ROW_NUMBER() OVER (PARTITION BY w.SC, w.SN ORDER BY w.ORD),
    w.CN,
    ISNULL(m.SRT, 0) + ROW_NUMBER() OVER (PARTITION BY w.SC, w.SN ORDER BY w.ORD), 0
FROM #alternates AS w
"""
    + _KNOWN
    + """\
LEFT JOIN (SELECT SC, SN, MAX(SQ) AS SQ, MAX(SRT) AS SRT FROM ACR WITH (UPDLOCK, HOLDLOCK)
    GROUP BY SC, SN) AS m ON m.SC = w.SC AND m.SN = w.SN
WHERE NOT EXISTS (SELECT 1 FROM ACR AS a WHERE a.SC = w.SC AND a.SN = w.SN AND a.DEL = 0
    AND a.CN = w.CN)
AND NOT EXISTS ("""
    + _THERE
    + ");\n"
)
_LINKS = """\
INSERT INTO ACA ({sc}, {sn}, {sq}, {aq}, DEL)
SELECT w.SC, w.SN, s.SQ, a.SQ, 0
FROM #alternates AS w
INNER JOIN (SELECT SC, SN, CN, MIN(SQ) AS SQ FROM SSS WHERE DEL = 0 GROUP BY SC, SN, CN) AS s
    ON s.SC = w.SC AND s.SN = w.SN AND s.CN = w.PN
INNER JOIN (SELECT SC, SN, CN, MIN(SQ) AS SQ FROM ACR WHERE DEL = 0 GROUP BY SC, SN, CN) AS a
    ON a.SC = w.SC AND a.SN = w.SN AND a.CN = w.CN
WHERE NOT EXISTS (SELECT 1 FROM ACA AS l WHERE l.{sc} = w.SC AND l.{sn} = w.SN
    AND l.{sq} = s.SQ AND l.{aq} = a.SQ);
"""
_MISSING = (
    "SELECT w.SC, w.SN, w.CN FROM #requests AS w WHERE NOT EXISTS ("
    + _THERE
    + ")\nORDER BY w.SC, w.SN, w.CN;\n"
)


def sss_sql(
    plan: Plan,
    school: int,
    *,
    district: str,
    year: str,
    section_staff: bool,
    aca_columns: Sequence[str] = (),
) -> str:
    """Return the script that inserts a plan.

    Args:
        plan: Rows of one school.
        school: SSS.SC.
        district: District id, for the heading.
        year: The coming school year, for the heading.
        section_staff: Whether the school's requests name staff and not teachers.
        aca_columns: Column codes of ACA; without them alternates are inserted
            and not linked.
    """
    head = _HEAD.format(
        school=school, year=year, district=district, requests=len(plan.requests),
        alternates=len(plan.alternates),
    )  # fmt: skip
    parts = [head, *_wanted("#requests", school, plan.requests)]
    parts.append(_REQUESTS.format(teacher="PS" if section_staff else "TN"))
    if plan.alternates:
        parts += ["\n", *_wanted("#alternates", school, plan.alternates), _ALTERNATES]
        if aca_columns:
            sc, sn, sq, aq = aca_columns
            parts += ["\n", _LINKS.format(sc=sc, sn=sn, sq=sq, aq=aq)]
    parts += ["\n", _MISSING, "DROP TABLE #requests;\n"]
    if plan.alternates:
        parts.append("DROP TABLE #alternates;\n")
    return "".join([*parts, "COMMIT TRANSACTION;\n"])


def _wanted(table: str, school: int, rows: Sequence[Row]) -> Iterator[str]:
    yield _TEMPORARY.format(table=table)
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        values = ",\n".join(
            f"    ({school}, {row.wanted.student_number}, {row.wanted.student_id}, "
            f"{text(row.wanted.course_id)}, {text(row.wanted.alternate_for)}, "
            f"{start + place})"
            for place, row in enumerate(rows[start : start + _ROWS_A_STATEMENT], start=1)
        )
        yield f"INSERT INTO {table} (SC, SN, ID, CN, PN, ORD) VALUES\n{values};\n"


def text(value: str) -> str:
    """Return a value as a T-SQL string; nothing in it can end it."""
    cleaned = re.sub(r"[\x00-\x1f]", "", value)
    quoted = cleaned.replace("'", "''")
    return f"'{quoted}'" if cleaned.isascii() else f"N'{quoted}'"
