"""Where an asset's code, documentation and table are, as the UI shows it."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg

import aeries_pipeline

DOCS_VARIABLE = "AERIES_DOCS_URL"
"""Address under which the folder ``docs`` can be read in a browser, where there is one."""

OPERATOR_VARIABLE = "AERIES_OPERATOR_URL"
"""Address under which the operator's page can be read, where there is one."""

_DOCS = Path(aeries_pipeline.__file__).parent.parent / "docs"


def links(module: ModuleType | str, page: str, table: str | None = None) -> dict[str, Any]:
    """Return the metadata that leads from an asset to what it is made of and described by.

    Args:
        module: The module with its rules, or the path of the file.
        page: A page below ``docs``, such as ``accounts.md``.
        table: Name with its schema; None if the asset is no table.
    """
    path = module if isinstance(module, str) else str(module.__file__)
    address = os.environ.get(DOCS_VARIABLE)
    with warnings.catch_warnings():
        # Marked as beta in Dagster 1.13; the lock file holds the version.
        warnings.simplefilter("ignore", dg.BetaWarning)
        code = dg.CodeReferencesMetadataValue(
            code_references=[
                dg.LocalFileCodeReference(file_path=path, line_number=1, label=Path(path).name)
            ]
        )
    metadata: dict[str, Any] = {
        "dagster/code_references": code,
        "docs": _link(address and f"{address.rstrip('/')}/{page}", _DOCS / page),
    }
    if table:
        metadata["dagster/table_name"] = table
        metadata["look_at_it"] = f'aeries-pipeline sql "SELECT * FROM {table} LIMIT 20"'
    return metadata


def operator_link(path: Path) -> dg.MetadataValue[Any]:
    """Return the way to the operator's page: a link if it is served, its file otherwise."""
    return _link(os.environ.get(OPERATOR_VARIABLE), path)


def _link(address: str | None, path: Path) -> dg.MetadataValue[Any]:
    """Return a link by the page's name: an address does not wrap, and widens the UI's table."""
    if address:
        return dg.MetadataValue.md(f"[{path.name}]({address})")
    return dg.MetadataValue.path(str(path))


def bars(
    title: str, heading: str, unit: str, numbers: dict[str, int], *, width: int = 30
) -> dg.MarkdownMetadataValue:
    """Return a small chart of counts, one bar for each name.

    Args:
        title: What the chart shows, as a line above it.
        heading: What the names are.
        unit: What is counted, such as ``students``.
        numbers: Counts of at least 0; the chart keeps their order.
        width: Characters of the longest bar.
    """
    most = max(numbers.values(), default=0) or 1
    rows = [
        f"| {name} | {number:,} | {'█' * max(round(number / most * width), number > 0)} |"
        for name, number in numbers.items()
    ]
    scale = f"longest bar: {most:,}" if numbers else "nothing yet"
    head = [f"**{title}**", "", f"| {heading} | {unit} | {scale} |", "|---|---:|---|"]
    return dg.MetadataValue.md("\n".join([*head, *rows]))
