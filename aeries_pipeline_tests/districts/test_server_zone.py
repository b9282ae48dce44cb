"""The time zone that a server names is compared with the roster's."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from aeries_pipeline.districts.server_zone import fits, names_a_zone, zone_trouble

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
def test_a_name_of_windows_is_compared_on_each_day_of_the_year(
    stated: str, zone: str, fit: bool | None, moment: datetime
) -> None:
    assert fits(stated, ZoneInfo(zone), moment) is fit


@pytest.mark.parametrize(
    ("stated", "names"),
    [
        (PACIFIC, True),
        ("Ruritania Standard Time", True),
        ("(UTC-11:00) Nowhere", True),
        ("(UTC) Coordinated Universal Time", False),
        ("UTC", False),
        (" ", False),
    ],
)
def test_utc_names_no_place(stated: str, names: bool) -> None:
    assert names_a_zone(stated) is names


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("is_bound", [True, False])
def test_another_zone_is_refused_where_a_window_binds(is_told: bool, is_bound: bool) -> None:
    def trouble(stated: str) -> tuple[str, bool] | None:
        zone = ZoneInfo("America/Chicago")
        return zone_trouble(stated, zone, MOMENTS[0], is_told=is_told, is_bound=is_bound)

    other, unknown = trouble(PACIFIC), trouble("Ruritania Standard Time")
    assert (other is None) is (is_told and not is_bound)
    assert other is None or other[1] is is_bound
    assert (unknown is None) is is_told
    assert unknown is None or not unknown[1], "what is not known is no reason to refuse"
    assert trouble("(UTC-06:00) Central Time (US & Canada)") is None
    assert trouble("(UTC) Coordinated Universal Time") is None
    assert trouble("") is None


@pytest.mark.parametrize(
    "stated", ["(UTC-99:99) x", "(UTC", "(UTC+00:61)", "\u0000", "(GMT-08:00)"]
)
def test_no_text_of_a_server_raises_or_is_repeated(stated: str) -> None:
    zone = ZoneInfo("America/Los_Angeles")
    found = zone_trouble(stated, zone, MOMENTS[0], is_told=False, is_bound=True)
    assert found is None or stated not in found[0]
