"""A whole pull from the second server loses nothing, whichever way it reads the reference."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import Grain
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.ingest.session import Session
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.outcomes import Mode, PullRow
from aeries_pipeline.stores.store import Store
from aeries_pipeline_tests.conftest import CERTIFICATE, FAST, QUICK_ROUNDS, write_roster
from aeries_pipeline_tests.otherserver.compare import lost
from aeries_pipeline_tests.otherserver.population import BOTH, PARTNER, SCHOOL, SECOND, sample
from aeries_pipeline_tests.otherserver.readings import EACH, OPTIONS, Readings, pairs, servers
from aeries_pipeline_tests.otherserver.server import OtherServer, serving
from aeries_pipeline_tests.processes.test_command_line import call

SERVERS = servers()
LINES = sample("transcripts")[0]["CourseGrades"]
BY_FEED = ("students", "classes", "contacts", "courses")
BY_CHANGES = {"kilobytes_per_request": 0.01, "whole": []}


class Installed:
    """An installation whose only district is served by the second server."""

    def __init__(self, folder: Path, url: str, **settings: object) -> None:
        self.settings = Settings(folder / "districts.yaml", folder / "data")
        entry = {
            "id": "heron-usd",
            "name": "Heron",
            "url": url,
            "certificate_env": "TEST_AERIES_CERT",
            "schools": [SCHOOL, SECOND],
            "resources": [one.name for one in RESOURCES.values() if one.optional],
            "database_year": 2020,
            "accounts": QUICK_ROUNDS,
            **settings,
        }
        write_roster(self.settings.roster, [entry])
        self.warehouse = Store(self.settings.data).warehouse("heron-usd")

    @property
    def variables(self) -> dict[str, str]:
        """What the command line is told of the installation."""
        return {
            "AERIES_DISTRICTS": str(self.settings.roster),
            "AERIES_DATA_DIR": str(self.settings.data),
        }

    def pulled(self, *names: str) -> list[PullRow]:
        """Pull everything, or these resources, once and return the rows of the ledger."""
        district = load_roster(self.settings.roster).districts[0]
        found: list[PullRow] = []
        with Session(district, self.settings, self.warehouse, FAST) as session:
            for resource in map(RESOURCES.__getitem__, names or RESOURCES):
                schools = district.schools if resource.grain is Grain.SCHOOL else []
                found += [one.pull for one in pull_resource(session, resource, schools)]
        return found


def hold(folder: Path, readings: Readings) -> None:
    """Pull everything from a server of these readings, and compare all of it."""
    site = OtherServer(CERTIFICATE, readings)
    with serving(site) as url:
        installed = Installed(folder, url)
        pulls = installed.pulled()
    assert [(one.resource, one.reason) for one in pulls if one.status != "complete"] == []
    assert lost(installed.warehouse, site) == []


@pytest.mark.parametrize("readings", SERVERS[:EACH], ids=range(EACH))
def test_a_pull_loses_nothing_whichever_way_the_reference_is_read(
    tmp_path: Path, readings: Readings
) -> None:
    hold(tmp_path, readings)


@pytest.mark.long
@pytest.mark.parametrize("readings", SERVERS[EACH:], ids=range(EACH, len(SERVERS)))
def test_a_pull_loses_nothing_whichever_two_ways_come_together(
    tmp_path: Path, readings: Readings
) -> None:
    hold(tmp_path, readings)


@pytest.mark.parametrize("readings", SERVERS[:EACH], ids=range(EACH))
def test_the_same_lists_are_known_again_whatever_their_end(
    tmp_path: Path, readings: Readings
) -> None:
    names = ("gpas", "transcripts", "graduation_status")
    with serving(OtherServer(CERTIFICATE, readings)) as url:
        installed = Installed(tmp_path, url)
        installed.pulled(*names)
        again = installed.pulled(*names)
    assert {str(one.mode) for one in again} == {"unchanged"}


def test_each_two_readings_come_together_in_some_server() -> None:
    have = set().union(*map(pairs, SERVERS))
    sizes = [len(values) for values in OPTIONS.values()]
    assert len(have) == sum(a * b for a, b in combinations(sizes, 2))
    first = {(name, getattr(one, name)) for one in SERVERS[:EACH] for name in OPTIONS}
    assert first == {(name, value) for name, values in OPTIONS.items() for value in values}


@pytest.mark.parametrize(
    ("gone", "student"),
    [("[]", "every row"), ("404", "row of the school"), ("204", "every row")],
)
def test_a_night_of_changes_loses_nothing(tmp_path: Path, gone: str, student: str) -> None:
    site = OtherServer(CERTIFICATE, replace(SERVERS[1], gone=gone, student=student, clock="Z"))
    with serving(site) as url:
        installed = Installed(tmp_path, url, incremental=BY_CHANGES)
        installed.pulled(*BY_FEED)
        change(site)
        pulls = installed.pulled(*BY_FEED)
    assert [(one.resource, one.reason) for one in pulls if one.status != "complete"] == []
    assert lost(installed.warehouse, site, *BY_FEED) == []
    modes = {one.resource: one.mode for one in pulls if one.school in {None, SCHOOL}}
    # 404 may also be a site that lacks the end point; the whole list knows.
    contacts = Mode.FULL if gone == "404" else Mode.CHANGES
    assert modes == dict.fromkeys(BY_FEED, Mode.CHANGES) | {"contacts": contacts}


def test_without_an_offset_nobody_knows_since_when_to_ask(tmp_path: Path) -> None:
    site = OtherServer(CERTIFICATE, Readings(clock="no offset"))
    with serving(site) as url:
        installed = Installed(tmp_path, url, incremental=BY_CHANGES)
        installed.pulled("classes")
        site.records["classes", SCHOOL][0]["SectionNumber"] = 4711
        found = installed.pulled("classes")
    assert {one.mode for one in found if one.school == SCHOOL} == {Mode.FULL}
    assert lost(installed.warehouse, site, "classes") == []


def change(site: OtherServer) -> None:
    """Change a student of two schools and a class, lose a contact, and add a course."""
    for code in (SCHOOL, SECOND):
        (mine,) = (one for one in site.records["students", code] if one["StudentID"] == BOTH)
        mine["LastName"] = f"Abbott-{code}"
    site.changed["students"] = [
        {"StudentID": BOTH, "SchoolCode": code, "StudentNumber": 1} for code in (SCHOOL, SECOND)
    ]
    site.records["classes", SCHOOL][0]["SectionNumber"] = 4711
    one = site.records["classes", SCHOOL][0]["StudentID"]
    site.changed["classes"] = [{"StudentID": one, "SchoolCode": SCHOOL, "StudentNumber": 1}]
    contacts = site.records["contacts", SCHOOL]
    gone = contacts.pop()["StudentID"]
    site.changed["contacts"] = [
        {"StudentID": gone, "SchoolCode": SCHOOL, "StudentNumber": 9},
        # A student whom a district shares with a partner.
        {"StudentID": 8100001, "SchoolCode": PARTNER, "StudentNumber": 7777},
    ]
    site.records["courses", None].append(site.records["courses", None][0] | {"ID": "NEW/1"})
    site.changed["courses"] = [{"ID": "NEW/1"}]


@pytest.mark.long
def test_the_command_loses_nothing_either(tmp_path: Path) -> None:
    site = OtherServer(CERTIFICATE, SERVERS[3])
    with serving(site) as url:
        installed = Installed(tmp_path, url)
        result = call(installed, "sync", "heron-usd")  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output
    assert lost(installed.warehouse, site) == []


@pytest.mark.parametrize(
    "who",
    [{430}, set(range(1, 451)) - {3, 250, 449}, set(), {201, 202, 449}, set(range(1, 451, 40))],
    ids=["one", "all but three", "nobody", "a few", "every 40th"],
)
def test_who_has_no_history_hides_nobody_who_has(tmp_path: Path, who: set[int]) -> None:
    """The school has 450 students; those without history have a number and no element."""
    site = OtherServer(CERTIFICATE, Readings(history="a number alone"))
    for name in ("students", "transcripts"):
        one = site.records[name, SCHOOL][0]
        site.records[name, SCHOOL] = [
            deepcopy(one) | {"StudentID": number, "StudentNumber": number}
            if name == "students"
            else {"StudentID": number, "SchoolCode": SCHOOL, "CourseGrades": LINES}
            if number in who
            else {"StudentID": number, "SchoolCode": SCHOOL, "CourseGrades": []}
            for number in range(1, 451)
        ]
    with serving(site) as url:
        pulls = Installed(tmp_path, url).pulled("students", "transcripts")
    (found,) = (one for one in pulls if (one.resource, one.school) == ("transcripts", SCHOOL))
    assert (found.status, found.rows) == ("complete", len(who) * len(LINES))
    assert found.requests <= 40, "and no request for each student"


@pytest.mark.parametrize("refused", [401, 403])
def test_what_may_not_be_read_is_no_empty_list(tmp_path: Path, refused: int) -> None:
    site = OtherServer(CERTIFICATE, Readings(refused=refused))
    with serving(site) as url:
        installed = Installed(tmp_path, url)
        installed.pulled("graduation_status")
        site.not_granted = frozenset({"graduation_status"})
        (one, other) = installed.pulled("graduation_status")
    assert one.status == other.status == "not_granted"
    assert lost(installed.warehouse, site, "graduation_status") == []


def test_names_in_other_letters_are_refused_and_not_taken_for_missing_values(
    tmp_path: Path,
) -> None:
    site = OtherServer(CERTIFICATE)
    plain = site.answer

    def in_small_letters(path: str, query: dict[str, str], certificate: str) -> tuple[int, str]:
        status, body = plain(path, query, certificate)
        return status, body.replace('"StudentID"', '"studentID"')

    site.answer = in_small_letters  # type: ignore[method-assign]
    with serving(site) as url:
        found = Installed(tmp_path, url).pulled("students", "gpas")
    assert {one.status for one in found} == {"refused"}
    assert {"StudentID" in one.reason for one in found} == {True}
