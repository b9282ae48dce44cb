import json
import re

import pytest

from aeries_pipeline.districts.errors import (
    AeriesError,
    ConfigurationError,
    PermanentError,
    PermissionMissingError,
    TransientError,
)
from aeries_pipeline.ingest.api.answers import error_of, rows_of

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
