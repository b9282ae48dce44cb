"""The lake with its catalogue in a real Postgres: the same contents, and nothing is left."""

import pytest

from aeries_pipeline.analytics.publishing.publish import NotPublishedError, publish
from aeries_pipeline.operations.privacy.forget import Wish, forget
from aeries_pipeline_tests.analytics.publishing.test_by_district import (
    change,
    county,
)
from aeries_pipeline_tests.analytics.publishing.test_lake import (
    STUDENT,
    files,
    is_as_the_copy,
    mark_a_student,
    opened,
    roster,
    snapshots,
    traces,
)
from aeries_pipeline_tests.cluster.conftest import Cluster
from aeries_pipeline_tests.conftest import World

__all__ = ["county"]
pytestmark = pytest.mark.cluster


def test_a_catalogue_in_postgres_is_named_by_the_environment_and_forgets(
    county: World, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_a_student(county)
    settled = roster(county, catalog="env:AERIES_LAKE", snapshot_days=30)
    with pytest.raises(NotPublishedError, match="variable AERIES_LAKE, which publish: catalog:"):
        publish(county.settings, settled)
    monkeypatch.setenv("AERIES_LAKE", cluster.database)
    publish(county.settings, settled)
    is_as_the_copy(county)
    before = files(county)
    change(county, "falcon-usd")
    publish(county.settings, settled)
    is_as_the_copy(county)
    after = files(county)
    assert after["heron-jusd"] == before["heron-jusd"]
    assert after["falcon-usd"] > before["falcon-usd"], "what was replaced can be read for 30 days"
    wish = Wish("eagle-usd", "an engineer", "asked for", STUDENT, although_listed=True)
    assert forget(county.settings, roster(county), wish).places == ()
    assert traces(county.settings.data / "lake") == set()
    is_as_the_copy(county)
    with opened(county) as connection:
        assert snapshots(connection) == 1
