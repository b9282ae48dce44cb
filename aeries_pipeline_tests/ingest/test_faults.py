"""What an operator reads when a district's server misbehaves.

Each fault strikes a good server over real HTTP; the last good rows must stay,
and the ledger must hold one sentence that says what, where and what to do.
"""

from typing import Any

import pytest

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.districts.errors import PermanentError
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.stores.outcomes import Loaded
from aeries_pipeline_tests.conftest import CERTIFICATE, KEEPS_LANDING, World

STUDENTS = r"schools/994/students"


def pull(world: World, resource: str = "students") -> dict[int | None, Loaded]:
    with world.session() as session:
        results = pull_resource(session, RESOURCES[resource], world.schools)
    return {one.pull.school: one for one in results}


FAULTS: list[tuple[str, list[dict[str, Any]], str, str, str]] = [
    ("500", [{"kind": "status", "status": 500}], "failed", "http_500", "the server answered 500"),
    ("503", [{"kind": "status", "status": 503}], "failed", "http_503", "(tried 3 times)"),
    ("429", [{"kind": "status", "status": 429}], "failed", "http_429", "pull again later"),
    (
        "429 for longer than we wait",
        [{"kind": "status", "status": 429, "retry_after": "900"}],
        "failed",
        "http_429",
        "(the server asks to wait 900 s)",
    ),
    ("404", [{"kind": "status", "status": 404}], "failed", "not_found", "not found (404)"),
    (
        "401",
        [{"kind": "status", "status": 401}],
        "not_granted",
        "permission_missing",
        "tick Read on 'Student Data'",
    ),
    (
        "403",
        [{"kind": "status", "status": 403}],
        "not_granted",
        "permission_missing",
        "API Security",
    ),
    (
        "Windows login",
        [{"kind": "windows_login"}],
        "failed",
        "windows_authentication",
        "Windows login",
    ),
    ("reset", [{"kind": "reset"}], "failed", "connection_lost", "was lost"),
    (
        "cut off in mid-body",
        [{"kind": "cut"}],
        "failed",
        "truncated_body",
        "in the middle of the answer",
    ),
    ("truncated JSON", [{"kind": "truncated"}], "failed", "truncated_body", "broke off after"),
    (
        "slow drip",
        [{"kind": "drip", "seconds": 0.3}],
        "failed",
        "slow_body",
        "took longer than 2 s",
    ),
    (
        "hangs",
        [{"kind": "latency", "seconds": 2.5}],
        "failed",
        "read_timeout",
        "sent nothing for 2 s",
    ),
    (
        "login page with 200",
        [{"kind": "html"}],
        "failed",
        "html_page",
        "a login page came instead of data",
    ),
    (
        "redirect to a login",
        [{"kind": "redirect"}],
        "failed",
        "redirected",
        "redirects to a login page",
    ),
    (
        "message with 200",
        [{"kind": "message"}],
        "failed",
        "message_body",
        "error message instead of data",
    ),
    ("empty body", [{"kind": "empty_body"}], "failed", "empty_body", "empty body"),
    ("not JSON", [{"kind": "not_json"}], "failed", "not_json", "not JSON"),
    ("empty list", [{"kind": "empty"}], "refused", "empty", "the answer is empty after"),
    ("half the rows", [{"kind": "half"}], "refused", "shrunken", "--accept-shrunken"),
    (
        "the same page for ever",
        [{"kind": "repeat"}],
        "failed",
        "repeated_page",
        "same page again and again",
    ),
    (
        "a required field gone",
        [{"kind": "drop_field", "field": "InactiveStatusCode"}],
        "refused",
        "missing_field",
        "InactiveStatusCode not in the answer",
    ),
    (
        "every value bad",
        [{"kind": "bad_value", "field": "Grade"}],
        "refused",
        "too_many_bad_rows",
        "read the reasons in the quarantine schema",
    ),
]


@pytest.mark.parametrize(
    ("faults", "status", "code", "says"), [case[1:] for case in FAULTS], ids=[c[0] for c in FAULTS]
)
def test_a_fault_costs_one_school_and_is_one_sentence(
    make_world, faults: list[dict[str, Any]], status: str, code: str, says: str
) -> None:
    world = make_world(students=1300 if code == "repeated_page" else 150)
    before = pull(world)
    assert {str(one.pull.status) for one in before.values()} == {"complete"}
    world.faults(*({**fault, "path": STUDENTS} for fault in faults))
    after = pull(world)
    struck = after.pop(994)
    assert {str(one.pull.status) for one in after.values()} == {"complete"}
    assert (str(struck.pull.status), struck.pull.code) == (status, code)
    assert says in struck.pull.reason
    assert struck.pull.reason.startswith("eagle-usd, school 994, students: ")
    assert CERTIFICATE not in struck.pull.reason
    kept = world.warehouse.rows(
        "SELECT count(*), any_value(_pull_id) FROM raw.students WHERE school = 994"
    )
    assert kept == [(before[994].pull.rows, before[994].pull.pull_id)]
    ledger = world.warehouse.rows(
        "SELECT status, code FROM meta.pulls WHERE school = 994 ORDER BY finished_at DESC LIMIT 1"
    )
    assert ledger == [(status, code)]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503, "retry_after": "0"},
        {"kind": "status", "status": 429, "retry_after": "date+1"},
        {"kind": "status", "status": 500},
        {"kind": "reset"},
        {"kind": "cut"},
        {"kind": "truncated"},
        {"kind": "empty_body"},
    ],
    ids=lambda fault: fault["kind"] + str(fault.get("status", "")),
)
def test_what_passes_is_tried_again_and_counted(world: World, fault: dict[str, Any]) -> None:
    world.faults({**fault, "path": STUDENTS, "times": 1})
    result = pull(world)[994]
    assert result.pull.status == "complete"
    assert result.pull.retries == 1
    assert result.pull.requests == result.pull.pages + 2  # one again, and one that ends the list


def test_latency_alone_is_no_fault(world: World) -> None:
    world.faults({"kind": "latency", "seconds": 0.2, "path": STUDENTS})
    assert pull(world)[994].pull.status == "complete"


def test_a_new_field_is_kept_and_reported(world: World) -> None:
    world.faults({"kind": "add_field", "field": "PronounCode", "path": STUDENTS})
    result = pull(world)[994]
    assert result.pull.status == "complete"
    assert result.pull.drift == '{"unknown": ["PronounCode"]}'
    rows = world.warehouse.rows(
        "SELECT DISTINCT _extra->>'PronounCode' FROM raw.students WHERE school = 994"
    )
    assert rows == [("new",)]


def test_a_few_bad_rows_are_set_aside_and_the_rest_loads(make_world) -> None:
    world = make_world(students=400)
    world.faults({"kind": "bad_value", "field": "Grade", "share": 0.01, "path": STUDENTS})
    result = pull(world)[994]
    assert result.pull.status == "complete"
    assert result.pull.quarantined > 0
    assert world.warehouse.rows("SELECT DISTINCT reason FROM quarantine.students") == [
        ("Grade: not a whole number",)
    ]


@pytest.mark.parametrize(
    ("text", "why", "kept"),
    [
        ("NaN", "NaN or infinity for a number", "NaN"),
        (r'"Zo\ud83d"', "half a character", r"Zo\ud83d"),
        ('"a\tb"', "a control character in a text", "a\tb"),
        ("[" * 2000 + "]" * 2000, "more than 1,000 levels", None),
    ],
    ids=["NaN", "surrogate", "control", "levels"],
)
def test_a_row_that_is_no_valid_json_harms_itself_alone(
    make_world, text: str, why: str, kept: str | None
) -> None:
    world = make_world(students=300)
    fault = {"kind": "bad_value", "share": 0.01, "text": text}
    world.faults(
        {**fault, "field": "Counselor", "path": STUDENTS},
        {**fault, "field": "SchoolCode", "path": "schools/994/transcript$"},
    )
    result = pull(world)[994].pull
    (of_994,) = world.warehouse.rows("SELECT count(*) FROM raw.students WHERE school = 994")
    students = {row.person.id for row in world.site.district.rows[994]}
    assert (result.status, result.retries) == ("complete", 0)
    assert 0 < result.quarantined < 5
    assert of_994 == (len(students) - result.quarantined,)
    bad = world.warehouse.rows(
        "SELECT reason, (record->>'StudentID')::INTEGER, record->>'Counselor' "
        "FROM quarantine.students"
    )
    assert {reason for reason, _student, _value in bad} == {f"the row is not valid JSON: {why}"}
    assert {student for _reason, student, _value in bad} < students
    assert kept is None or {value for _reason, _student, value in bad} == {kept}
    landed = sorted(world.settings.landing.glob("eagle-usd/students/994/*/*.received"))
    assert bool(landed) is KEEPS_LANDING, "the answer is kept as it was received"
    assert all(text in page.read_text("utf-8") for page in landed)

    # The same bytes on the next night are as before, and a page beside them is read anew.
    again = pull(world)[994].pull
    assert (again.status, again.mode) == ("complete", "unchanged")
    assert again.quarantined == result.quarantined
    world.site.advance(1)
    assert pull(world)[994].pull.quarantined > 0

    of_students = pull(world, "transcripts")[994].pull
    assert of_students.status == "complete"
    assert 0 < of_students.quarantined < 5
    assert of_students.rows > 100


def test_answers_about_one_record_are_whole_or_refused(world: World) -> None:
    """A student whom such an answer leaves out would be taken for one who is gone."""
    pull(world)
    world.faults(
        {"kind": "bad_value", "field": "Counselor", "text": "NaN", "path": r"students/\d+"}
    )
    with world.session() as session:
        session.preflight()
        student = world.site.district.rows[994][0].person.id
        with pytest.raises(PermanentError) as caught:
            session.client.get(f"schools/994/students/{student}", what="one student")
    assert caught.value.code == "bad_json"


def test_a_wrong_certificate_is_told_from_a_missing_permission(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_AERIES_CERT", CERTIFICATE.lower())
    result = pull(world)[994]
    assert (str(result.pull.status), result.pull.code) == ("failed", "certificate_rejected")
    assert "case-sensitive" in result.pull.reason
    assert CERTIFICATE.lower() not in result.pull.reason


def test_a_wrong_year_stops_the_pull_before_anything_is_loaded(world: World) -> None:
    before = pull(world)[994].pull
    world.site.district.version += 1
    world.faults({"kind": "wrong_year", "path": "systeminfo"})
    result = pull(world)[994]
    assert (str(result.pull.status), result.pull.code) == ("failed", "year_changed")
    assert "set database_year: 2019 in the roster" in result.pull.reason
    assert [v.path for v in world.emulator.log][-1] == "eagle-usd/api/v5/systeminfo".split("/", 1)[
        1
    ]
    assert world.warehouse.rows(
        "SELECT DISTINCT _pull_id FROM raw.students WHERE school = 994"
    ) == [(before.pull_id,)]


def test_the_year_of_the_roster_is_asked_for_and_checked(world: World) -> None:
    world.write_roster(database_year=2025)
    result = pull(world)[994]
    assert result.pull.code == "wrong_year"
    assert "2025 was asked for" in result.pull.reason


def test_a_host_that_does_not_exist_and_a_port_that_refuses(world: World) -> None:
    world.write_roster(url="http://127.0.0.1:1/aeries")
    assert pull(world)[994].pull.code == "refused"
    assert "refuses the connection" in pull(world)[994].pull.reason


def test_a_url_that_is_not_aeries(world: World) -> None:
    world.write_roster(url=f"{world.url}/elsewhere")
    assert pull(world)[994].pull.code == "html_page"
