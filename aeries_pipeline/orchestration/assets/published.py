"""``published/aeries``, the analysts' copy, and ``analytics/...``, the views that it holds.

One step makes them all: the copy appears as a whole. What is in it is in
``analytics``.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import dagster as dg

from aeries_pipeline.analytics import dictionary
from aeries_pipeline.analytics.publishing import contents
from aeries_pipeline.analytics.publishing.copy import read_copy
from aeries_pipeline.analytics.publishing.due import GRACE, fingerprint, old_since, read_state
from aeries_pipeline.analytics.publishing.publish import (
    NothingToPublishError,
    NotPublishedError,
    Published,
    publish,
)
from aeries_pipeline.analytics.registry import MODULES, VIEWS
from aeries_pipeline.analytics.view import Grain, View
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.districts.roster import Roster, load_roster
from aeries_pipeline.ingest.checks import Answer
from aeries_pipeline.orchestration.assets.checks import check_result
from aeries_pipeline.orchestration.assets.describe import OWNER, key_of_table, lineage_of
from aeries_pipeline.orchestration.assets.links import bars, links
from aeries_pipeline.orchestration.assets.resources import FULL_TAG, AeriesResource
from aeries_pipeline.orchestration.boundary import without_values
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import (
    WarehouseBusyError,
    WarehouseUnusableError,
)
from aeries_pipeline.stores.outcomes import now
from aeries_pipeline.stores.store import Store
from aeries_pipeline.words import counted

PUBLISHED = dg.AssetKey(["published", "aeries"])
CURRENT = "published_copy_is_current"
QUESTIONS = {CURRENT: "Does the analysts' copy hold what the warehouses hold?"}

_CORE_ASSETS = ("core.accounts", "core.account_changes", "core.course_requests")
_TEXT = """\
The analysts' copy of the warehouses: a DuckDB file, and Parquet files by table and district.

| | |
|---|---|
| Open | `data/published/aeries.duckdb`, read-only, at any hour |
| Holds | what each district's `analysts` setting allows, the ledger, the views of `analytics` |
| One district | `data/published/districts/DISTRICT.duckdb` |
| Made | after a change, at most once in `publish.minutes`; only what changed is read |
| Reads | DuckDB 1.4 and later |
"""


_LINK = re.compile(r"\[[^\]]*\]\(([^)]*)\)")


def view_key(view: View) -> dg.AssetKey:
    """Return the asset of a view."""
    return dg.AssetKey(["analytics", view.name])


def build_published_asset() -> dg.AssetsDefinition:
    """Return the asset that publishes."""

    @dg.multi_asset(
        name="published__aeries",
        specs=[_database_spec(), *(_view_spec(view) for view in VIEWS.values())],
        check_specs=[
            dg.AssetCheckSpec(name, asset=PUBLISHED, description=text)
            for name, text in QUESTIONS.items()
        ],
    )
    @without_values
    def published(
        context: dg.AssetExecutionContext, aeries: AeriesResource
    ) -> Iterator[dg.MaterializeResult]:
        roster = load_roster(aeries.settings.roster)
        try:
            done = publish(
                aeries.settings,
                roster,
                run_id=context.run.run_id,
                again=FULL_TAG in context.run.tags,
            )
            verdict = freshness(aeries.settings, roster, now(), done.left)
        except (
            NothingToPublishError,
            NotPublishedError,
            WarehouseBusyError,
            WarehouseUnusableError,
        ) as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        charts = _charts(done)
        for view in VIEWS.values():
            yield dg.MaterializeResult(
                asset_key=view_key(view),
                metadata={
                    "dagster/row_count": done.rows[view.full_name],
                    # The same once more: the UI plots what is not its own.
                    "rows": done.rows[view.full_name],
                    "dagster/column_lineage": lineage_of(dictionary.lineage()[view.name]),
                    **charts.get(view.name, {}),
                },
            )
        yield dg.MaterializeResult(
            asset_key=PUBLISHED,
            metadata=_database_metadata(done),
            check_results=[check_result(PUBLISHED, verdict)],
        )
        if done.left:
            raise dg.Failure(verdict.text, allow_retries=False)

    return published


def freshness(
    settings: Settings, roster: Roster, moment: datetime, left: Mapping[str, str] | None = None
) -> Answer:
    """Return whether the copy is as new as it should be.

    Args:
        settings: Where warehouses and copy are.
        roster: What analysts may see, and how often the copy is made.
        moment: The present, UTC without a zone.
        left: Why a district's newest rows are not in the copy that was just made.
    """
    if left:
        told = "; ".join(left.values())
        lacking = counted(len(left), "district")
        text = f"the copy was made, without the newest rows of {lacking}: {told}"
        return Answer(CURRENT, passed=False, text=text, serious=True)
    state = read_state(Store(settings.data), read_copy(settings.published))
    since = old_since(state, fingerprint(roster), roster.publish.minutes, moment)
    if since is None:
        return Answer(CURRENT, passed=True, text="the analysts' copy is as new as it should be")
    hours, told = GRACE.total_seconds() / 3600, f"{since:%Y-%m-%d %H:%M} UTC"
    return Answer(
        CURRENT,
        passed=False,
        text=f"the warehouses have changed, and the analysts' copy is due since {told}, "
        f"more than {hours:.0f} h; see why the last run of published/aeries failed, or run: "
        "aeries-pipeline publish",
        serious=True,
    )


def _database_spec() -> dg.AssetSpec:
    upstream = [dg.AssetKey(["raw", name]) for name in RESOURCES]
    upstream += [key for key in map(key_of_table, _CORE_ASSETS) if key is not None]
    return dg.AssetSpec(
        PUBLISHED,
        description=_TEXT,
        group_name="publish",
        kinds={"duckdb", "parquet"},
        owners=[OWNER],
        deps=[*(_all_of(key) for key in upstream), *(view_key(view) for view in VIEWS.values())],
        tags={"aeries/personal": "yes"},
        metadata=links(contents, "analysts.md"),
    )


def _view_spec(view: View) -> dg.AssetSpec:
    tables = {
        source.rpartition(".")[0]
        for sources in dictionary.lineage()[view.name].values()
        for source in sources
    }
    keys = {key for key in map(key_of_table, tables) if key is not None}
    views = {view_key(one) for one in VIEWS.values()}
    module = next(one for one in MODULES if view in one.VIEWS)
    note = f"\n\n{_LINK.sub(_named, view.note)}" if view.note else ""
    return dg.AssetSpec(
        view_key(view),
        description=f"{view.title}.{note}",
        group_name="analytics",
        kinds={"duckdb", "view"},
        owners=[OWNER],
        deps=[key if key in views else _all_of(key) for key in sorted(keys)],
        tags={"aeries/personal": "yes" if view.grain is Grain.STUDENT else "no"},
        metadata={
            **links(module, "data-dictionary.md", view.full_name),
            "dagster/column_lineage": lineage_of(dictionary.lineage()[view.name]),
            "made_from": _made_from(view),
            "dagster/column_schema": dg.TableSchema(
                [
                    dg.TableColumn(one.name, one.kind, description=one.meaning)
                    for one in view.columns
                ]
            ),
        },
    )


def _named(match: re.Match[str]) -> str:
    """Return a link between pages as the name of the page: in the UI it would lead nowhere."""
    return f"`docs/{match[1]}`"


def _made_from(view: View) -> dg.MarkdownMetadataValue:
    """Return the lineage of each column for people; the UI shows its own to programs alone."""
    rows = [
        f"| `{column}` | {', '.join(f'`{one}`' for one in sources) or 'counted'} |"
        for column, sources in dictionary.lineage()[view.name].items()
    ]
    return dg.MetadataValue.md("\n".join(["| column | made from |", "|---|---|", *rows]))


def _all_of(key: dg.AssetKey) -> dg.AssetDep:
    return dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping())


def _database_metadata(done: Published) -> dict[str, Any]:
    row = done.row
    raw = {name: n for name, n in done.rows.items() if name.startswith("raw.")}
    return {
        "dagster/row_count": row["rows"],
        "rows": row["rows"],
        "tables": row["tables"],
        "bytes": row["bytes"],
        "seconds": row["seconds"],
        "districts": len(row["districts"]),
        "districts_read_anew": len(done.read),
        "counted_districts": len(row["counted_districts"]),
        "data_until": f"{row['data_until']:%Y-%m-%d %H:%M:%S} UTC" if row["data_until"] else "",
        "database": dg.MetadataValue.path(str(done.database)),
        "parquet": dg.MetadataValue.path(str(done.parquet)),
        "rows_by_table": bars("Rows of the copy by raw table", "raw table", "rows", raw),
    }


_DRAWN = {
    "students_now": ("Students by district", "district", "students"),
    "on_track_by_school": (
        "Students with a graduation status by district", "district", "students",
    ),
    "account_changes_by_day": ("Account changes by kind", "kind", "students"),
    "data_quality": ("Newest pulls by state", "state", "partitions"),
    "pull_history": ("All pulls by state", "state", "pulls"),
}  # fmt: skip


def _charts(done: Published) -> Mapping[str, Mapping[str, Any]]:
    """Return a chart for each view that is sooner looked at than read. Counts only."""
    return {
        name: {"chart": bars(title, heading, unit, dict(done.charts.get(name, {})))}
        for name, (title, heading, unit) in _DRAWN.items()
    }
