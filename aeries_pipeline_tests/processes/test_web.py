"""``aeries-pipeline web`` in a real Chromium: narrow and wide, by keyboard, and held by axe."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_core_python.selenium import Axe

from aeries_pipeline_tests.conftest import World, end
from aeries_pipeline_tests.processes import test_browser
from aeries_pipeline_tests.processes.served import any_port, wait_for
from aeries_pipeline_tests.processes.test_browser import Browser
from aeries_pipeline_tests.processes.test_command_line import call

pytestmark = test_browser.pytestmark
browser = test_browser.browser

TOKEN = "correct-horse-battery"
PAGES = ("/", "/districts/eagle-usd", "/questions", "/dictionary")


@contextmanager
def web(world: World, *options: str) -> Iterator[str]:
    """Serve the pages as the command does."""
    port = any_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "aeries_pipeline.cli", "web", "--port", str(port), *options],
        env={**os.environ, **world.variables, "AERIES_WEB_TOKEN": TOKEN},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/enter")
        yield address
    finally:
        end(process)


def focused(browser: Browser) -> str:
    """Return the text of what the keyboard is on."""
    found = browser.driver.switch_to.active_element
    return str(found.text or found.get_attribute("id"))


def press(browser: Browser, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser.driver).send_keys(*keys).perform()


def test_a_district_is_read_by_keyboard_alone_on_a_telephone_and_on_a_desk(
    world: World, browser: Browser
) -> None:
    from selenium.webdriver.common.keys import Keys

    assert call(world, "sync", "eagle-usd").exit_code == 0
    browser.driver.set_script_timeout(test_browser.PATIENCE)
    with web(world) as address:
        browser.driver.get(f"{address}/districts/eagle-usd")
        browser.wait_for("Enter the token")
        press(browser, Keys.TAB, Keys.TAB, TOKEN, Keys.ENTER)
        browser.wait_for("Districts", "1 district,")
        press(browser, Keys.TAB)
        assert focused(browser) == "Skip to the page"
        press(browser, Keys.ENTER)
        while focused(browser) != "Eagle":
            press(browser, Keys.TAB)
        press(browser, Keys.ENTER)
        browser.wait_for("When it may be asked", "Pulls", "transcripts")
        for width in (400, 1280):
            browser.driver.set_window_size(width, 900)
            for page in PAGES:
                browser.driver.get(address + page)
                found = Axe().run(browser.driver)
                told = [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]]
                assert told == [], f"{page} at {width}"
                wide = browser.driver.execute_script(
                    "return document.documentElement.scrollWidth - window.innerWidth"
                )
                assert wide <= 0, f"{page} scrolls sideways at {width}"


@pytest.mark.parametrize("options", [["--host", "0.0.0.0", "--user-header", "X-User"]])
def test_what_would_stand_open_is_refused(world: World, options: list[str]) -> None:
    result = call(world, "web", *options)
    assert result.exit_code == 2
    assert "could write X-User themselves" in result.output
