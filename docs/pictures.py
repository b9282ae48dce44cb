"""Makes the pictures of the documentation, from a demo of its own: ``make pictures``.

Needs Debian's chromium and chromium-driver. What is on a picture is emulated.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests
from ruamel.yaml import YAML
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from aeries_pipeline.emulator.faults import Fault, FaultKind
from aeries_pipeline.emulator.serve import DEMO_SHAPES, free_port, make_site, serving
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.emulator.site import DEMO_CERTIFICATE
from aeries_pipeline.settings import DATA_VARIABLE, ROSTER_VARIABLE
from aeries_pipeline.stores.store import Store

IMAGES = Path(__file__).parent / "images"
COMMAND = [sys.executable, "-m", "aeries_pipeline.cli"]
WIDTH, HEIGHT = 1400, 900
PATIENCE = 90


def call(environment: dict[str, str], *words: str) -> None:
    """Run a command; one that fails as it should is no trouble."""
    subprocess.run([*COMMAND, *words], env=environment, check=False, stdout=subprocess.DEVNULL)  # noqa: S603


@contextmanager
def running(environment: dict[str, str], *words: str) -> Iterator[None]:
    """Run a command until what needs it is done."""
    process = subprocess.Popen(  # noqa: S603
        [*COMMAND, *words], env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_for(address: str) -> None:
    """Wait until an address answers."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            requests.get(address, timeout=2)
        except requests.ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.3)
        else:
            return


class Camera:
    """A headless Chromium that looks at pages and takes pictures of them."""

    def __init__(self, address: str, profile: str) -> None:
        """Open the browser.

        Args:
            address: Of the UI.
            profile: A folder for it.
        """
        options = Options()
        options.binary_location = shutil.which("chromium") or ""
        for argument in (
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", f"--user-data-dir={profile}",
            f"--window-size={WIDTH},{HEIGHT}",
        ):  # fmt: skip
            options.add_argument(argument)
        service = Service(shutil.which("chromedriver") or "")
        self.driver = webdriver.Chrome(options=options, service=service)
        self.address = address

    def look(self, page: str, *texts: str) -> None:
        """Open a page and wait until it shows some texts."""
        self.driver.get(page if "://" in page else f"{self.address}/{page}")
        self.wait(*texts)

    def wait(self, *texts: str) -> None:
        """Wait until the page shows some texts, and has come to rest."""
        until = time.monotonic() + PATIENCE
        while not all(text in self.driver.find_element(By.TAG_NAME, "body").text for text in texts):
            if time.monotonic() > until:
                raise SystemExit(f"{self.driver.current_url} does not show {texts}")
            time.sleep(0.3)
        time.sleep(3)
        self.driver.execute_script(
            "for (const one of document.querySelectorAll('button'))"
            " if (one.innerText === 'Skip') one.click();"
        )
        time.sleep(1)

    def click(self, text: str) -> None:
        """Click on the last thing that bears a text."""
        found = self.driver.find_elements(By.XPATH, f"//*[normalize-space(text())='{text}']")
        self.driver.execute_script("arguments[0].click()", found[-1])
        time.sleep(2)

    def take(self, name: str) -> None:
        """Take a picture of what is shown."""
        self.driver.save_screenshot(str(IMAGES / name))
        sys.stdout.write(f"{name}\n")


def pictures(camera: Camera) -> None:
    """Take the pictures of the graph, of accounts, of a view and of a school."""
    camera.look("asset-groups", "accounts", "raw")
    camera.look(
        "locations/aeries_pipeline/asset-groups/accounts/lineage", "xello_files", "accounts"
    )
    camera.take("ui-graph.png")
    camera.look("assets/core/accounts?view=checks", "no_change_is_held")
    camera.take("ui-accounts.png")
    camera.look("assets/analytics/students_now", "made_from")
    camera.take("ui-analytics.png")
    camera.look("assets/raw/students?view=partitions", "eagle-usd/994")
    camera.click("eagle-usd/993")
    camera.wait("Latest materialization", "dagster/partition_row_count")
    camera.take("ui-school.png")


def failures(camera: Camera, run: str) -> None:
    """Take the pictures of a run in which two schools failed, and of one school's check."""
    camera.look(f"runs/{run}", "RUN_FAILURE", "a login page came instead of data")
    camera.take("ui-failed-run.png")
    camera.look("assets/raw/students?view=checks", "rows_did_not_collapse")
    camera.click("rows_did_not_collapse")
    camera.click("Partitions")
    camera.click("eagle-usd/994")
    camera.wait("a loss of more than 20%")
    camera.take("ui-failed-check.png")


def broken_night(environment: dict[str, str], stack: ExitStack, folder: Path) -> str:
    """Pull a district of five schools, then once more with two that fail; return that run."""
    site = make_site(DEMO_SHAPES["eagle-usd"])
    emulator = Emulator({"eagle-usd": site})
    url = stack.enter_context(serving(emulator))
    entry = {
        "id": "eagle-usd", "name": "Eagle Unified", "url": f"{url}/eagle-usd/",
        "certificate_env": "PICTURES_CERTIFICATE",
        "schools": [one.code for one in site.district.real_schools()],
    }  # fmt: skip
    roster = folder / "districts.yaml"
    with roster.open("w", encoding="utf-8") as file:
        YAML().dump({"districts": [entry]}, file)
    environment |= {ROSTER_VARIABLE: str(roster), "PICTURES_CERTIFICATE": DEMO_CERTIFICATE}
    call(environment, "sync", "eagle-usd")
    emulator.faults.replace([
        Fault(kind=FaultKind.HTML, path="schools/993/students(/|$)"),
        Fault(kind=FaultKind.HALF, path="schools/994/students(/|$)"),
    ])  # fmt: skip
    call(environment, "sync", "eagle-usd", "--full")
    (run,) = (
        Store(Path(environment[DATA_VARIABLE]))
        .warehouse("eagle-usd")
        .rows(
            "SELECT any_value(run_id) FROM meta.pulls "
            "WHERE resource = 'students' AND status = 'failed'"
        )
    )
    return str(run[0])


@contextmanager
def looking(environment: dict[str, str], profile: Path) -> Iterator[Camera]:
    """Serve the UI of an installation and look at it."""
    port = free_port(3000)
    address = f"http://127.0.0.1:{port}"
    with running(environment, "ui", "--port", str(port)):
        wait_for(f"{address}/server_info")
        camera = Camera(address, str(profile))
        try:
            yield camera
        finally:
            camera.driver.quit()


def main() -> None:
    """Make a demo and take the pictures."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = {**os.environ, DATA_VARIABLE: str(folder / "data")}
        call(environment, "demo")
        with looking(environment, folder / "profile") as camera:
            pictures(camera)
            preview = min((folder / "data" / "out").rglob("preview.html"))
            camera.look(preview.as_uri())
            camera.take("preview.png")
        environment[DATA_VARIABLE] = str(folder / "broken")
        run = broken_night(environment, stack, folder)
        with looking(environment, folder / "profile-2") as camera:
            failures(camera, run)


if __name__ == "__main__":
    main()
