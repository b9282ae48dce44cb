"""The page for the district: one for each thing that can stand in the way, over real sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from aeries_pipeline.districts.roster import District
from aeries_pipeline.emulator.site import XELLO_GRANT
from aeries_pipeline.operations.onboarding.findings import Finding, is_good, warned
from aeries_pipeline.operations.onboarding.page import html, page_of, text, write_page
from aeries_pipeline_tests.conftest import CERTIFICATE, World
from aeries_pipeline_tests.ingest.test_trust import stranger
from aeries_pipeline_tests.operations.onboarding.test_check import run
from aeries_pipeline_tests.operations.onboarding.test_tls import serving_tls, write_certificate
from aeries_pipeline_tests.processes.test_command_line import call

WHERE = "School Info > Configurations > Security > API Security"


class Shown(HTMLParser):
    """The words of a page that a browser shows, and what it would load from elsewhere."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.loaded: list[str] = []
        self._hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag == "style"
        self.loaded += [str(value) for name, value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def asks(district: District) -> tuple[str, ...]:
    """Check a district, and return what its page asks for; both forms say the same."""
    findings = run(district)
    page = page_of(district, findings)
    shown = Shown(html(page, date(2026, 11, 27)))
    assert not shown.loaded, "nothing from elsewhere"
    for one in (*page.asks, *page.works, page.opening):
        assert one in shown.text
        assert one in text(page)
    assert CERTIFICATE not in shown.text + text(page)
    return page.asks


def at(world: World, url: str) -> District:
    return world.district.model_copy(update={"url": url})


def firewall(world: World, folder: Path) -> tuple[str, ...]:
    """A port whose queue is full: like a firewall, it answers nothing at all."""
    del folder
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = []
        try:
            for _ in range(8):
                one = socket.socket()
                waiting.append(one)
                one.settimeout(0.2)
                if one.connect_ex(address):
                    break
            return asks(at(world, f"https://127.0.0.1:{address[1]}/aeries"))
        finally:
            for one in waiting:
                one.close()


def name(world: World, folder: Path) -> tuple[str, ...]:
    del folder
    return asks(at(world, "https://no-such-host.invalid/aeries"))


def authority(world: World, folder: Path) -> tuple[str, ...]:
    with serving_tls(*write_certificate(folder, 90)) as port:
        return asks(at(world, f"https://127.0.0.1:{port}/aeries"))


def proxy_of_theirs(world: World, folder: Path) -> tuple[str, ...]:
    del folder
    page = (403, {"Content-Type": "text/html"}, b"<html>Blocked by policy</html>")
    with stranger({"*": page}) as (url, _seen):
        return asks(at(world, url))


def path(world: World, folder: Path) -> tuple[str, ...]:
    del folder
    world.faults({"kind": "status", "status": 404})
    return asks(world.district)


def certificate(world: World, folder: Path) -> tuple[str, ...]:
    del folder
    world.site.certificates.clear()
    return asks(world.district)


def permission(world: World, folder: Path) -> tuple[str, ...]:
    del folder
    world.site.certificates[CERTIFICATE] = XELLO_GRANT - {"Transcripts"}
    return asks(world.district)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (firewall, "through your firewall to port"),
        (name, "no-such-host.invalid cannot be found"),
        (authority, "is not accepted (self-signed certificate)"),
        (proxy_of_theirs, "A firewall or proxy answers in place of Aeries"),
        (path, "No Aeries API was found at the address"),
        (certificate, "does not accept the certificate"),
        (permission, "tick Read on 'Transcripts' (Grade Reporting)"),
    ],
)
def test_each_thing_in_the_way_is_told_from_the_others(
    world: World, tmp_path: Path, broken: Callable[[World, Path], tuple[str, ...]], says: str
) -> None:
    (asked,) = broken(world, tmp_path)
    assert says in asked
    if broken in {path, certificate, permission}:
        assert WHERE in asked, "where in Aeries"


def test_a_proxy_of_ours_is_not_the_districts_to_mend(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    proxy = "http://somebody:secret@127.0.0.1:9"  # pragma: allowlist secret
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    district = at(world, "https://aeries.example.org/aeries")
    findings = run(district)
    told = " ".join(one.text for one in findings)
    assert "the proxy 127.0.0.1:9 of this machine's environment does not answer" in told
    assert "secret" not in told
    assert not is_good(findings)
    page = page_of(district, findings)
    assert page.asks == ()
    assert "nothing for you to do" in page.opening


def test_what_works_is_said_in_the_words_of_aeries(world: World) -> None:
    world.site.certificates[CERTIFICATE] = XELLO_GRANT - {"Transcripts"}
    works = " ".join(page_of(world.district, run(world.district)).works)
    assert "The certificate is accepted." in works
    assert "Student Data (Student Data)" in works
    assert "Transcripts" not in works


def test_the_times_are_told_to_the_district_in_words(world: World) -> None:
    world.write_roster(pull_window="any time")
    assert page_of(world.district, run(world.district)).opening.endswith("we read it at any time.")
    words = "Fri 8pm - Sun 11pm, Mon-Thu 8pm-2am except holidays"
    world.write_roster(pull_window=words)
    opening = page_of(world.district, run(world.district, outside_window=True)).opening
    assert "Monday to Thursday from 8 pm to 2 am the next day, but never on holidays" in opening
    assert "20:00" not in opening


def test_the_command_leaves_the_page_for_its_owner_alone(make_world) -> None:
    world = make_world(areas=XELLO_GRANT - {"Transcripts"})
    result = call(world, "check", "eagle-usd")
    folder = world.settings.out / "eagle-usd" / "check"
    assert str(folder / "page.html") in result.output.replace("\n", "")
    page = Shown((folder / "page.html").read_text(encoding="utf-8")).text
    assert "tick Read on 'Transcripts'" in page
    assert "Transcripts" in (folder / "page.txt").read_text(encoding="utf-8")
    assert (folder / "page.html").stat().st_mode & 0o077 == 0


def test_where_the_site_was_not_even_looked_at_there_is_no_page(make_world) -> None:
    never = [{"days": ["mon"], "opens": "00:00", "closes": "00:01"}]
    world = make_world(roster={"pull_window": never, "timezone": "Pacific/Kiritimati"})
    findings = run(world.district, clock=_noon)
    assert write_page(world.settings, world.district, page_of(world.district, findings)) is None
    assert not (world.settings.out / "eagle-usd" / "check").exists()


def _noon() -> datetime:
    return datetime(2026, 11, 27, 12, tzinfo=UTC)


def test_a_name_with_signs_of_html_is_shown_and_not_run(world: World) -> None:
    district = world.district.model_copy(update={"name": "<b>Eagle</b> & Co"})
    finding: Finding = warned("clock", "slow", "Please <script>set</script> the clock.")
    shown = Shown(html(page_of(district, [finding]), date(2026, 11, 27)))
    assert "Aeries data for <b>Eagle</b> & Co" in shown.text
    assert "<script>set</script>" in shown.text
