"""The same requests as a T-SQL script for Aeries' SQL Server. Pure.

The script is one serializable transaction: if it stops halfway it leaves nothing, and
two that run at once never give the same number. It gives the recorded numbers if they
are free and finds free ones if not, counting deleted rows as taken. It never touches a
row that is already there, locked or scheduled, except for what the part about
withdrawals deletes. It may be run again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from aeries_pipeline.course_requests.sss.plan import Plan, Row
from aeries_pipeline.course_requests.sss.withdrawals import Withdrawal

_ROWS_A_STATEMENT = 500
"""SQL Server takes at most 1,000 rows in one VALUES."""

_HEAD = """\
-- Course requests of school {school} for {year}: {requests} requests, {alternates} alternates, \
{withdrawn} to delete.
-- Made by aeries_pipeline for {district}. Take a backup of SSS first.
-- Run it as a whole in the database of the current school year, after Initialize Scheduling.
-- It may be run again: what is there already is left out.
-- Set @DryRun to 1 to see the counts of its last result and change nothing.
SET XACT_ABORT ON;
SET NOCOUNT ON;
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;
DECLARE @DryRun BIT = 0;
BEGIN TRANSACTION;

"""
_TEMPORARY = """\
CREATE TABLE {table} (SC SMALLINT NOT NULL, SN INT NOT NULL, ID INT NOT NULL, \
SQ SMALLINT NOT NULL, CN VARCHAR(6) NOT NULL, PN VARCHAR(6) NOT NULL, ORD INT NOT NULL);
"""
_KNOWN = """\
INNER JOIN STU AS t ON t.SC = w.SC AND t.SN = w.SN AND t.ID = w.ID AND t.DEL = 0
INNER JOIN CRS AS c ON c.CN = w.CN AND c.DEL = 0
"""
_THERE = """\
SELECT 1 FROM SSS AS s WHERE s.SC = w.SC AND s.SN = w.SN AND s.DEL = 0
    AND (s.CN = w.CN OR (s.[AT] = 'X' AND s.AC = w.CN))"""
_ALTERNATE_THERE = """\
SELECT 1 FROM ACR AS a WHERE a.SC = w.SC AND a.SN = w.SN AND a.DEL = 0 AND a.CN = w.CN"""
_FREE = """\
AND NOT EXISTS (SELECT 1 FROM {table} AS k WITH (UPDLOCK, HOLDLOCK)
    WHERE k.SC = w.SC AND k.SN = w.SN AND k.SQ = w.SQ)"""
_BEFORE = """\
CREATE TABLE {table} (SC SMALLINT NOT NULL, SN INT NOT NULL, CN VARCHAR(6) NOT NULL);
INSERT INTO {table} (SC, SN, CN)
SELECT w.SC, w.SN, w.CN FROM {wanted} AS w WHERE EXISTS ({there});
"""
_RECORDED = (
    """\
INSERT INTO SSS (SC, SN, SQ, CN, SE, {teacher}, RT, [AT], AC, PL, DEL)
SELECT w.SC, w.SN, w.SQ, w.CN, 0, 0, '', '', '', '', 0
FROM #requests AS w
"""
    + _KNOWN
    + "WHERE NOT EXISTS ("
    + _THERE
    + ")\n"
    + _FREE.format(table="SSS")
    + ";\n"
)
_RECORDED_ALTERNATES = (
    """\
INSERT INTO ACR (SC, SN, SQ, CN, SRT, DEL)
SELECT w.SC, w.SN, w.SQ, w.CN,
    ISNULL(m.SRT, 0) + ROW_NUMBER() OVER (PARTITION BY w.SC, w.SN ORDER BY w.ORD), 0
FROM #alternates AS w
"""
    + _KNOWN
    + """\
LEFT JOIN (SELECT SC, SN, MAX(SRT) AS SRT FROM ACR WITH (UPDLOCK, HOLDLOCK) GROUP BY SC, SN) AS m
    ON m.SC = w.SC AND m.SN = w.SN
WHERE NOT EXISTS ("""
    + _ALTERNATE_THERE
    + ")\nAND NOT EXISTS ("
    + _THERE
    + ")\n"
    + _FREE.format(table="ACR")
    + ";\n"
)
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
WHERE NOT EXISTS ("""
    + _ALTERNATE_THERE
    + ")\nAND NOT EXISTS ("
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
_WITHDRAWN = """\
-- What was given out and is no longer asked for: deleted by its number, where it still holds the
-- course, is the same student's, and is neither locked nor scheduled.
"""
_DELETE_LINKS = """\
DELETE FROM ACA
WHERE EXISTS (SELECT 1 FROM #withdrawn AS w
    INNER JOIN STU AS t ON t.SC = w.SC AND t.SN = w.SN AND t.ID = w.ID AND t.DEL = 0
    INNER JOIN ACR AS a ON a.SC = w.SC AND a.SN = w.SN AND a.SQ = w.SQ AND a.CN = w.CN
        AND a.DEL = 0
    WHERE w.PN = 'ACR' AND w.SC = ACA.{sc} AND w.SN = ACA.{sn} AND w.SQ = ACA.{aq});
"""
_DELETE = """\
DELETE FROM SSS
WHERE SSS.DEL = 0 AND SSS.SE = 0 AND ISNULL(SSS.RT, '') <> '*' AND ISNULL(SSS.PL, '') = ''
AND ISNULL(SSS.[AT], '') <> 'X' AND EXISTS (SELECT 1 FROM #withdrawn AS w
    INNER JOIN STU AS t ON t.SC = w.SC AND t.SN = w.SN AND t.ID = w.ID AND t.DEL = 0
    WHERE w.PN = 'SSS' AND w.SC = SSS.SC AND w.SN = SSS.SN AND w.SQ = SSS.SQ AND w.CN = SSS.CN);
DELETE FROM ACR
WHERE ACR.DEL = 0 AND EXISTS (SELECT 1 FROM #withdrawn AS w
    INNER JOIN STU AS t ON t.SC = w.SC AND t.SN = w.SN AND t.ID = w.ID AND t.DEL = 0
    WHERE w.PN = 'ACR' AND w.SC = ACR.SC AND w.SN = ACR.SN AND w.SQ = ACR.SQ AND w.CN = ACR.CN);
"""
_STILL_THERE = """\
FROM #withdrawn AS w
WHERE (w.PN = 'SSS' AND EXISTS (SELECT 1 FROM SSS AS s WHERE s.SC = w.SC AND s.SN = w.SN
    AND s.DEL = 0 AND (s.CN = w.CN OR s.SQ = w.SQ)))
OR (w.PN = 'ACR' AND EXISTS (SELECT 1 FROM ACR AS a WHERE a.SC = w.SC AND a.SN = w.SN
    AND a.DEL = 0 AND (a.CN = w.CN OR a.SQ = w.SQ)))"""
_FOUND = (
    "CREATE TABLE #found (SC SMALLINT NOT NULL, SN INT NOT NULL, SQ SMALLINT NOT NULL);\n"
    "INSERT INTO #found (SC, SN, SQ)\nSELECT w.SC, w.SN, w.SQ " + _STILL_THERE + ";\n"
)
_LEFT = (
    "-- What was left, to be looked at by hand.\n"
    "SELECT w.SC, w.SN, w.PN AS LeftIn, w.SQ, w.CN "
    + _STILL_THERE
    + "\nORDER BY w.SC, w.SN, w.PN, w.SQ;\n"
)


def _count(table: str, condition: str = "") -> str:
    return f"(SELECT COUNT(*) FROM {table} AS w{condition})"


def _result(*, alternates: bool, withdrawn: bool) -> str:
    """Return the last result: one row of counts."""
    shown = []
    for name, table, before, there in (
        ("requests", "#requests", "#before", _THERE),
        ("alternates", "#alternates", "#alternates_before", f"{_ALTERNATE_THERE}"),
    ):
        if name == "alternates" and not alternates:
            continue
        now = _count(table, f" WHERE EXISTS ({there})")
        shown += [
            f"{_count(table)} AS {name}",
            f"{_count(before)} AS {name}_there_before",
            f"{now} - {_count(before)} AS {name}_inserted",
            f"{_count(table)} - {now} AS {name}_not_inserted",
        ]
    if withdrawn:
        left = f"(SELECT COUNT(*) {_STILL_THERE})"
        shown += [
            f"{_count('#found')} - {left} AS withdrawn_deleted",
            f"{left} AS withdrawn_left",
        ]
    return "SELECT\n    " + ",\n    ".join(shown) + ";\n"


def sss_sql(
    plan: Plan,
    school: int,
    *,
    district: str,
    year: str,
    section_staff: bool,
    aca_columns: Sequence[str] = (),
    withdrawals: Sequence[Withdrawal] = (),
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
        withdrawals: What is to be deleted, where the district wants that.
    """
    head = _HEAD.format(
        school=school, year=year, district=district, requests=len(plan.requests),
        alternates=len(plan.alternates), withdrawn=len(withdrawals),
    )  # fmt: skip
    teacher = "PS" if section_staff else "TN"
    parts = [head, *_withdrawn(school, withdrawals, aca_columns)]
    parts += _wanted("#requests", school, plan.requests)
    parts += [
        _BEFORE.format(table="#before", wanted="#requests", there=_THERE),
        _RECORDED.format(teacher=teacher),
        _REQUESTS.format(teacher=teacher),
    ]
    tables = ["#requests", "#before"]
    if plan.alternates:
        tables += ["#alternates", "#alternates_before"]
        parts += ["\n", *_wanted("#alternates", school, plan.alternates)]
        parts.append(
            _BEFORE.format(table="#alternates_before", wanted="#alternates", there=_ALTERNATE_THERE)
        )
        parts += [_RECORDED_ALTERNATES, _ALTERNATES]
        if aca_columns:
            sc, sn, sq, aq = aca_columns
            parts += ["\n", _LINKS.format(sc=sc, sn=sn, sq=sq, aq=aq)]
    if withdrawals:
        tables += ["#withdrawn", "#found"]
        parts += ["\n", _LEFT]
    parts += ["\n", _result(alternates=bool(plan.alternates), withdrawn=bool(withdrawals))]
    parts += [f"DROP TABLE {table};\n" for table in tables]
    return "".join([*parts, "IF @DryRun = 1 ROLLBACK TRANSACTION;\nELSE COMMIT TRANSACTION;\n"])


def _withdrawn(
    school: int, withdrawals: Sequence[Withdrawal], aca_columns: Sequence[str]
) -> Iterator[str]:
    if not withdrawals:
        return
    yield _WITHDRAWN
    yield from _rows(
        "#withdrawn",
        [
            (school, one.student_number, one.student_id, one.sequence, one.course_id, one.table)
            for one in withdrawals
        ],
    )
    yield _FOUND
    if aca_columns:
        sc, sn, _sq, aq = aca_columns
        yield _DELETE_LINKS.format(sc=sc, sn=sn, aq=aq)
    yield _DELETE + "\n"


def _wanted(table: str, school: int, rows: Sequence[Row]) -> Iterator[str]:
    yield from _rows(
        table,
        [
            (
                school, row.wanted.student_number, row.wanted.student_id, row.sequence,
                row.wanted.course_id, row.wanted.alternate_for,
            )
            for row in rows
        ],
    )  # fmt: skip


def _rows(table: str, rows: Sequence[tuple[int, int, int, int, str, str]]) -> Iterator[str]:
    yield _TEMPORARY.format(table=table)
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        values = ",\n".join(
            f"    ({school}, {number}, {student}, {sequence}, {text(course)}, {text(other)}, "
            f"{start + place})"
            for place, (school, number, student, sequence, course, other) in enumerate(
                rows[start : start + _ROWS_A_STATEMENT], start=1
            )
        )
        yield f"INSERT INTO {table} (SC, SN, ID, SQ, CN, PN, ORD) VALUES\n{values};\n"


def text(value: str) -> str:
    """Return a value as a T-SQL string; nothing in it can end it."""
    cleaned = re.sub(r"[\x00-\x1f]", "", value)
    quoted = cleaned.replace("'", "''")
    return f"'{quoted}'" if cleaned.isascii() else f"N'{quoted}'"
