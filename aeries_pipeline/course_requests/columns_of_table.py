"""What each column of ``core.course_requests`` means; a test keeps it complete."""

from __future__ import annotations

MEANINGS = {
    "district": "District of the roster",
    "file_id": "The file that brought it, see core.course_request_files",
    "line": "Line of the file",
    "received_at": "When the file was taken, UTC",
    "stated_student": "What stood there as StudentID",
    "stated_course": "What stood there as CourseID",
    "student_id": "STU.ID; empty where it could not be read",
    "course_id": "CRS.CN, with leading zeros",
    "priority": "1 is the first wish",
    "alternate_for": "The course it is an alternate of, * for any; blank for a request",
    "school_year": "First calendar year of the school year that it is for",
    "requested_at": "When the student asked, as the file states it",
    "problem": "Why the line cannot be a request, whatever Aeries says; blank for none",
    "unread": "What could not be read and is not needed",
    "state": "ready, exported, already_in_aeries, held or rejected",
    "reason": "Why it is held or rejected; of an exported one, why it would not be exported today",
    "warnings": "What to know all the same",
    "school": "School of next year; where it is not known, the present one",
    "student_number": "STU.SN at the school of next year",
    "grade": "Grade of next year",
    "decided_at": "When the state last changed, UTC",
}
