"""What each column of the tables of course requests means; a test keeps it complete."""

from __future__ import annotations

MEANINGS = {
    "district": "District of the roster",
    "file_id": "The file that brought it, see core.course_request_files",
    "line": "Line of the file, or the number of the request there, see place",
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
    "place": "Sheet, line and column, where the line alone does not tell",
}

FILES = {
    "file_id": "The file; the same content handed in again is another one",
    "district": "District of the roster",
    "name": "Name under which it was handed in",
    "sha256": "Digest of its content",
    "bytes": "Its size",
    "rows": "Lines without the header; empty where it could not be read",
    "form": "How it was read, such as UTF-8, comma",
    "status": "taken, known (the same content came before), failed or stuck",
    "code": "Stable code of the reason",
    "reason": "Why it could not be read, in one sentence",
    "received_at": "When it was taken up, UTC",
    "run_id": "The Dagster run",
}

EXPORTS = {
    "export_id": "The export, see the manifest of its folder",
    "district": "District of the roster",
    "school": "School whose administrator imports it",
    "student_id": "STU.ID",
    "student_number": "STU.SN, the SN of SSS",
    "file_id": "The file that brought the request",
    "line": "Line of that file",
    "course_id": "CRS.CN, the CN of SSS",
    "kind": "request (table SSS) or alternate (table ACR)",
    "sequence_number": "The SQ that it was given",
    "linked_sequence": "SSS.SQ of the request that it is an alternate of",
    "sort_order": "Priority among the alternates",
    "school_year": "First calendar year of the school year that it is for",
    "exported_at": "When, UTC",
}
