"""What the columns of the account tables mean, for the UI and for analysts."""

from __future__ import annotations

ACCOUNTS: dict[str, str] = {
    "district": "District of the roster",
    "student_id": "Aeries StudentID, unique in the district",
    "state": "active or inactive; an inactive account is kept and can return",
    "school": "Current school; the last one for an inactive account",
    "next_school": "School of next year, where it is another one of the district's",
    "grade": "Grade as Aeries has it, -2 to 18; the last one where it has none now",
    "first_name": "Legal first name",
    "last_name": "Legal last name",
    "gender": "Aeries code",
    "birthdate": "Date of birth",
    "email": "The school's address for the student",
    "state_student_id": "State id, ten digits with leading zeros",
    "other_schools": "Schools of further active rows",
    "first_seen_at": "Start of the pull that first showed the student active, UTC",
    "last_seen_at": "Start of the last pull that did, UTC",
    "state_since": "When the present state began, UTC",
    "missing_since": "End of the first pull without an active row, while the account is active",
    "absent_rounds": "Complete rounds of pulls without an active row since then",
    "absent_counted_at": "Start of the newest pull of the last counted round, UTC",
    "pull_id": "Pull that says so, see meta.pulls",
    "student_number": "StudentNumber of the row that the account follows",
}

ENROLLMENT: dict[str, str] = {
    "district": "District of the roster",
    "day": "The district's date on which it was counted",
    "school": "Main school",
    "grade": "Grade as Aeries has it",
    "students": "Active accounts",
}

CONFIRMATIONS: dict[str, str] = {
    "district": "District of the roster",
    "student_id": "Aeries StudentID",
    "purpose": "leaving where a list says that one has left, arriving where it shows a new one",
    "asked_at": "UTC",
    "school": "School whose list says so",
    "pull_id": "Pull of that list",
    "asked": "Schools at which the student was asked for, in that order",
    "said": "active, gone or failed",
    "active_at": "School with an active row; empty where none has one",
    "code": "Why there is no usable answer",
    "open": "Whether a list still lacks the student who is there",
    "run_id": "The Dagster run",
}

CHANGES: dict[str, str] = {
    "change_id": "Stays the same through every status of a change",
    "batch_id": "Computation in which it was first proposed, see meta.account_batches",
    "district": "District of the roster",
    "student_id": "Aeries StudentID",
    "kind": "create, update, transfer, deactivate or reactivate",
    "from_school": "School before; empty for a new account",
    "to_school": "School afterwards; empty for a deactivation",
    "changed_fields": "Names of the fields that an update changes; values are in core.accounts",
    "detected_at": "When it was first proposed, UTC",
    "effective_at": "The district's date for it, else the day on which it was seen",
    "pull_ids": "Pulls that it rests on",
    "code": "Stable code of the reason",
    "reason": "The reason in words",
    "related_student_id": "The other id where two were merged, or may be one child",
    "fingerprint": "What makes it the same as one proposed later",
    "status": "applied, held or rejected",
    "status_reason": "Why it is held, or what became of it",
    "recorded_at": "When this row was written, UTC; the newest row of a change counts",
    "decided_by": "Who approved or rejected it; empty where nobody had to",
}
