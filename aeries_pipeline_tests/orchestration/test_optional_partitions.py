"""Optional resources have partitions where the roster lists them, and nowhere else."""

from collections.abc import Iterator

import dagster as dg
import pytest

from aeries_pipeline.catalog.registry import OPTIONAL, RESOURCES
from aeries_pipeline.catalog.resource import Grain
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.orchestration.assets.xello import XELLO_FILES
from aeries_pipeline.orchestration.automation.instance import open_instance
from aeries_pipeline.orchestration.automation.jobs import (
    PULL_DISTRICT,
    PULL_SCHOOLS,
    PULL_SCHOOLS_AND_OPTIONAL,
    pull_job,
    pull_job_of,
)
from aeries_pipeline.orchestration.partitions import partition_tags
from aeries_pipeline_tests.conftest import World, roster_entry, write_roster
from aeries_pipeline_tests.orchestration.test_raw_assets import QUIET

LISTED = ["contacts", "staff"]
SCHOOLS = ("eagle-usd/992", "eagle-usd/993", "eagle-usd/994")


@pytest.fixture
def world(make_world) -> World:
    """A district that lists two optional resources, and another one that lists none."""
    world = make_world()
    eagle = roster_entry(world.url, [992, 993, 994])
    write_roster(
        world.settings.roster,
        [{**eagle, "resources": LISTED}, {**eagle, "id": "falcon-usd", "schools": [994]}],
    )
    return world


@pytest.fixture
def instance(world: World) -> Iterator[dg.DagsterInstance]:
    with open_instance(world.settings) as found:
        yield found


def keys_of(defs: dg.Definitions, name: str) -> list[str]:
    """Return the partitions of a raw asset."""
    found = defs.resolve_asset_graph().get(dg.AssetKey(["raw", name])).partitions_def
    assert found is not None
    return list(found.get_partition_keys())


def test_the_files_for_xello_follow_the_lists_of_people_that_a_district_has(world: World) -> None:
    graph = build_defs(world.settings).resolve_asset_graph()
    lists = {key.path[1] for key in graph.get(XELLO_FILES).parent_keys if key.path[0] == "raw"}
    assert lists >= {"classes", "contacts", "staff"}
    assert "sections" not in lists
    for name, keys in (("staff", ["eagle-usd"]), ("contacts", list(SCHOOLS))):
        upstream = dg.AssetKey(["raw", name])
        mapping = graph.get_partition_mapping(XELLO_FILES, upstream)
        found = mapping.get_upstream_mapped_partitions_result_for_partitions(
            graph.get(XELLO_FILES).partitions_def.subset_with_partition_keys(["eagle-usd"]),
            graph.get(XELLO_FILES).partitions_def,
            graph.get(upstream).partitions_def,
        )
        assert sorted(found.partitions_subset.get_partition_keys()) == keys


def pull(
    world: World, instance: dg.DagsterInstance, defs: dg.Definitions, *keys: str, names: list[str]
) -> dg.ExecuteInProcessResult:
    """Run the job that pulls some resources of the schools."""
    assets = [dg.AssetKey(["raw", name]) for name in names]
    return pull_job(defs, pull_job_of(Grain.SCHOOL, names), assets).execute_in_process(
        instance=instance,
        run_config=QUIET,
        tags=partition_tags(keys),
        raise_on_error=False,
    )


def test_only_districts_that_list_a_resource_have_partitions_of_it(world: World) -> None:
    defs = build_defs(world.settings)
    assert keys_of(defs, "students") == [*SCHOOLS, "falcon-usd/994"]
    assert keys_of(defs, "contacts") == list(SCHOOLS)
    assert keys_of(defs, "staff") == ["eagle-usd"]
    assert keys_of(defs, "programs") == []


@pytest.mark.parametrize("name", [PULL_DISTRICT, PULL_SCHOOLS])
def test_a_person_can_choose_a_partition_of_the_jobs_for_all(world: World, name: str) -> None:
    job = build_defs(world.settings).resolve_job_def(name)
    assert job.partitions_def is not None, "the UI has a list of partitions for it"
    names = {key.path[-1] for key in job.asset_layer.selected_asset_keys}
    assert names == {
        one.name
        for one in RESOURCES.values()
        if not one.optional and (one.grain is Grain.SCHOOL) == (name == PULL_SCHOOLS)
    }


@pytest.mark.parametrize("keys", [SCHOOLS, SCHOOLS[:1]])
def test_one_run_takes_what_all_are_asked_for_and_what_is_listed(
    world: World, instance: dg.DagsterInstance, keys: tuple[str, ...]
) -> None:
    names = ["students", "contacts"]
    assert pull_job_of(Grain.SCHOOL, names) == PULL_SCHOOLS_AND_OPTIONAL
    result = pull(world, instance, build_defs(world.settings), *keys, names=names)
    assert result.success
    came = [
        (event.asset_key.path[-1], event.partition)
        for event in result.get_asset_materialization_events()
    ]
    assert sorted(came) == sorted((name, key) for name in names for key in keys)
    for name in names:
        at = dg.AssetKey(["raw", name])
        assert instance.get_materialized_partitions(at) == set(keys)


def test_what_is_no_longer_listed_is_not_asked_for_and_says_so(
    world: World, instance: dg.DagsterInstance
) -> None:
    defs = build_defs(world.settings)
    write_roster(world.settings.roster, [roster_entry(world.url, [992, 993, 994])])
    result = pull(world, instance, defs, *SCHOOLS, names=["contacts"])
    assert not result.success
    assert not world.emulator.log
    (event,) = result.get_step_failure_events()
    said = event.step_failure_data.user_failure_data.description
    assert "eagle-usd: contacts is no longer listed under 'resources'" in said
    assert "reload the code location" in said


def test_every_optional_resource_is_in_the_jobs_that_take_them_along(world: World) -> None:
    defs = build_defs(world.settings)
    selected: set[str] = set()
    for grain in Grain:
        job = defs.resolve_job_def(pull_job_of(grain, OPTIONAL))
        selected |= {key.path[-1] for key in job.asset_layer.selected_asset_keys}
    assert selected == set(RESOURCES)
