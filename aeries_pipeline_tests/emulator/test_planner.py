"""The course planner's exports of the emulated district."""

from __future__ import annotations

from collections import Counter

from aeries_pipeline.cli.demo import _WISHES
from aeries_pipeline.course_requests.compute import compute
from aeries_pipeline.course_requests.intake import take
from aeries_pipeline.course_requests.sss.deliver import export
from aeries_pipeline.emulator.planner import next_export, planner_export
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline_tests.conftest import World
from aeries_pipeline_tests.course_requests.test_pipeline import pull


def test_three_exports_show_what_becomes_of_wishes_that_change(world: World) -> None:
    pull(world)
    district = world.site.district
    first = planner_export(district)
    exports = [first, next_export(district, first, 1), next_export(district, first, 2)]
    assert len(set(exports)) == 3
    received = 0
    for text in exports:
        taken = take(world.warehouse, world.district, "planner.csv", text.encode(), now())
        assert taken.status == "taken"
        received += taken.rows
        computed = compute(world.warehouse, world.district)
        assert computed.waiting == {}
        for school in world.district.schools:
            export(world.warehouse, world.district, school, world.settings.out)
    told = Counter(
        {row["wish"]: row["lines"] for row in world.warehouse.dicts(_WISHES, ["eagle-usd"])}
    )
    assert told.total() == received, "every line is accounted for"
    for wish in (
        "changed for another course after its export: in withdrawals.csv",
        "given up and wanted back: exported, with the number that it had",
    ):
        assert told[wish] > 0
    assert told["said before, nothing new"] > 0.6 * received
    again = world.warehouse.rows(
        "SELECT count(*) FROM core.course_request_exports WHERE action = 'insert' "
        "GROUP BY file_id, line HAVING count(*) > 1"
    )
    assert again, "a wish that came back is given out again, with its own number"
