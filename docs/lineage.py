"""Derives the lineage of the analysts' views from their queries, with sqlglot.

``make docs`` writes it to ``aeries_pipeline/analytics/lineage.json``, from
where the Dagster UI and the data dictionary take it.
"""

from __future__ import annotations

import json

from sqlglot import exp
from sqlglot.lineage import Node
from sqlglot.lineage import lineage as of_column

from aeries_pipeline.accounts import tables as accounts
from aeries_pipeline.analytics.registry import VIEWS
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.tables import columns_of
from aeries_pipeline.course_requests import tables as requests
from aeries_pipeline.stores.history import history_columns
from aeries_pipeline.stores.ledger_columns import PULLS_COLUMNS

STANDS_FOR = {
    "core.account_enrolments": "core.accounts",
    "core.account_enrolments.is_current": "core.accounts.school",
    "core.account_changes_now": "core.account_changes",
}
"""Views of core by the tables that they show, which are assets."""

Schema = dict[str, dict[str, dict[str, str]]]


def schema() -> Schema:
    """Return columns and types of every table that a view may read."""
    found: Schema = {"raw": {}, "history": {}, "core": {}, "meta": {}, "analytics": {}}
    for one in RESOURCES.values():
        for table in one.tables:
            found["raw"][table.name] = dict(columns_of(table))
            found["history"][table.name] = dict(history_columns(table))
    for name, columns in {**accounts.TABLES, **requests.TABLES}.items():
        at, _, table_name = name.partition(".")
        found[at][table_name] = dict(columns)
    found["core"]["account_changes_now"] = dict(accounts.CHANGES_COLUMNS)
    found["core"]["account_enrolments"] = {
        "district": "VARCHAR",
        "student_id": "BIGINT",
        "school": "INTEGER",
        "is_current": "BOOLEAN",
    }
    found["meta"]["pulls"] = dict(PULLS_COLUMNS)
    for view in VIEWS.values():
        found["analytics"][view.name] = {one.name: one.kind for one in view.columns}
    return found


def leaves(node: Node, spelled: dict[str, str]) -> set[str]:
    """Return the columns of tables at the ends of a column's lineage.

    Args:
        node: The lineage as sqlglot has it, in small letters.
        spelled: The right spelling of each column by that.
    """
    found = set()
    for one in node.walk():
        if isinstance(one.source, exp.Table) and not one.downstream:
            name = one.name.rpartition(".")[2].strip('"')
            table = f"{one.source.db}.{one.source.name}"
            at = STANDS_FOR.get(f"{table}.{name}") or f"{STANDS_FOR.get(table, table)}.{name}"
            found.add(spelled[at.lower()])
    return found


def lineage() -> str:
    """Return the file's text."""
    tables = schema()
    spelled = {
        f"{at}.{table}.{column}".lower(): f"{at}.{table}.{column}"
        for at, its in tables.items()
        for table, columns in its.items()
        for column in columns
    }
    found = {}
    for view in VIEWS.values():
        nodes = of_column(None, view.query, schema=tables, dialect="duckdb")
        if not isinstance(nodes, dict):
            raise TypeError(f"view {view.name} cannot be taken apart")
        by_name = {name.strip('"'): node for name, node in nodes.items()}
        found[view.name] = {
            column.name: sorted(leaves(by_name[column.name], spelled)) for column in view.columns
        }
    return json.dumps(found, indent=1) + "\n"
