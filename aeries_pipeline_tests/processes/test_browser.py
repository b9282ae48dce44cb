"""The UI as an engineer uses it: headless Chromium, the real webserver and daemon, real clicks."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from aeries_pipeline.cli.ui import write_workspace
from aeries_pipeline.orchestration.assets.resources import OPENING_TAG
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.partitions import DISTRICT_TAG
from aeries_pipeline_tests.conftest import CERTIFICATE, World
from aeries_pipeline_tests.processes.served import served
from aeries_pipeline_tests.processes.test_command_line import call

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="needs Debian's chromium and chromium-driver"
    ),
]
PATIENCE = 180
NAME = "Zzyzxmarker"


@contextmanager
def ui(world: World) -> Iterator[str]:
    """Serve the UI of a world as ``aeries-pipeline ui`` does."""
    with served(world) as (address, _process):
        yield address


class Browser:
    """A headless Chromium, and what one does with it."""

    def __init__(self, profile: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.options import Options
        from selenium.webdriver.chrome.service import Service

        options = Options()
        options.binary_location = CHROMIUM
        for argument in (
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--window-size=1600,1400", f"--user-data-dir={profile}",
        ):  # fmt: skip
            options.add_argument(argument)
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.clicks = 0

    @property
    def text(self) -> str:
        """Everything that the page shows."""
        from selenium.webdriver.common.by import By

        return str(self.driver.find_element(By.TAG_NAME, "body").text)

    def wait_for(self, *texts: str, seconds: float = PATIENCE) -> str:
        """Wait until the page shows every one of some texts; return everything that it shows.

        The UI draws a page piece by piece: that it shows one text says nothing of another.
        """
        from selenium.common.exceptions import WebDriverException

        until = time.monotonic() + seconds
        shown = ""
        while time.monotonic() < until:
            try:
                shown = self.text
            except WebDriverException:
                shown = ""
            if all(text in shown for text in texts):
                return shown
            time.sleep(0.5)
        missing = [text for text in texts if text not in shown]
        raise AssertionError(f"the page never showed {missing}, but:\n{shown}")

    def click(self, text: str, *, starts: bool = False, last: bool = False) -> None:
        """Click on what bears a text, as soon as it can be clicked."""
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver.common.by import By

        test = f"starts-with(normalize-space(.), '{text}')" if starts else (
            f"normalize-space(.)='{text}'"
        )  # fmt: skip
        path = f"//*[{test} and not(descendant::*[{test}])]"
        until = time.monotonic() + PATIENCE
        while True:
            try:
                # What is drawn anew between the search and the click is no longer on the page.
                every = self.driver.find_elements(By.XPATH, path)
                found = [one for one in every if one.is_displayed()]
                found[-1 if last else 0].click()
                self.clicks += 1
            except (IndexError, WebDriverException):
                if time.monotonic() > until:
                    shown = f"nothing to click bears {text!r}:\n{self.text[:3000]}"
                    raise AssertionError(shown) from None
                time.sleep(0.5)
            else:
                return


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    found = Browser(tmp_path / "profile")
    try:
        yield found
    finally:
        found.driver.quit()


@pytest.fixture
def broken(world: World) -> World:
    """A district after a night in which one school answered with a login page."""
    for rows in world.site.district.rows.values():
        for row in rows:
            row.person.last = NAME
    assert call(world, "sync", "eagle-usd").exit_code == 0
    world.site.advance(1)
    world.site.clock_offset += 86400
    world.faults({"kind": "html", "path": "schools/994/students$"})
    assert call(world, "sync", "eagle-usd").exit_code == 1
    world.faults()
    return world


def stop_the_sensor(world: World) -> None:
    """Stop the sensor of the pull windows, as an engineer does who wants no other runs."""
    workspace = write_workspace(world.settings)
    subprocess.run(
        [sys.executable, "-m", "dagster", "sensor", "stop", "pull_windows", "-w", str(workspace)],
        env={
            **os.environ,
            **world.variables,
        },
        cwd=workspace.parent, check=True, capture_output=True,
    )  # fmt: skip


def materialize_a_school(browser: Browser, address: str) -> None:
    """Materialize the terms of one school by clicks, as a person does."""
    browser.driver.get(f"{address}/assets/raw/terms")
    browser.wait_for("Latest materialization")
    browser.click("Materialize", starts=True)
    browser.click("Select a partition or create one")
    browser.click("eagle-usd/993", last=True)
    browser.click("Launch", starts=True, last=True)


def from_the_ui(instance: dg.DagsterInstance) -> dg.RunRecord:
    """Wait for the end of a run that was launched by a click."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = instance.get_run_records(dg.RunsFilter(tags={"dagster/from_ui": "true"}))
        if found and found[0].dagster_run.is_finished:
            return found[0]
        time.sleep(1)
    raise AssertionError(f"the run of the click did not end: {found}")


def pulled_by(world: World, run: dg.DagsterRun) -> list[tuple[object, ...]]:
    """Return what a run pulled."""
    return world.warehouse.rows(
        "SELECT resource, school, status FROM meta.pulls WHERE run_id = ?", [run.run_id]
    )


FITS = """
const cells = [...document.querySelectorAll('td')];
const value = cells.find(one => one.innerText.includes('Needs a person'));
let panel = value;
while (!['auto', 'scroll', 'hidden'].includes(getComputedStyle(panel).overflowX)) {
  panel = panel.parentElement;
}
return value.getBoundingClientRect().right <= panel.getBoundingClientRect().right + 1;
"""


def the_operators_page_fits(browser: Browser, address: str) -> str:
    """Read the operator's page in a window of 1200 pixels: nothing of it is cut off."""
    before = browser.driver.get_window_size()
    browser.driver.set_window_size(1200, 1000)
    browser.driver.get(f"{address}/assets/meta/operator_page")
    shown = browser.wait_for("Needs a person", "All districts", "operator.html")
    assert browser.driver.execute_script(FITS), "the page is cut off"
    browser.driver.set_window_size(before["width"], before["height"])
    return shown


def test_an_engineer_sees_the_graph_materializes_a_school_and_reads_a_broken_ones_check(
    broken: World, browser: Browser
) -> None:
    pages = []
    stop_the_sensor(broken)
    with ui(broken) as address, open_instance(broken.settings) as instance:
        browser.driver.get(f"{address}/asset-groups")
        pages.append(browser.wait_for("raw", "accounts", "course_requests", "publish"))

        materialize_a_school(browser, address)
        pulled = pulled_by(broken, from_the_ui(instance).dagster_run)
        assert pulled == [("terms", 993, "complete")], "this school and no other"

        browser.driver.get(f"{address}/assets/raw/students?view=checks")
        browser.click("rows_did_not_collapse")
        browser.click("Partitions", last=True)
        browser.click("eagle-usd/994", last=True)
        pages.append(browser.wait_for("a login page came instead of data"))

        pages.append(the_operators_page_fits(browser, address))

        browser.driver.get(f"{address}/assets/analytics/students_now")
        pages.append(browser.wait_for("made_from", "raw.students.Grade", "█"))
        browser.click("Plots")
        pages.append(browser.wait_for("rows", "dagster/row_count"))
    for page in pages:
        assert NAME not in page
        assert CERTIFICATE not in page


def test_which_school_failed_last_night_and_why_takes_three_clicks(
    broken: World, browser: Browser
) -> None:
    run_id = broken.warehouse.rows(
        "SELECT run_id FROM meta.pulls WHERE status = 'failed' AND school = 994 LIMIT 1"
    )[0][0]
    with ui(broken) as address:
        browser.driver.get(address)
        browser.click("Runs")
        browser.click(run_id[:8])
        browser.wait_for("a login page came instead of data", "school 994")
    assert browser.clicks <= 3


def test_what_is_materialized_while_the_district_is_pulled_waits_for_its_end(
    world: World, browser: Browser
) -> None:
    assert call(world, "sync", "eagle-usd").exit_code == 0
    world.faults({"kind": "latency", "path": "schools/99[0-9]/", "seconds": 2.0})
    with ui(world) as address, open_instance(world.settings) as instance:
        until = time.monotonic() + PATIENCE
        while not scheduled(instance):
            assert time.monotonic() < until, "the sensor started nothing"
            time.sleep(0.2)
        materialize_a_school(browser, address)
        mine = from_the_ui(instance)
        theirs = scheduled(instance)
    assert pulled_by(world, mine.dagster_run) == [("terms", 993, "complete")]
    assert mine.dagster_run.tags[DISTRICT_TAG] == "eagle-usd"
    last = max(one.end_time for one in theirs if one.end_time)
    assert mine.create_timestamp.timestamp() < last, "the click came while the pull went on"
    assert mine.start_time >= last
    assert all(one.dagster_run.is_success for one in theirs)


def scheduled(instance: dg.DagsterInstance) -> Sequence[dg.RunRecord]:
    """Return the runs that the sensor of the pull windows started."""
    found = instance.get_run_records()
    return [one for one in found if OPENING_TAG in one.dagster_run.tags]
