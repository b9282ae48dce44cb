"""Which runs get the tag of a district when they are submitted."""

import pytest

from aeries_pipeline.orchestration.automation.run_queue import district_tag

PARTITION = "dagster/partition"
START = "dagster/asset_partition_range_start"
END = "dagster/asset_partition_range_end"
MINE = {"aeries/district": "eagle-usd"}


@pytest.mark.parametrize(
    ("tags", "lacks"),
    [
        ({PARTITION: "eagle-usd"}, MINE),
        ({PARTITION: "eagle-usd/994"}, MINE),
        ({START: "eagle-usd/990", END: "eagle-usd/994"}, MINE),
        ({START: "eagle-usd/990", END: "falcon-usd/994"}, {}),
        ({PARTITION: "falcon-usd/994", "aeries/district": "eagle-usd"}, {}),
        ({}, {}),
    ],
)
def test_a_run_of_one_district_gets_its_tag(tags: dict[str, str], lacks: dict[str, str]) -> None:
    assert district_tag(tags) == lacks
