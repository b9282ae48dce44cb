"""What Dagster shows about a resource: description, columns, numbers of a pull."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg

from aeries_pipeline import catalog
from aeries_pipeline.analytics.dictionary import PROVENANCE_MEANINGS, core_lineage
from aeries_pipeline.catalog.resource import Resource, Table
from aeries_pipeline.catalog.tables import PROVENANCE
from aeries_pipeline.orchestration.assets.links import links
from aeries_pipeline.stores.outcomes import Loaded

OWNER = "team:data-engineering"
"""Who answers for the assets."""


def column_schema(table: Table) -> dg.TableSchema:
    """Return the columns of a raw table for the catalog view of the UI."""
    added = [
        dg.TableColumn(name, kind, description=PROVENANCE_MEANINGS[name])
        for name, kind in PROVENANCE
    ]
    fields = [
        dg.TableColumn(
            field.name,
            field.sql_type,
            description=" - ".join(filter(None, (field.description, field.column))),
            constraints=dg.TableColumnConstraints(nullable=not field.needs_value(table.key)),
            tags={"aeries/key": ""} if field.name in table.key else {},
        )
        for field in table.stored
    ]
    return dg.TableSchema(added + fields)


def raw_metadata(resource: Resource, site: dg.AssetKey) -> dict[str, Any]:
    """Return what the UI shows of a raw asset before it is ever pulled.

    Args:
        resource: The resource.
        site: The asset that stands for the districts' Aeries.
    """
    lineage = {
        field.name: [dg.TableColumnDep(asset_key=site, column_name=field.column or field.name)]
        for field in resource.main.stored
    }
    module = str(Path(str(catalog.__file__)).with_name(f"{resource.name}.py"))
    return {
        "dagster/column_schema": column_schema(resource.main),
        "dagster/column_lineage": dg.TableColumnLineage(lineage),
        **links(module, "resources.md", f"raw.{resource.name}"),
    }


def loaded_columns(resource: Resource, loaded: Loaded) -> dg.TableSchema:
    """Return names and types of what a pull brought, short enough for every event.

    A column that the answer lacked is tagged as absent; descriptions are in the asset's own column
    schema.
    """
    absent = set(loaded.drift.missing) if loaded.drift else set()
    return dg.TableSchema(
        [
            dg.TableColumn(
                field.name,
                field.sql_type,
                tags={"aeries/absent": ""} if field.name in absent else {},
            )
            for field in resource.main.stored
        ]
    )


def description_of(resource: Resource) -> str:
    """Return the Markdown description of a raw asset."""
    key = ", ".join(resource.key) or "none"
    rights = resource.area.name if resource.area else "any valid certificate"
    lines = [
        f"{resource.title}.",
        "",
        "| | |",
        "|---|---|",
        f"| End point | `/api/v5/{resource.path}` |",
        f"| Table | `raw.{resource.name}` |",
        f"| Natural key | {key} ({resource.key_source}) |",
        f"| Permission | {rights} |",
        f"| Pulled | {'where the roster lists it' if resource.optional else 'always'} |",
    ]
    if resource.children:
        tables = ", ".join(f"`raw.{child.name}`" for child in resource.children)
        lines.append(f"| Also fills | {tables} |")
    if resource.source:
        lines.append(f"| Aeries reference | [end points]({resource.source}) |")
    return "\n".join(lines)


def materialization_metadata(resource: Resource, loaded: Loaded) -> dict[str, Any]:
    """Return the numbers of one loaded partition. Counts only, never values."""
    pull = loaded.pull
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": pull.rows or 0,
        # The same once more: the UI plots what is not its own.
        "rows": pull.rows or 0,
        "read": pull.mode.value,
        "quarantined": pull.quarantined,
        "repeated_rows": pull.duplicates,
        "seconds": round(pull.seconds, 3),
        "requests": pull.requests,
        "retries": pull.retries,
        "pages": pull.pages,
        "bytes": pull.bytes,
        "database_year": pull.database_year or "",
        "aeries_version": pull.server_version or "",
        "pull_id": pull.pull_id,
        "schema_hash": pull.schema_hash or "",
        "dagster/column_schema": loaded_columns(resource, loaded),
    }
    if loaded.previous_rows is not None:
        metadata["row_change"] = (pull.rows or 0) - loaded.previous_rows
    for name in ("changed", "removed", "missed"):
        number = getattr(pull, name)
        if number is not None:
            metadata[f"{name}_records"] = number
    if loaded.drift is not None and pull.drift:
        metadata["drift"] = dg.MetadataValue.md(f"```json\n{pull.drift}\n```")
    return metadata


def observation_metadata(loaded: Loaded) -> dict[str, Any]:
    """Return the numbers of a pull that found everything as it was."""
    pull = loaded.pull
    return {
        "dagster/partition_row_count": pull.rows or 0,
        "rows": pull.rows or 0,
        "read": pull.mode.value,
        "seconds": round(pull.seconds, 3),
        "requests": pull.requests,
        "bytes": pull.bytes,
        "pull_id": pull.pull_id,
    }


def table_metadata(
    name: str,
    stored: Sequence[tuple[str, str]],
    meanings: Mapping[str, str],
    module: ModuleType,
    page: str,
) -> dict[str, Any]:
    """Return what the UI shows of a table that follows from pulls.

    Args:
        name: Name with its schema.
        stored: Columns and their DuckDB types.
        meanings: What each column means.
        module: Where its rules are.
        page: The page below ``docs`` that explains them.
    """
    schema = dg.TableSchema(
        [dg.TableColumn(column, kind, description=meanings[column]) for column, kind in stored]
    )
    metadata = {"dagster/column_schema": schema, **links(module, page, name)}
    lineage = lineage_of(core_lineage(name))
    if lineage.deps_by_column:
        metadata["dagster/column_lineage"] = lineage
    return metadata


_ASSETS = {"core.enrollment_counts": "core.accounts"}
"""Tables that are made together with another one, which is the asset."""


def key_of_table(name: str) -> dg.AssetKey | None:
    """Return the asset of a table; None for one that is no asset, as the ledger.

    Rows of closed years were once those of the raw table.
    """
    schema, _, table = _ASSETS.get(name, name).replace("history.", "raw.", 1).partition(".")
    return None if schema == "meta" else dg.AssetKey([schema, table])


def lineage_of(columns: Mapping[str, Sequence[str]]) -> dg.TableColumnLineage:
    """Return columns of tables, such as ``raw.students.Grade``, as columns of assets."""
    found: dict[str, list[dg.TableColumnDep]] = {}
    for column, sources in columns.items():
        for source in sources:
            table, _, name = source.rpartition(".")
            key = key_of_table(table)
            if key is not None:
                dep = dg.TableColumnDep(asset_key=key, column_name=name)
                if dep not in found.setdefault(column, []):
                    found[column].append(dep)
    return dg.TableColumnLineage(found)
