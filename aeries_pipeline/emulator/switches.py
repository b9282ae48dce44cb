"""Behaviours on which published descriptions of Aeries disagree."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Switches(BaseModel):
    """How this emulated site behaves when sources differ.

    Attributes:
        student_by_id: Whether the school in the path limits a request for one
            student to that school's row, as the newest description says.
        school_shape: Whether a single school is an object or a list of one.
        transcript_paging: Whether the transcript end point knows
            StartingStudent and EndingStudent, or StartingRecord and EndingRecord.
        missing_permission: Status of a request that the certificate may not make.
        empty_transcript: Whether a student without history is in the answer.
        blank_is_space: Whether the blank status is one space.
        early_warning_as_text: Whether EarlyWarningPoints goes under its old
            name AtRiskPoints, as a text.
        null_dates_as_year_one: Whether an empty date is 0001-01-01.
        max_page: Records in one page at most; 0 for no bound.
        hides_every: One record in so many is numbered and then not shown; 0 for none.
        behind_the_end: What is sent for numbers behind those of a list: no record, an
            answer 404, or the last records again.
        time_zone: What the server calls its time zone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    student_by_id: Literal["row_of_school", "all_rows"] = "row_of_school"
    school_shape: Literal["object", "list"] = "object"
    transcript_paging: Literal["student", "record"] = "student"
    missing_permission: Literal[401, 403] = 401
    empty_transcript: Literal["absent", "empty"] = "empty"
    blank_is_space: bool = False
    early_warning_as_text: bool = False
    null_dates_as_year_one: bool = False
    max_page: int = 0
    hides_every: int = 0
    behind_the_end: Literal["empty", "not_found", "last_again"] = "empty"
    time_zone: str = "(UTC-08:00) Pacific Time (US & Canada)"

    def numbers(self, first: int, last: int, total: int) -> list[int] | None:
        """Return which records of a list are on a page; None if the answer is 404.

        Args:
            first: First number that is asked for, from 1.
            last: Last number that is asked for.
            total: Records of the list.
        """
        if self.max_page:
            last = min(last, first + self.max_page - 1)
        if first > max(total, 1) and self.behind_the_end != "empty":
            if self.behind_the_end == "not_found":
                return None
            first, last = max(total - (last - first), 1), total
        hides = self.hides_every
        return [
            number for number in range(first, min(last, total) + 1) if not hides or number % hides
        ]
