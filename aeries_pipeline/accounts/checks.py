"""The checks of a district's accounts: one result for each question.

Pure functions of what a computation returned. ``orchestration.assets`` turns them into
Dagster check results. Texts contain counts and school codes, never a student's
value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from aeries_pipeline.accounts.ask import Confirmed
from aeries_pipeline.accounts.compute import Computed
from aeries_pipeline.accounts.duplicates import MAY_BE_ANOTHER, Pair
from aeries_pipeline.accounts.evidence import NONE_ACTIVE
from aeries_pipeline.accounts.left_out import told
from aeries_pipeline.accounts.review import Waiting
from aeries_pipeline.accounts.review import told as told_of_holds
from aeries_pipeline.ingest.checks import Answer
from aeries_pipeline.words import counted, doing

NOTHING_HELD = "no_change_is_held"
ALL_SCHOOLS = "every_school_was_read"
FEW_DEACTIVATIONS = "deactivations_are_few"
NOBODY_WAITS = "nobody_waits_for_long"
ONE_ACCOUNT = "one_account_for_each_child"
SHARING = "who_is_shared_is_certain"

QUESTIONS: Mapping[str, str] = {
    NOTHING_HELD: "No account change waits for a person to approve or reject it.",
    ALL_SCHOOLS: "The newest pull of every school is complete and of the same school year, so "
    "that leaving the district can be told from a failed pull.",
    FEW_DEACTIVATIONS: "No more accounts are deactivated at once than on an ordinary day.",
    NOBODY_WAITS: "No student waits for longer than the district's stale_after_days.",
    SHARING: "The list of students who opted out, and the fields that tell of it, can be read and "
    "say of nobody by the dozen that they are shared again.",
    ONE_ACCOUNT: "No two StudentIDs may be the same child, by state id or by name and birth date.",
}
"""The good state that each check asks about."""

CONFIRMED = "lists_agree_with_single_answers"
CONFIRMATION_QUESTIONS: Mapping[str, str] = {
    CONFIRMED: "What the lists say of students who leave or return is what comes when these are "
    "asked for one by one.",
}
"""The good state that the check of the confirmations asks about."""

WAITING = {
    "school_not_pulled": "at a school that could not be read; nothing happens to them",
    "row_unreadable": "with a row in quarantine, or perhaps with one; nothing happens to them "
    "until it can be read",
    "district_incomplete": "gone from their school while another school could not be read",
    "other_schools_older": "gone from their school; other schools were last read long before",
    "left_too_briefly": "left by their status, not yet for enough rounds of pulls",
    "absent_too_briefly": "absent from every school, not yet for enough rounds of pulls",
    "enters_later": "with no row but those of schools that they enter later; no account as yet",
    "list_contradicted": "at a school whose list lacks or shows a student otherwise than the "
    "answer about that student alone; nothing happens to them",
    MAY_BE_ANOTHER: "gone under this id, while another id that may be the same child waits for a "
    "person",
    "not_confirmed": "about whom no usable answer came when they were asked for alone",
    "additions_only": "changed, while additions_only lets only new and returning accounts through",
}
"""Why a change that one would expect is not proposed yet."""


def answers(
    district: str, computed: Computed, open_ones: Sequence[Waiting], pairs: Sequence[Pair] = ()
) -> list[Answer]:
    """Return the verdict on every question about a district's accounts.

    Args:
        district: District id.
        computed: What a computation found and did.
        open_ones: What waits for a person.
        pairs: Pairs of ids that may be one child, of which nobody has spoken.
    """
    return [
        _held(district, computed, open_ones),
        _schools(computed),
        _few(computed),
        _nobody_waits(district, computed),
        _one_account(district, pairs),
        _sharing(district, computed),
    ]


def confirmation_answers(district: str, confirmed: Confirmed) -> list[Answer]:
    """Return the verdict on what came when students were asked for one by one."""
    numbers = {"asked": confirmed.asked, "requests": confirmed.requests}
    against = confirmed.contradicted
    if against:
        listed = ", ".join(f"{number} at school {school}" for school, number in against.items())
        text = (
            f"{district}: the lists of students contradict the answers about single students "
            f"({listed}); nothing happens to these students until a whole list agrees again; ask "
            "the district's Aeries host why the lists are not right"
        )
        return [Answer(CONFIRMED, passed=False, text=text, serious=True, numbers=numbers)]
    missing = confirmed.due and (confirmed.trouble or confirmed.failed)
    if missing:
        number = confirmed.failed or confirmed.due
        text = f"{district}: no usable answer about {counted(number, 'student')}, whose accounts "
        text += f"stay as they are until there is one{': ' if confirmed.trouble else ''}"
        text += confirmed.trouble
        return [Answer(CONFIRMED, passed=False, text=text, numbers=numbers)]
    requests = counted(confirmed.requests, "request")
    text = f"{counted(confirmed.asked, 'student')} asked for with {requests}"
    return [Answer(CONFIRMED, passed=True, text=text, numbers=numbers)]


def _held(district: str, computed: Computed, open_ones: Sequence[Waiting]) -> Answer:
    total = sum(one.changes for one in open_ones)
    if not total:
        return Answer(NOTHING_HELD, passed=True, text="nothing is held", numbers={"held": 0})
    lines = [computed.stop] if computed.stop else []
    lines += told_of_holds(open_ones)
    text = (
        "; ".join(lines)
        + f". Compare with Aeries, then: aeries-pipeline accounts review {district}, and accounts "
        "approve or accounts reject"
    )
    numbers = {"held": total, "students": sum(one.students for one in open_ones)}
    return Answer(NOTHING_HELD, passed=False, text=text, serious=True, numbers=numbers)


def _schools(computed: Computed) -> Answer:
    picture = computed.picture
    troubles = {**picture.troubles, **computed.left_out}
    said = [f"school {school}: {why}" for school, why in troubles.items()]
    said += [
        f"school {school} is no longer in the roster and has {counted(number, 'active account')}"
        for school, number in sorted(computed.lost_schools.items())
    ]
    text = f"{counted(len(picture.pulls), 'school')}, school year {picture.database_year}"
    if said:
        waits = "; nobody is deactivated meanwhile" if picture.troubles else ""
        text = "; ".join(said) + waits
    return Answer(
        ALL_SCHOOLS,
        not said,
        text,
        # A pull that failed tells of itself; a list that came and is not believed does not.
        serious=any(why.startswith(NONE_ACTIVE) for why in picture.troubles.values()),
        numbers={"read": len(picture.pulls), "not_read": len(picture.troubles)},
    )


def _nobody_waits(district: str, computed: Computed) -> Answer:
    codes = Counter(wait.code for wait in computed.long_waits)
    number = codes.total()
    text = "nobody waits for long"
    if number:
        listed = ", ".join(f"{count} {code}" for code, count in sorted(codes.items()))
        text = (
            f"{doing(number, 'student', 'waits', 'wait')} for longer than stale_after_days "
            f"({listed}); see who they "
            f"are with: aeries-pipeline accounts review {district}"
        )
    return Answer(NOBODY_WAITS, not number, text, numbers={"students": number})


def _one_account(district: str, pairs: Sequence[Pair]) -> Answer:
    number = len(pairs)
    waits = sum(pair.waits for pair in pairs)
    text = "no two ids may be the same child"
    if number:
        text = (
            f"{counted(number, 'pair')} of StudentIDs may be the same child, {waits} of them with "
            "one that "
            f"waits for an account; see which belong together: aeries-pipeline accounts review "
            f"{district}, then accounts same or accounts different"
        )
    numbers = {"pairs": number, "waiting": waits}
    return Answer(ONE_ACCOUNT, not number, text, numbers=numbers)


def _sharing(district: str, computed: Computed) -> Answer:
    found = computed.not_shared
    numbers = {"left_out": len(found.causes), "unknown_on_the_list": found.unknown}
    text = told(found)
    if found.trouble:
        text = (
            f"{found.trouble}; nothing is delivered to Xello before; see: aeries-pipeline "
            f"accounts share {district}"
        )
    return Answer(SHARING, not found.trouble, text, serious=True, numbers=numbers)


def _few(computed: Computed) -> Answer:
    groups = {"deactivations", "absences"}
    trips = [trip.sentence for trip in computed.ruling.trips if trip.group in groups]
    said = [*trips, *computed.ruling.warnings]
    number = computed.applied.get("deactivate", 0)
    text = f"{number} deactivated of {computed.active_before} active accounts"
    return Answer(
        FEW_DEACTIVATIONS,
        not said,
        "; ".join([text, *said]),
        numbers={"deactivated": number, "active_before": computed.active_before},
    )
