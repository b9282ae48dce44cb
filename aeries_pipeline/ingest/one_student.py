"""One student at one school, requested individually because a list is in doubt.

Only the request. What the response says about an account is decided in
``accounts``, what it says about a list in ``doubted``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aeries_pipeline.districts.errors import PermanentError
from aeries_pipeline.ingest.api.client import Tally
from aeries_pipeline.ingest.session import Session


def rows_of_student(
    session: Session, school: int, student: int, tally: Tally
) -> Sequence[Mapping[str, Any]]:
    """Return the rows of a student at a school; none if Aeries finds nobody.

    Args:
        session: The open pull, in whose window and limits the request stays.
        school: The school that is asked.
        student: StudentID.
        tally: Counts the request.

    Raises:
        AeriesError: If there is no usable answer.
    """
    try:
        return session.client.get(
            f"schools/{school}/students/{student}",
            params={"DatabaseYear": session.preflight().start_year},
            what=f"{session.district.id}, school {school}, one student",
            tally=tally,
        ).rows
    except PermanentError as error:
        if error.code == "not_found":
            return ()
        raise
