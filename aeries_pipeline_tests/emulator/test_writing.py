"""The calls that write course requests are held to the published bodies and rules, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from aeries_pipeline.emulator.from_samples import SAMPLES
from aeries_pipeline.emulator.serve import Shape, make_site, serving
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.emulator.site import DEMO_CERTIFICATE, EVERYTHING, Site
from aeries_pipeline.emulator.writing import WRITE_GRANT

HEADERS = {"AERIES-CERT": DEMO_CERTIFICATE}
SHAPE = Shape(seed=3, schools=3, students=120, areas=EVERYTHING | WRITE_GRANT)


class Server:
    """One site behind HTTP, and a student of its high school without requests."""

    def __init__(self, site: Site, url: str) -> None:
        self.site, self.url = site, url
        rows = site.district.rows[994]
        self.row = next(row for row in rows if row.grade == 9 and row.person.id % 3)
        self.courses = [one.id for one in site.district.courses if one.low <= 10 <= one.high]

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        place = f"{self.url}/eagle/api/v5/schools/994/students/{self.row.person.id}/{path}"
        return requests.request(method, place, json=body, headers=HEADERS, timeout=5)

    def held(self) -> list[dict[str, Any]]:
        return self.call("GET", "courserequests").json()


@pytest.fixture
def server() -> Iterator[Server]:
    site = make_site(SHAPE)
    with serving(Emulator({"eagle": site})) as url:
        yield Server(site, url)


def payload(name: str, **changes: Any) -> dict[str, Any]:
    text = (SAMPLES / "bodies" / f"{name}.json").read_text(encoding="utf-8")
    return {**json.loads(text), **changes}


def test_what_is_created_is_there_and_has_a_number_of_the_server(server: Server) -> None:
    first, second, *_ = server.courses
    for course in (first, second):
        made = payload("courserequests_post", CourseID=course,
                       AlternateCourseRequestReferences=[])  # fmt: skip
        answer = server.call("POST", "courserequests", made)
        assert (answer.status_code, answer.json()["CourseID"]) == (201, course)
        assert answer.json() in server.held()
    assert [one["SequenceNumber"] for one in server.held()] == [1, 2]
    # Nothing forbids a course twice; Aeries has a screen to find such requests.
    assert server.call("POST", "courserequests", {"CourseID": first}).status_code == 201
    assert [one["CourseID"] for one in server.held()] == [first, second, first]


def test_an_update_changes_what_is_named_and_creates_what_is_missing(server: Server) -> None:
    first, second, third, *_ = server.courses
    server.call("POST", "courserequests", {"CourseID": first})
    for course in (second, third):
        made = payload("alternatecourserequests_post", CourseID=course)
        assert server.call("POST", "alternatecourserequests", made).status_code == 201
    added = {"AlternateCourseRequestReferences": [2],
             "AlternateCourseRequestUpdateOptions": "Append"}  # fmt: skip
    answer = server.call("PUT", "courserequests/1", added)
    assert (answer.status_code, answer.json()["CourseID"]) == (200, first)
    append = payload("courserequests_put_append", CourseID=second,
                     AlternateCourseRequestReferences=[1])  # fmt: skip
    linked = server.call("PUT", "courserequests/1", append).json()
    assert linked["CourseID"] == second
    assert [one["SequenceNumber"] for one in linked["AlternateCourseRequests"]] == [1, 2]
    replace = payload("courserequests_put", CourseID=second,
                      AlternateCourseRequestReferences=[2])  # fmt: skip
    linked = server.call("PUT", "courserequests/1", replace).json()
    assert [one["CourseID"] for one in linked["AlternateCourseRequests"]] == [third]
    assert server.call("PUT", "courserequests/7", {"CourseID": first}).status_code == 201
    assert [one["SequenceNumber"] for one in server.held()] == [1, 7]
    assert server.call("PUT", "courserequests/9", added).status_code == 400, "no course"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"CourseID": ""},
        {"CourseID": "NoSuch"},
        {"CourseID": "0001 and more"},
        {"CourseID": None},
        {"AlternateCourseRequestReferences": [3]},
        {"AlternateCourseRequestUpdateOptions": "Remove"},
        {"SectionNumber": 12},
        {"PreferredStaffID": 994605},
        {"AlternateTag": "Y"},
        {"SequenceNumber": 1},
        {"SequenceNumber": -3},
    ],
)
def test_what_the_reference_calls_an_error_changes_nothing(server: Server, body: Any) -> None:
    course = {} if not body or "CourseID" in body else {"CourseID": server.courses[1]}
    server.call("POST", "courserequests", {"CourseID": server.courses[0]})
    before = server.held()
    answer = server.call("POST", "courserequests", {**course, **body})
    assert answer.status_code == 400
    assert set(answer.json()) == {"Message"}
    assert server.held() == before


def test_who_may_write_and_what_for(server: Server) -> None:
    body = {"CourseID": server.courses[0]}
    server.site.certificates[DEMO_CERTIFICATE] = EVERYTHING
    assert server.call("POST", "courserequests", body).status_code == 401
    assert server.call("PUT", "courserequests/1", body).status_code == 401
    server.site.certificates[DEMO_CERTIFICATE] = EVERYTHING | WRITE_GRANT
    assert server.call("POST", "programs", body).status_code == 405
    place = f"{server.url}/eagle/api/v5/schools/994/students/1/courserequests"
    assert requests.post(place, json=body, headers=HEADERS, timeout=5).status_code == 404
    assert requests.post(place, json=body, timeout=5).status_code == 401
    assert server.held() == []
