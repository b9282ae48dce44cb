"""The time zone that a server names is compared with the roster's."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from aeries_pipeline.operations.onboarding.findings import Verdict
from aeries_pipeline.operations.onboarding.server_zone import fits, judge
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.operations.onboarding.test_check import run

PACIFIC = "(UTC-08:00) Pacific Time (US & Canada)"
MOMENTS = [datetime(2026, month, 15, 12, tzinfo=UTC) for month in (1, 7)]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    ("stated", "zone", "fit"),
    [
        (PACIFIC, "America/Los_Angeles", True),
        ("Pacific Standard Time", "America/Los_Angeles", True),
        (PACIFIC, "America/Chicago", False),
        ("(UTC-06:00) Central Time (US & Canada)", "America/Chicago", True),
        ("(UTC-07:00) Arizona", "America/Phoenix", True),
        ("(UTC-07:00) Arizona", "America/Denver", False),
        ("(UTC-07:00) Mountain Time (US & Canada)", "America/Phoenix", False),
        ("(UTC-10:00) Hawaii", "Pacific/Honolulu", True),
        ("(UTC-03:30) Newfoundland", "America/St_Johns", True),
        ("(UTC+10:00) Guam, Port Moresby", "Pacific/Guam", True),
        ("(UTC+10:00) Guam, Port Moresby", "America/Los_Angeles", False),
        ("(UTC) Coordinated Universal Time", "America/Los_Angeles", None),
        ("Ruritania Standard Time", "America/Los_Angeles", None),
        ("", "America/Los_Angeles", None),
    ],
)
def test_a_name_of_windows_is_compared_in_winter_and_in_summer(
    stated: str, zone: str, fit: bool | None, moment: datetime
) -> None:
    assert fits(stated, ZoneInfo(zone), moment) is fit


@pytest.mark.parametrize("stated", [None, 7, ["x"], "(UTC-99:99) x", "(UTC"])
def test_no_text_of_a_server_raises(stated: object) -> None:
    found = judge(stated, ZoneInfo("America/Los_Angeles"), MOMENTS[0])
    assert found.verdict in {Verdict.PASSED, Verdict.WARNED}
    assert "99" not in found.text, "what a server says is not repeated"


def test_check_asks_the_district_where_the_zones_differ(world: World) -> None:
    findings = {one.step: one for one in run(world.district)}
    assert findings["time zone"].verdict is Verdict.PASSED
    world.write_roster(timezone="America/Chicago")
    found = {one.step: one for one in run(world.district)}["time zone"]
    assert found.verdict is Verdict.WARNED
    assert "America/Chicago" in found.text
    assert "Which one do you mean?" in found.ask
