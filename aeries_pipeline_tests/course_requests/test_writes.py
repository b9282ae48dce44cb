"""Requests that are written through the API: over HTTP, into an emulator that forgets nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from aeries_pipeline.cli.send_requests import send_requests
from aeries_pipeline.cli.sql import Query, run_query
from aeries_pipeline.course_requests.reconcile import Arrival, reconcile
from aeries_pipeline.course_requests.writes.send import Sent, send, show
from aeries_pipeline.districts.errors import AeriesError, ConfigurationError, StoppedError
from aeries_pipeline.emulator.district import Row
from aeries_pipeline.emulator.site import EVERYTHING
from aeries_pipeline.emulator.switches import Switches
from aeries_pipeline.emulator.writing import WRITE_GRANT
from aeries_pipeline.ingest.session import PullOptions
from aeries_pipeline_tests.conftest import CERTIFICATE, FAST, MakeWorld, World
from aeries_pipeline_tests.course_requests.test_pipeline import (
    GRANTED,
    WITHOUT,
    courses,
    files,
    lines,
    pull,
    put,
    sophomores,
    take,
)

MAY = EVERYTHING | WRITE_GRANT
SETTLED: dict[str, Any] = {**GRANTED, "course_requests": {"write": "api"}}


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(areas=MAY, roster=SETTLED)


def plain(world: World) -> list[Row]:
    """Students of the high school who have no requests in Aeries."""
    return [row for row in sophomores(world) if row.person.id % 3]


def given(world: World, *pairs: tuple[Row, str], name: str = "requests.csv") -> None:
    """Hand in a file and write the school's folder, as on any evening."""
    put(world, lines([(row.person.id, course) for row, course in pairs]), name)
    take(world)
    files(world)


def sent(world: World, options: PullOptions = FAST, *, again: bool = False) -> Sent:
    return send(world.warehouse, world.district, [994], lambda: world.session(options), again=again)


def shown(world: World) -> Sent:
    return show(world.warehouse, world.district, [994])


def two_wishes(world: World) -> tuple[Row, str, str]:
    """Hand in and show two wishes of one student, and return the student and both courses."""
    pull(world)
    one = plain(world)[0]
    first, second, *_ = courses(world)
    given(world, (one, first), (one, second))
    shown(world)
    return one, first, second


def later(world: World) -> None:
    """Let the time go by after which a request without an answer is no longer carried out."""
    with world.warehouse.open() as connection:
        connection.execute(
            "UPDATE core.course_request_writes SET asked_at = asked_at - INTERVAL 11 MINUTE"
        )


def in_aeries(world: World, row: Row) -> Counter[str]:
    return Counter(world.site.endpoints.courses_of(row).values())


def outcomes(found: Sent) -> dict[str, int]:
    return {str(one): number for (_school, one), number in found.counts.items() if number}


def posts(world: World) -> list[str]:
    return [one.path for one in world.emulator.log if one.method != "GET"]


def record(world: World) -> list[tuple[Any, ...]]:
    return world.warehouse.rows(
        "SELECT student_id, course_id, kind, call, outcome, status, sequence_number "
        "FROM core.course_request_writes WHERE outcome <> 'shown' ORDER BY write_id, call_number"
    )


def test_a_dry_run_comes_first_and_only_what_it_has_shown_is_written(world: World) -> None:
    pull(world)
    one, other = plain(world)[:2]
    first, second, *_ = courses(world)
    given(world, (one, first), (one, second))
    before = sent(world)
    assert (before.not_shown, outcomes(before), before.is_good) == (2, {}, False)
    told = shown(world)
    assert (outcomes(told), told.is_good) == ({"shown": 2}, True)
    assert posts(world) == [], "a dry run sends nothing that writes"
    given(world, (other, first), name="later.csv")
    found = sent(world)
    assert (outcomes(found), found.not_shown) == ({"written": 2}, 1)
    assert in_aeries(world, one) == {first: 1, second: 1}
    assert in_aeries(world, other) == {}
    who = one.person.id
    assert record(world) == [
        (who, first, "request", "POST", "written", 201, 1),
        (who, second, "request", "POST", "written", 201, 2),
    ]
    shown(world)
    assert outcomes(sent(world)) == {"there": 2, "written": 1}


def test_a_second_run_writes_nothing_and_what_others_entered_stays(
    world: World, tmp_path: Path
) -> None:
    pull(world)
    busy = next(row for row in sophomores(world) if not row.person.id % 3)
    before = dict(world.site.endpoints.courses_of(busy))
    theirs = next(iter(before.values()))
    new = next(one for one in courses(world) if one not in before.values())
    given(world, (busy, theirs), (busy, new))
    shown(world)
    assert outcomes(sent(world)) == {"there": 1, "written": 1}
    after = dict(world.site.endpoints.courses_of(busy))
    assert after == before | {max(before) + 1: new}
    assert outcomes(sent(world)) == {"there": 2}
    assert len(posts(world)) == 1
    pull(world, *WITHOUT, "course_requests", "alternate_course_requests")
    take(world)
    (found,) = [one for one in reconcile(world.warehouse, "eagle-usd") if one.school == 994]
    assert (found.counts[Arrival.ARRIVED], found.share) == (2, 1.0)
    question = "SELECT arrival, count(*) FROM core.course_request_arrivals GROUP BY ALL"
    run_query(world.settings, Query(question, output=tmp_path / "told.csv"), Console())
    assert "arrived,2" in (tmp_path / "told.csv").read_text(encoding="utf-8").splitlines()
    numbers = world.warehouse.rows(
        "SELECT arg_max(sequence_number, exported_at) FROM core.course_request_exports "
        "WHERE course_id = ?", [new],
    )  # fmt: skip
    assert numbers == [(max(before) + 1,)], "the record follows the server's number"
    assert outcomes(sent(world)) == {}, "what a pull shows is not asked for"


def test_alternates_come_before_the_request_that_links_them(world: World) -> None:
    pull(world)
    one = plain(world)[0]
    first, second, third, *_ = courses(world)
    who = one.person.id
    put(world, "StudentID,CourseID,Alternate For\n"
               f"{who},{first},\n{who},{second},{first}\n{who},{third},any\n")  # fmt: skip
    take(world)
    files(world)
    shown(world)
    assert outcomes(sent(world)) == {"written": 3}
    assert [path.rpartition("/")[2] for path in posts(world)] == [
        "alternatecourserequests", "alternatecourserequests", "courserequests",
    ]  # fmt: skip
    alternates = world.site.endpoints.alternates_of(one)
    assert [course for course, _order in alternates.values()] == [second, third]
    assert world.site.endpoints.links_of(one, 1) == [1]


def test_an_alternate_is_linked_to_what_is_there_and_no_link_is_lost(world: World) -> None:
    pull(world)
    busy = next(row for row in sophomores(world) if not row.person.id % 6)
    held = world.site.endpoints.courses_of(busy)
    assert world.site.endpoints.links_of(busy, 1) == [1]
    theirs = [course for course, _order in world.site.endpoints.alternates_of(busy).values()]
    new = next(one for one in courses(world) if one not in {*held.values(), *theirs})
    who = busy.person.id
    put(world, f"StudentID,CourseID,Alternate For\n{who},{held[1]},\n{who},{new},{held[1]}\n")
    take(world)
    files(world)
    shown(world)
    found = sent(world)
    assert (outcomes(found), found.links) == ({"there": 1, "written": 1}, 1)
    assert world.site.endpoints.links_of(busy, 1) == [1, 2]
    assert world.site.endpoints.courses_of(busy) == held
    assert sent(world).links == 0


@pytest.mark.parametrize("kind", ["cut", "reset", "html", "empty_body"])
def test_an_answer_that_is_lost_is_looked_for_and_nothing_is_sent_twice(
    world: World, kind: str
) -> None:
    one, first, second = two_wishes(world)
    world.faults({"kind": kind, "method": "POST", "times": 1})
    assert outcomes(sent(world)) == {"found": 1, "written": 1}
    assert in_aeries(world, one) == {first: 1, second: 1}
    assert outcomes(sent(world)) == {"there": 2}


@pytest.mark.parametrize("status", [500, 502, 503])
def test_what_may_have_been_written_waits_for_another_run(world: World, status: int) -> None:
    pull(world)
    one, other = plain(world)[:2]
    first, second, *_ = courses(world)
    given(world, (one, first), (one, second), (other, first))
    shown(world)
    world.faults({"kind": "status", "status": status, "method": "POST", "times": 1})
    found = sent(world)
    assert (outcomes(found), found.left, found.is_good) == ({"unknown": 1, "written": 1}, 1, False)
    assert len(posts(world)) == 2, "nothing is sent to a student after an answer that is not known"
    assert (outcomes(soon := sent(world)), soon.left) == ({"there": 1}, 1)
    later(world)
    assert outcomes(sent(world)) == {"there": 1, "written": 2}
    assert in_aeries(world, one) == {first: 1, second: 1}


def test_a_server_that_fails_is_left_alone(world: World) -> None:
    pull(world)
    first, *_ = courses(world)
    students = plain(world)[:6]
    given(world, *((row, first) for row in students))
    shown(world)
    world.faults({"kind": "status", "status": 500, "method": "POST"})
    found = sent(world)
    assert (len(posts(world)), found.left, outcomes(found)) == (3, 6, {"unknown": 3})
    later(world)
    world.faults({"kind": "status", "status": 429, "retry_after": "1", "method": "POST"})
    assert (sent(world).left, len(posts(world))) == (6, 6)
    assert {row[4] for row in record(world)} == {"unknown", "not_written"}
    world.faults()
    assert outcomes(sent(world)) == {"written": 6}


def test_what_aeries_refuses_is_recorded_and_the_rest_goes_on(world: World) -> None:
    one, first, second = two_wishes(world)
    world.site.district.courses = [c for c in world.site.district.courses if c.id != first]
    found = sent(world)
    assert (outcomes(found), found.is_good) == ({"refused": 1, "written": 1}, False)
    ((answer,),) = world.warehouse.rows(
        "SELECT answer FROM core.course_request_writes WHERE outcome = 'refused'"
    )
    assert "Invalid CourseID" in answer
    assert in_aeries(world, one) == {second: 1}


def test_what_somebody_took_out_is_not_written_again_unless_it_is_said(world: World) -> None:
    one, first, second = two_wishes(world)
    sent(world)
    key = (994, one.person.id)
    del world.site.district.entered[key].courses[1]
    assert outcomes(sent(world)) == {"taken_out": 1, "there": 1}
    assert in_aeries(world, one) == {second: 1}
    assert outcomes(sent(world, again=True)) == {"written": 1, "there": 1}
    assert in_aeries(world, one) == {first: 1, second: 1}


def test_a_wish_that_comes_back_is_written_again(world: World) -> None:
    one, first, second = two_wishes(world)
    sent(world)
    given(world, (one, second), name="second.csv")
    assert outcomes(sent(world)) == {"there": 1}
    assert in_aeries(world, one) == {first: 1, second: 1}, "nothing is taken out"
    del world.site.district.entered[994, one.person.id].courses[1]
    given(world, (one, second), (one, first), name="third.csv")
    shown(world)
    assert outcomes(sent(world)) == {"there": 1, "written": 1}


def test_no_request_is_sent_outside_the_window_and_none_after_it_has_closed(
    make_world: MakeWorld,
) -> None:
    world = make_world(areas=MAY, roster={**SETTLED, "pull_window": "daily 20:00 - 02:00"})
    night = datetime(2026, 11, 25, 4, 30, tzinfo=UTC)
    asked: list[datetime] = []

    def clock() -> datetime:
        asked.append(night)
        return night if len(asked) < 14 else night + timedelta(hours=8)

    open_one = replace(FAST, outside_window="the first pull of a test")
    with world.session(open_one) as session:
        from aeries_pipeline.catalog.registry import RESOURCES
        from aeries_pipeline.ingest.pull import pull_resource

        for name in WITHOUT:
            schools = world.schools if RESOURCES[name].grain == "school" else []
            pull_resource(session, RESOURCES[name], schools)
    students = plain(world)[:6]
    first, second, *_ = courses(world)
    given(world, *((row, one) for row in students for one in (first, second)))
    shown(world)
    before = len(world.emulator.log)
    with pytest.raises(StoppedError):
        sent(world, replace(FAST, clock=lambda: night + timedelta(hours=8)))
    assert len(world.emulator.log) == before, "by day nothing at all is sent"
    found = sent(world, replace(FAST, clock=clock))
    assert 0 < found.left < 6
    assert "window has closed" in found.trouble
    late = len(world.emulator.log) - before
    assert late < len(asked), "each request has asked the clock first"
    assert late == 12
    found = sent(world, replace(FAST, clock=lambda: night))
    assert found.is_good
    assert all(in_aeries(world, row) == {first: 1, second: 1} for row in students)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"course_requests": {}}, "write: api"),
        ({"database_year": 2019}, "2019"),
    ],
)
def test_what_is_not_settled_or_of_another_year_is_not_written(
    world: World, change: dict[str, Any], says: str
) -> None:
    pull(world)
    given(world, (plain(world)[0], courses(world)[0]))
    shown(world)
    world.write_roster(**{**SETTLED, **change})
    with pytest.raises(AeriesError, match=says):
        sent(world)
    assert posts(world) == []


def test_a_certificate_that_may_not_write_ends_the_run(make_world: MakeWorld) -> None:
    world = make_world(areas=EVERYTHING, roster=SETTLED)
    pull(world)
    given(world, *((row, courses(world)[0]) for row in plain(world)[:3]))
    shown(world)
    found = sent(world)
    assert "Insert and Update" in found.trouble
    assert (len(posts(world)), found.left) == (1, 3)
    assert [row[4] for row in record(world)] == ["not_written"]


@pytest.mark.parametrize("method", ["POST", None])
def test_an_answer_about_another_student_ends_everything(world: World, method: str | None) -> None:
    pull(world)
    given(world, *((row, courses(world)[0]) for row in plain(world)[:3]))
    shown(world)
    world.faults({"kind": "bad_value", "field": "StudentID", "method": method,
                  "path": "students/.*requests"})  # fmt: skip
    found = sent(world)
    assert "another record" in found.trouble
    assert (len(posts(world)), found.left) == (1, 3), "the first answer ends it"
    assert [row[4] for row in record(world)] == ["unknown"]


def test_a_server_that_answers_with_all_schools_of_a_student(make_world: MakeWorld) -> None:
    world = make_world(
        areas=MAY, roster=SETTLED, switches=Switches(student_by_id="all_rows"), students=300
    )
    pull(world)
    one = plain(world)[0]
    first = courses(world)[0]
    elsewhere = (993, one.person.id)
    copy = replace(one, school=993, number=4000)
    world.site.district.rows[993].append(copy)
    world.site.district.imported[elsewhere] = [(5, first)]
    given(world, (one, first))
    shown(world)
    assert outcomes(sent(world)) == {"written": 1}, "what is at the other school is another request"


def test_a_list_that_is_too_old_is_not_relied_on(world: World) -> None:
    pull(world)
    given(world, (plain(world)[0], courses(world)[0]))
    shown(world)
    with world.warehouse.open() as connection:
        connection.execute("UPDATE meta.pulls SET finished_at = finished_at - INTERVAL 9 DAY")
    found = sent(world)
    assert (found.stale, found.is_good, posts(world)) == ((994,), False, [])


def test_killed_in_the_middle_and_started_again_each_course_is_there_once(world: World) -> None:
    pull(world)
    students = plain(world)[:8]
    wishes = courses(world)[:3]
    given(world, *((row, one) for row in students for one in wishes))
    shown(world)
    for enough in (4, 11):
        # The server carries out what it has begun, after the program is gone.
        done = len(posts(world))
        world.faults(
            {"kind": "latency", "seconds": 2, "method": "POST", "after": enough - done, "times": 1}
        )
        started = subprocess.Popen(
            [sys.executable, "-m", "aeries_pipeline.cli", "requests", "send", "eagle-usd",
             "--school", "994"],
            env={**os.environ, **world.variables}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while len(posts(world)) < enough and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.7)
        os.killpg(started.pid, signal.SIGKILL)
        started.communicate()
        assert len(posts(world)) == enough
        assert "asked" in {row[4] for row in record(world)}, "it was kept before it was sent"
        if enough == 11:
            assert sent(world).left == 1, "one student waits until what was begun has ended"
        time.sleep(2)
        world.faults()
        later(world)
    assert sent(world).is_good
    for row in students:
        assert in_aeries(world, row) == dict.fromkeys(wishes, 1)
    assert len(posts(world)) == 24, "each was sent once, whatever was interrupted"


def test_after_blanking_a_dry_run_shows_what_is_written_again(world: World) -> None:
    pull(world)
    one = plain(world)[0]
    first = courses(world)[0]
    given(world, (one, first))
    shown(world)
    sent(world)
    assert outcomes(shown(world)) == {"there": 1}
    assert outcomes(show(world.warehouse, world.district, [994], again=True)) == {"shown": 1}


def test_the_command_tells_counts_and_neither_student_nor_certificate(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pull(world)
    one = plain(world)[0]
    given(world, (one, courses(world)[0]))
    where = tmp_path / "told.txt"

    def run(*, dry: bool, school: int = 994) -> bool:
        with where.open("a", encoding="utf-8") as file:
            return send_requests(
                world.settings, "eagle-usd", school, Console(file=file, width=200), dry=dry,
                again=False, options=FAST,
            )  # fmt: skip

    with pytest.raises(ConfigurationError, match="school 12 is not in the roster"):
        run(dry=True, school=12)

    assert not run(dry=False)
    assert run(dry=True)
    assert run(dry=False)
    assert run(dry=False)
    world.faults({"kind": "status", "status": 500, "method": "POST"})
    given(world, (plain(world)[1], courses(world)[1]), name="second.csv")
    assert run(dry=True)
    assert not run(dry=False)
    text = where.read_text(encoding="utf-8")
    assert "to be written" in text
    assert "there before" in text
    assert "aeries-pipeline requests send eagle-usd --school 994" in text
    assert "1 student was left for another run" in text
    with world.warehouse.open() as connection:
        connection.execute(
            "UPDATE core.course_request_writes SET outcome = 'asked', asked_at = now()::TIMESTAMP "
            "WHERE outcome = 'unknown'"
        )
    assert not run(dry=False)
    told = where.read_text(encoding="utf-8").removeprefix(text)
    assert "1 student was left alone, since something was sent that had no answer as yet" in told
    assert "nothing to write" not in told
    everything = text + "".join(capfd.readouterr())
    assert str(one.person.id) not in everything
    assert CERTIFICATE not in everything
    held = world.warehouse.rows("SELECT w::VARCHAR FROM core.course_request_writes w")
    assert not any(CERTIFICATE in row for (row,) in held)
