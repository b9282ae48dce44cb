"""The onboarding check against the emulator in each of its broken states: one right diagnosis."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from aeries_pipeline.districts.roster import District
from aeries_pipeline.emulator.serve import Shape, make_site, serving
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.emulator.site import XELLO_GRANT
from aeries_pipeline.ingest.api.transport import Timeouts
from aeries_pipeline.operations.onboarding.check import STEPS, check
from aeries_pipeline.operations.onboarding.findings import Finding, Verdict, is_good
from aeries_pipeline.operations.onboarding.network import look
from aeries_pipeline.operations.onboarding.page import page_of, text
from aeries_pipeline_tests.conftest import CERTIFICATE, World
from aeries_pipeline_tests.processes.test_command_line import call

QUICK = Timeouts(connect=1.0, read=2.0, total=3.0)


def message(district: District, findings: list[Finding]) -> str:
    return text(page_of(district, findings))


def run(district: District, **how: object) -> list[Finding]:
    return list(check(district, timeouts=QUICK, **how))


def failures(findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if one.verdict is Verdict.FAILED]


def the_failure(findings: list[Finding]) -> Finding:
    (one,) = failures(findings)
    return one


def test_a_healthy_district_passes_every_step(world: World) -> None:
    findings = run(world.district)
    assert [one for one in findings if one.verdict is not Verdict.PASSED] == []
    steps = [one.step for one in findings]
    assert {*STEPS, "Aeries", "school year", "clock", "schools", "students", "time"} <= set(steps)
    assert "everything works" in message(world.district, findings)
    asked = [visit.path for visit in world.emulator.log]
    again = {path for path in asked if asked.count(path) > 1}
    assert all(path.endswith("/students") for path in again), "nothing is asked twice"
    assert all(asked.count(path) == 2 for path in again), "but for the end of a list"
    assert "contacts" not in " ".join(asked), "what is not pulled is not asked for"


@pytest.mark.parametrize(
    ("fault", "step", "says", "asks"),
    [
        ({"kind": "windows_login"}, "address", "Windows login", "asks for a Windows login"),
        ({"kind": "html"}, "address", "a login page came instead", "a web page answers"),
        ({"kind": "redirect"}, "address", "redirects to a login page", "redirects to a login"),
        ({"kind": "status", "status": 503}, "address", "answered 503", ""),
        ({"kind": "reset"}, "address", "connection", ""),
        ({"kind": "status", "status": 500, "path": "students$"}, "students", "500", ""),
        ({"kind": "empty", "path": "students$"}, "students", "granted, and empty", "no students"),
        ({"kind": "truncated", "path": "Transcript"}, "transcripts", "broke off", ""),
    ],
    ids=lambda value: str(value.get("kind")) if isinstance(value, dict) else None,
)
def test_each_broken_state_has_one_diagnosis(world: World, fault, step, says, asks) -> None:
    world.faults(fault)
    findings = run(world.district)
    found = the_failure(findings)
    assert found.step == step
    assert says in found.text
    if asks:
        assert asks in message(world.district, findings)
    assert not is_good(findings)


def test_a_wrong_certificate_is_told_from_a_missing_permission(
    make_world, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(areas=XELLO_GRANT - {"Graduation Status", "Transcripts"})
    findings = run(world.district)
    assert {one.step for one in failures(findings)} == {"graduation_status", "transcripts"}
    for one in failures(findings):
        assert "tick Read on" in one.ask
        assert "School Info > Configurations > Security > API Security" in one.ask
    written = message(world.district, findings)
    assert "1. Please tick Read on 'Transcripts' (Grade Reporting)" in written
    assert "'Multiple LEA Student Data Sharing', tick 'Graduation Status' there" in written
    monkeypatch.setenv("TEST_AERIES_CERT", "nobody-knows-this")
    found = the_failure(run(world.district))
    assert found.step == "certificate"
    assert "does not accept the certificate" in found.text
    assert "nobody-knows-this" not in found.text + found.ask
    monkeypatch.delenv("TEST_AERIES_CERT")
    found = the_failure(run(world.district))
    assert found.step == "certificate at hand"
    assert found.ask == "", "our own mistake is not the district's"


def test_the_api_is_found_in_a_usual_folder_of_the_host(world: World) -> None:
    site = make_site(Shape(seed=5, schools=3, students=90), certificate=CERTIFICATE)
    with serving(Emulator({"aeries": site})) as url:
        district = world.district.model_copy(update={"url": f"{url}/Portal/Login.aspx"})
        findings = run(district)
    found = the_failure(findings)
    assert found.step == "address"
    assert f"write url: {url}/aeries" in found.text
    assert {one.step for one in findings} >= {"certificate", "students"}, "the rest is checked"


def test_a_host_that_does_not_exist_and_a_port_where_nothing_listens() -> None:
    (name,) = look("https://no-such-host.invalid/api/v5")
    assert "does not exist" in name.text
    assert name.blocks
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = look(f"https://127.0.0.1:{port}/api/v5")
    assert [one.step for one in found] == ["host name", "port"]
    assert "refuses the connection" in found[-1].text


def test_a_port_that_does_not_speak_tls_is_told_so(world: World) -> None:
    found = look(world.url.replace("http://", "https://") + "/api/v5", timeout=3.0)
    assert found[-1].step == "TLS"
    assert found[-1].verdict is Verdict.FAILED
    assert "TLS" in found[-1].text


def test_the_steps_after_a_blocking_one_are_named_and_not_taken(world: World) -> None:
    district = world.district.model_copy(update={"url": "http://127.0.0.1:9/aeries"})
    findings = run(district)
    assert the_failure(findings).step == "port"
    skipped = {one.step for one in findings if one.verdict is Verdict.SKIPPED}
    assert skipped == {"TLS", "address", "certificate", "permissions"}


def test_a_wrong_clock_year_and_roster_are_warnings(world: World) -> None:
    world.site.clock_offset = 3600
    world.write_roster(database_year=2025, schools=[994], share={"schools": [77, 993]})
    findings = run(world.district)
    warned = {one.step: one.text for one in findings if one.verdict is Verdict.WARNED}
    assert set(warned) == {"clock", "school year", "schools", "schools that are shared"}
    assert "school 77, which is not among those" in warned["schools that are shared"]
    assert "60 minutes ahead of ours" in warned["clock"]
    assert "answers for 2026-2027, the roster says 2025-2026" in warned["school year"]
    assert "not in the roster: 992, 993" in warned["schools"]
    assert is_good(findings)


def test_a_closed_window_lets_nothing_out(make_world) -> None:
    never = [{"days": ["mon"], "opens": "00:00", "closes": "00:01"}]
    world = make_world(roster={"pull_window": never, "timezone": "Pacific/Kiritimati"})
    findings = run(world.district)
    found = the_failure(findings)
    assert found.step == "window"
    assert "--outside-window REASON" in found.text
    assert not world.emulator.log
    told = {one.step: one.verdict for one in findings}
    assert told["certificate at hand"] is told["host name"] is Verdict.PASSED, "what sends nothing"
    left = {step for step, verdict in told.items() if verdict is Verdict.SKIPPED}
    assert left == {"port", "TLS", "address", "certificate", "permissions"}
    assert is_good(run(world.district, outside_window=True)[:5])


def test_a_window_that_is_too_short_for_a_pull_is_a_warning(world: World) -> None:
    from aeries_pipeline.catalog.registry import RESOURCES
    from aeries_pipeline.operations.onboarding.site import Sample, estimate

    short = [{"opens": "01:00", "closes": "01:10"}]
    district = world.district.model_copy(update={"pull_window": short})
    slow = Sample(RESOURCES["transcripts"], 200, 30.0)
    found = estimate([slow], district, 50)
    assert found.verdict is Verdict.WARNED
    assert "150 requests and 18.8 minutes" in found.text
    assert "the shortest window has 10 minutes" in found.text
    quick = estimate([replace(slow, seconds=0.1)], district, 50)
    assert quick.verdict is Verdict.PASSED


def test_the_command_prints_the_table_and_the_message(make_world) -> None:
    world = make_world(areas=XELLO_GRANT - {"Transcripts"})
    result = call(world, "check", "eagle-usd")
    assert result.exit_code == 1
    assert "transcripts" in result.output
    assert "not granted: tick Read on 'Transcripts' (Grade Reporting)" in result.output
    assert "To send to the district" in result.output
    assert CERTIFICATE not in result.output
    world.site.certificates[CERTIFICATE] = XELLO_GRANT
    result = call(world, "check", "eagle-usd")
    assert result.exit_code == 0
    assert "can be pulled" in result.output
    assert "To send" not in result.output
