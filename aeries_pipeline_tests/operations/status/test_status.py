"""How every district stands, and the page that says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from aeries_pipeline.accounts.compute import compute
from aeries_pipeline.accounts.xello.kept import prepare
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.emulator.site import XELLO_GRANT
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.operations.notices.morning import digest_title
from aeries_pipeline.operations.status.health import health_of
from aeries_pipeline.operations.status.nights import picture
from aeries_pipeline.operations.status.page import html, markdown
from aeries_pipeline.operations.status.read import DistrictStatus, read_status, status_of
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.assets.operator_page import OPERATOR_PAGE
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.stores.ledger import Partition
from aeries_pipeline_tests.conftest import QUICK_ROUNDS, World, roster_entry, write_roster
from aeries_pipeline_tests.orchestration.test_raw_assets import QUIET
from aeries_pipeline_tests.processes.test_command_line import call

NOW = datetime(2026, 11, 25, 5, 0, tzinfo=UTC)


def pull(world: World) -> None:
    session = world.session()
    for resource in RESOURCES.values():
        if not resource.optional:
            pull_resource(session, resource, world.schools)
    session.close()


def status(world: World, moment: datetime | None = None) -> DistrictStatus:
    roster = load_roster(world.settings.roster)
    return read_status(world.store, roster, moment or datetime.now(UTC))[0]


def test_a_district_stands_as_its_ledger_says(make_world) -> None:
    world = make_world(areas=XELLO_GRANT - {"Graduation Status"})
    before = status(world)
    assert before.complete_since is None
    assert before.waits_for == 2 + 3 * 8
    pull(world)
    healthy = status(world)
    assert healthy.complete_since is not None
    assert healthy.not_granted == ("graduation_status",)
    assert not healthy.needs_a_person
    assert healthy.window == "at any time"
    world.faults({"kind": "html", "path": "schools/994/gpas"})
    pull(world)
    (trouble,) = status(world).troubles
    assert (trouble.resource, trouble.school) == ("gpas", 994)
    assert "a login page came instead of data" in trouble.reason
    assert status(world).needs_a_person
    world.faults()
    pull(world)
    assert status(world).troubles == ()
    assert status(world, datetime.now(UTC) + timedelta(days=9)).is_stale


def test_what_waits_beside_account_changes_is_told_to_everybody_who_asks(world: World) -> None:
    pull(world)
    files = {"resources": ["staff"], "accounts": {**QUICK_ROUNDS, "xello": {"educators": {}}}}
    world.write_roster(share={"opted_out": "nowhere.csv"}, **files)
    compute(world.warehouse, world.district)
    with world.warehouse.open() as connection:
        prepare(connection)
        connection.execute(
            "INSERT INTO core.xello_members (district, file, person, asks, approved) "
            "VALUES ('eagle-usd', 'Educator', 'p', 'x', false), "
            "('eagle-usd', 'Educator', 'q', 'x', true)"
        )
        connection.execute(
            "INSERT INTO meta.xello_not_made VALUES ('eagle-usd', 'Educator', 'nobody is in it'),"
            "('eagle-usd', 'Family', 'it is switched off')"
        )
    found = status(world)
    assert found.needs_a_person
    shared, people, lacking = found.undecided
    assert lacking == "the file Educator for Xello is not made: nobody is in it"
    assert shared.startswith("nothing is delivered: the list of students who opted out")
    assert shared.endswith("accounts share eagle-usd")
    assert people == "1 in the file Educator waits: aeries-pipeline accounts files eagle-usd"
    assert health_of(found).percent == 90
    assert "accounts share eagle-usd" in health_of(found).sentence
    assert "accounts files eagle-usd" in markdown([found], NOW)
    shown = " ".join(call(world, "status").output.split())
    assert "accounts share eagle-usd" in shown
    assert "nothing waits" not in shown
    assert "1 of 1" not in digest_title([found])
    world.write_roster(share={"opted_out": "nowhere.csv"})
    assert status(world).undecided == (shared,), "a file that is switched off asks nobody"
    world.write_roster(share={"schools": [77, *world.schools]})
    assert status(world).undecided[-1].startswith("share names school 77, which is not in the")
    assert "share names school 77" in call(world, "accounts", "share", "eagle-usd").output


def test_the_oldest_partition_dates_the_district(world: World) -> None:
    newest = [
        Partition(name, school, "complete", "", datetime(2026, 11, 20 + (school or 0) % 5))
        for name, resource in RESOURCES.items()
        for school in (world.schools if resource.grain == "school" else [None])
    ]
    found = status_of(world.district, newest, NOW, (3, 120))
    assert found.complete_since == datetime(2026, 11, 20)
    assert (found.holds, found.active_accounts) == (3, 120)
    assert found.needs_a_person


def test_a_permission_that_one_school_lacks_is_a_trouble_of_that_school(world: World) -> None:
    newest = [
        Partition("gpas", 993, "not_granted", "school 993, gpas: not granted", None),
        Partition("gpas", 994, "complete", "", datetime(2026, 11, 20)),
        Partition("terms", 993, "not_granted", "school 993, terms: not granted", None),
        Partition("terms", 994, "not_granted", "school 994, terms: not granted", None),
    ]
    found = status_of(world.district, newest, NOW, (0, 0))
    assert [(one.resource, one.school) for one in found.troubles] == [("gpas", 993)]
    assert found.not_granted == ("terms",)


def test_nights_go_from_noon_to_noon_of_the_district_and_end_with_the_newest(world: World) -> None:
    here = datetime(2026, 11, 25, 23, 0, tzinfo=world.district.zone)
    tonight = here.date()
    counts = {
        tonight: (3, 0),
        tonight - timedelta(days=1): (2, 1),
        tonight - timedelta(days=2): (0, 2),
    }
    assert picture(counts, world.district, here) == "·" * 11 + "x▄█"
    assert picture(counts, world.district, here + timedelta(hours=12)) == "·" * 11 + "x▄█"
    assert picture(counts, world.district, here + timedelta(hours=14)) == "·" * 10 + "x▄█·"
    pull(world)
    now = datetime.now(UTC)
    assert status(world, now).nights == "·" * 13 + "█"
    assert status(world, now + timedelta(days=1)).nights == "·" * 12 + "█·"
    assert "<svg" in html([status(world)], now)
    assert "█" in markdown([status(world)], now)


def test_windows_are_told_in_the_districts_time(world: World) -> None:
    closed = world.district.model_copy(update={"pull_window": "weekdays 8pm-9pm"})
    assert status_of(closed, [], NOW, (0, 0)).window == "Wed 2026-11-25 20:00 PST"
    open_now = world.district.model_copy(update={"pull_window": "weekdays 8pm-2am"})
    assert status_of(open_now, [], NOW, (0, 0)).window == "open now"
    paused = world.district.model_copy(update={"paused": True})
    assert status_of(paused, [], NOW, (0, 0)).window == "paused in the roster"


def test_the_page_shows_the_months_exceptions_and_a_reading_that_differs(world: World) -> None:
    stated = {
        "words": "any time",
        "windows": [{"opens": "20:00", "closes": "02:00"}, {"never": {"monthly": "last day"}}],
    }
    world.write_roster(pull_window="any time", pull_window_accepted=stated)
    found = status_of(world.district, [], NOW, (0, 0))
    assert found.month == (
        "Mon 2026-11-30  closed  (never on the last day of each month)",
        "Tue 2026-12-01  20:00-24:00  "
        "(nothing opened the day before: never on the last day of each month)",
    )
    assert found.needs_a_person
    for page in (markdown([found], NOW), html([found], NOW)):
        assert "may be read every day from 8 pm to 2 am the next day, but never on the last" in page
        assert "Mon 2026-11-30  closed  (never on the last day of each month)" in page
        assert "this release reads its pull window differently" in page


class Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_puts_first_who_needs_a_person_and_escapes_what_it_shows(world: World) -> None:
    fine = world.district.model_copy(update={"id": "fine-usd", "name": "Fine | <b>Unified</b>"})
    newest = [
        Partition(name, school, "complete", "", datetime(2026, 11, 25))
        for name, resource in RESOURCES.items()
        for school in (world.schools if resource.grain == "school" else [None])
    ]
    bad = [Partition("terms", 994, "failed", "school 994, terms: a <page> came | again", None)]
    statuses = [
        status_of(fine, newest, NOW, (0, 0)),
        status_of(world.district, bad, NOW, (2, 0)),
    ]
    shown = markdown(statuses, NOW)
    assert "2 districts, 1 of them needs a person." in shown
    assert shown.index("eagle-usd") < shown.index("fine-usd")
    assert "|---" not in shown, "a table would be cut off"
    assert "- **Fine \\| &lt;b>Unified&lt;/b>** `fine-usd` 100 %" in shown
    assert "all complete since 2026-11-25 00:00 UTC" in shown
    assert shown.index("## Needs a person") < shown.index("## All districts")
    assert "2 account changes wait: aeries-pipeline accounts review eagle-usd" in shown
    page = html(statuses, NOW)
    parsed = Cells()
    parsed.feed(page)
    assert "b" not in parsed.tags
    assert "page" not in parsed.tags
    assert "school 994, terms: a <page> came | again" in parsed.text
    assert parsed.tags.count("tr") == 3
    assert "http" not in page, "nothing is fetched from elsewhere"


def test_the_asset_writes_the_page(world: World) -> None:
    one = roster_entry(world.url, world.schools)
    write_roster(world.settings.roster, [one, {**one, "id": "falcon-usd", "name": "Falcon"}])
    pull(world)
    with open_instance(world.settings) as instance:
        job = build_defs(world.settings).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=instance,
            run_config=QUIET,
            asset_selection=[OPERATOR_PAGE],
        )
    (event,) = result.get_asset_materialization_events()
    metadata = event.step_materialization_data.materialization.metadata
    assert metadata["districts"].value == 2
    assert metadata["need_a_person"].value == 1
    assert "falcon-usd" in metadata["page"].value
    page = world.settings.data / "operator.html"
    assert "falcon-usd" in page.read_text(encoding="utf-8")
    assert page.stat().st_mode & 0o777 == 0o600
    student = world.site.district.rows[994][0].person
    assert str(student.id) not in page.read_text(encoding="utf-8") + metadata["page"].value


def test_the_command_says_the_same(world: World) -> None:
    pull(world)
    shown = call(world, "status").output
    assert "1 district, 0 of them need a person." in shown
    assert "ok   eagle-usd  Eagle\n     health 100 %: everything came" in shown
    assert "     all complete since 20" in shown
    world.faults({"kind": "html", "path": "schools/994/gpas"})
    pull(world)
    shown = call(world, "status").output
    assert "look eagle-usd" in shown
    assert "eagle-usd, school 994, gpas: a login page came instead of data" in shown
