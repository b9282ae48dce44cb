import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeries_pipeline.districts.errors import (
    AeriesError,
    ConfigurationError,
    PermanentError,
    PermissionMissingError,
    TransientError,
)
from aeries_pipeline.ingest.api.answers import error_of, rows_of
from aeries_pipeline_tests.ingest.test_trust import INFO, client_of, stranger

JSON = "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b"[]", []),
        (b'[{"a":1}]', [{"a": 1}]),
        (b'{"a":1}', [{"a": 1}]),
        (b'\xef\xbb\xbf[{"a":1}]\r\n', [{"a": 1}]),
        (b'{"Message":"x","SchoolCode":1}', [{"Message": "x", "SchoolCode": 1}]),
    ],
)
def test_rows_come_out_of_lists_and_of_single_objects(body: bytes, rows: list[dict]) -> None:
    assert rows_of(body, JSON, "x") == rows


@pytest.mark.parametrize(
    ("body", "content_type", "kind", "code", "says"),
    [
        (b"", JSON, TransientError, "empty_body", "empty body"),
        (b'[{"a":1},{"b"', JSON, TransientError, "truncated_body", "broke off after 13 bytes"),
        (
            b"<html><input type=password></html>",
            "text/html",
            ConfigurationError,
            "html_page",
            "a login page",
        ),
        (b"<html>Maintenance</html>", JSON, TransientError, "web_page", "a web page"),
        (b"<ArrayOfTest></ArrayOfTest>", "text/xml", PermanentError, "xml_body", "XML came"),
        (
            b'{"Message":"An error has occurred."}',
            JSON,
            PermanentError,
            "message_body",
            "an error message instead of data",
        ),
        (
            b'{"Message":"Invalid Student ID 99400001"}',
            JSON,
            PermanentError,
            "message_body",
            "error message",
        ),
        (b"The service is unavailable.", "text/plain", PermanentError, "not_json", "not JSON"),
        (b'["a"]', JSON, PermanentError, "not_rows", "not a list of objects"),
        *(
            (b'[{"a":1},{"b":%s}]' % value, JSON, PermanentError, "bad_json", "is whole")
            for value in (
                b"NaN",
                b"-Infinity",
                b"1e999",
                rb'"\ud83d"',
                b'"a\tb"',
                b"[" * 2000 + b"]" * 2000,
                b"1,",
            )
        ),
        (b'[{"a":"[{"},{"b":"x\\"}]', JSON, TransientError, "truncated_body", "broke off"),
        (b'[{"a":NaN},{"b":1}', JSON, TransientError, "truncated_body", "broke off"),
        (b'[{"a":"Mu\xf1oz"},{"b":"this goes on"}]', JSON, PermanentError, "not_utf8", "not UTF-8"),
    ],
)
def test_what_is_not_an_answer_is_recognised(
    body: bytes, content_type: str, kind: type[AeriesError], code: str, says: str
) -> None:
    with pytest.raises(kind) as caught:
        rows_of(body, content_type, "eagle-usd, school 994, students")
    assert caught.value.code == code
    assert says in str(caught.value)
    assert str(caught.value).startswith("eagle-usd, school 994, students: ")
    assert "99400001" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "code"),
    [
        (302, {"Location": "/login.aspx"}, b"", ConfigurationError, "redirected"),
        (301, {"Location": "https://new.org/aeries"}, b"", ConfigurationError, "moved"),
        (400, {}, b'{"Message":"Bad"}', PermanentError, "http_400"),
        (401, {}, b"", PermissionMissingError, "unauthorized"),
        (401, {"WWW-Authenticate": "NTLM"}, b"", ConfigurationError, "windows_authentication"),
        (403, {}, b"{}", PermissionMissingError, "forbidden"),
        (403, {}, b"<html>Blocked</html>", ConfigurationError, "blocked"),
        (404, {}, b"", PermanentError, "not_found"),
        (429, {}, b"", TransientError, "http_429"),
        (500, {}, b'{"Message":"An error"}', TransientError, "http_500"),
        (501, {}, b"", PermanentError, "http_501"),
        (503, {}, b"", TransientError, "http_503"),
    ],
)
def test_each_status_has_a_type_and_a_sentence(
    status: int, headers: dict[str, str], body: bytes, kind: type[AeriesError], code: str
) -> None:
    error = error_of(status, headers, body, "eagle-usd, courses")
    assert type(error) is kind
    assert error.code == code
    assert str(error).startswith("eagle-usd, courses: ")


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 409, 429, 500, 501, 503])
def test_nothing_that_a_server_says_is_repeated(status: int) -> None:
    """Its texts, addresses, types and names may hold a student's."""
    said = "Student Quintero Marisol cannot be read"
    headers = {
        "Location": "https://quintero.marisol.example.org/Quintero?student=Marisol",
        "Content-Type": "application/json; name=Quintero-Marisol.json",
        "Content-Disposition": "attachment; filename=Quintero-Marisol.csv",
        "Server": "Quintero Marisol",
    }
    for body in (
        json.dumps({"Message": said, "ExceptionMessage": said}).encode(),
        said.encode(),
        f"<html><title>{said}</title></html>".encode(),
    ):
        error = error_of(status, headers, body, "eagle-usd, courses")
        assert not re.search("quintero|marisol", str(error), re.IGNORECASE)


@pytest.mark.parametrize("content_type", ["application/Quintero", "text/html; Quintero", ""])
@pytest.mark.parametrize(
    "body",
    [b'{"Message":"Quintero"}', b"Quintero", b"<p>Quintero</p>", b"<Quintero/>", b'["Quintero"]'],
)
def test_nothing_of_an_answer_with_status_200_is_repeated(body: bytes, content_type: str) -> None:
    with pytest.raises(AeriesError) as caught:
        rows_of(body, content_type, "eagle-usd, courses")
    assert "Quintero" not in str(caught.value)


@given(
    rows=st.lists(
        st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())), min_size=1
    ),
    ends=st.floats(0, 1, exclude_max=True),
)
def test_an_answer_that_ends_early_is_always_told_from_one_that_is_not_json(
    rows: list[dict], ends: float
) -> None:
    whole = json.dumps(rows).encode()
    cut = whole[: max(1, int(len(whole) * ends))]
    with pytest.raises(TransientError):
        rows_of(cut, JSON, "x")
    with pytest.raises(PermanentError) as caught:
        rows_of(whole[:-1] + b',{"a":NaN}]', JSON, "x")
    assert caught.value.code == "bad_json"


@pytest.mark.parametrize("body", [b'[{"a":NaN}]', b'[{"a":' + b"[" * 2000 + b"]" * 2000 + b"}]"])
def test_an_answer_that_is_not_json_is_not_asked_for_again(body: bytes) -> None:
    with (
        stranger({"systeminfo": (200, {}, INFO), "*": (200, {}, body)}) as (url, seen),
        client_of(url) as client,
        pytest.raises(PermanentError, match="is whole, but not valid JSON"),
    ):
        client.get("schools", what="the list of schools")
    assert sum("/schools" in one for one in seen) == 1


@pytest.mark.parametrize(
    ("status", "body"), [(204, b""), (200, b"null"), (200, b"\xef\xbb\xbfnull\r\n"), (200, b"[]")]
)
def test_each_way_to_say_none_is_the_same_empty_list(status: int, body: bytes) -> None:
    replies = {"systeminfo": (200, {}, INFO), "*": (status, {}, body)}
    with stranger(replies) as (url, seen), client_of(url) as client:
        answer = client.get("schools/994/students", what="students")
        assert answer.rows == []
        assert answer.body == b"[]"
        again = client.get("schools/994/students", what="students", expected=answer.seen)
        assert again.is_known, "the next night finds that nothing has changed"
    assert len(seen) == 3, "it is believed at once"


def test_an_empty_body_says_nothing_and_is_asked_for_again() -> None:
    with (
        stranger({"systeminfo": (200, {}, INFO), "*": (200, {}, b"")}) as (url, seen),
        client_of(url) as client,
        pytest.raises(TransientError, match="empty body"),
    ):
        client.get("schools", what="the list of schools")
    assert sum("/schools" in one for one in seen) == 2


@pytest.mark.parametrize(("status", "body"), [(204, b""), (200, b"null")])
def test_a_server_that_says_none_of_itself_is_no_aeries(status: int, body: bytes) -> None:
    with (
        stranger({"*": (status, {}, body)}) as (url, seen),
        client_of(url) as client,
        pytest.raises(AeriesError, match="certificate is not sent"),
    ):
        client.get("schools", what="the list of schools")
    assert len(seen) == 1
