"""What Dagster shows of a resource: description, columns, numbers of a pull."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from aeries_pipeline.catalog.resource import Resource, Table
from aeries_pipeline.catalog.tables import PROVENANCE
from aeries_pipeline.warehouse.outcomes import Loaded

OWNER = "team:data-engineering"
"""Who answers for the assets."""

_ADDED = {
    "district": "District of the roster",
    "school": "School that was asked; empty for a resource of the whole district",
    "_pull_id": "Pull that brought the row, see meta.pulls",
    "_pulled_at": "When that pull began, UTC",
    "_extra": "Properties that the catalogue does not know, as JSON",
}


def column_schema(table: Table) -> dg.TableSchema:
    """Return the columns of a raw table for the catalog view of the UI."""
    added = [dg.TableColumn(name, kind, description=_ADDED[name]) for name, kind in PROVENANCE]
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


def loaded_columns(resource: Resource, loaded: Loaded) -> dg.TableSchema:
    """Return names and types of what a pull brought, short enough for every event.

    A column that the answer lacked is tagged as absent; descriptions stand in
    the asset's own column schema.
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
        "read": pull.mode.value,
        "seconds": round(pull.seconds, 3),
        "requests": pull.requests,
        "bytes": pull.bytes,
        "pull_id": pull.pull_id,
    }


def table_metadata(
    name: str, stored: Sequence[tuple[str, str]], meanings: Mapping[str, str]
) -> dict[str, Any]:
    """Return what the UI shows of a table that follows from pulls.

    Args:
        name: Name with its schema.
        stored: Columns and their DuckDB types.
        meanings: What each column means.
    """
    schema = dg.TableSchema(
        [dg.TableColumn(column, kind, description=meanings[column]) for column, kind in stored]
    )
    return {"dagster/table_name": name, "dagster/column_schema": schema}
