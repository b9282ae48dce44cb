"""What is stored is held against what the second server has, value by value."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from aeries_pipeline.catalog.fields import Field, Kind
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import Table
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline_tests.otherserver.population import (
    ABSENT,
    HIDDEN,
    UNHEARD,
    Row,
    dressed,
    renamed,
)
from aeries_pipeline_tests.otherserver.server import OtherServer


def lost(warehouse: Warehouse, site: OtherServer, *names: str) -> list[str]:
    """Return what the server has and the warehouse has not, or the other way round.

    Args:
        warehouse: Where everything was loaded.
        site: The server.
        names: The resources that were pulled; without any, all.
    """
    found: list[str] = []
    for (name, code), records in site.records.items():
        if names and name not in names:
            continue
        for table in RESOURCES[name].tables:
            wanted = Counter(_wanted(table, records, site))
            stored = Counter(_stored(warehouse, table, code, site))
            found += [f"{table.name} {code}: lacks {one}" for one in wanted - stored]
            found += [f"{table.name} {code}: has {one}" for one in stored - wanted]
    return found


def _wanted(table: Table, records: list[Row], site: OtherServer) -> Iterator[tuple[Any, ...]]:
    unheard = UNHEARD if site.readings.newer else {}
    for record in records:
        for inner in record[table.nested] if table.nested else [{}]:
            told = [_plain(one, record, site) for one in table.outer if one.stored]
            told += [_plain(one, inner, site) for one in table.inner if one.stored]
            # What is beside an array is kept with the table that bears the resource's name.
            is_main = table.name in RESOURCES
            yield (*told, json.dumps(unheard if is_main else {}, sort_keys=True))


def _plain(field: Field, record: Row, site: OtherServer) -> tuple[str, Any]:
    if field.name in HIDDEN or (field.name in ABSENT and site.readings.older):
        return field.name, _meaning(field, None)
    if field.kind is Kind.JSON:
        # Kept as it comes, in the clothes of the server.
        record = dressed(
            {field.name: record.get(field.name)}, replace(site.readings, names="payload")
        )
    names = [name for name in (field.name, *field.aliases) if name in record]
    return field.name, _meaning(field, record[names[0]] if names else None)


def _stored(
    warehouse: Warehouse, table: Table, code: int | None, site: OtherServer
) -> Iterator[tuple[Any, ...]]:
    names = renamed(site.readings)
    for row in warehouse.dicts(
        f'SELECT * FROM raw."{table.name}" WHERE school IS NOT DISTINCT FROM ?', [code]
    ):
        extra = json.loads(row["_extra"] or "{}")
        told = []
        for field in table.stored:
            value = row[field.name]
            other = names.get(field.name)
            if value is None and other in extra:
                value = extra[other]
            told.append((field.name, _meaning(field, value)))
        unheard = {name: value for name, value in extra.items() if name in UNHEARD}
        yield (*told, json.dumps(unheard, sort_keys=True))


def _meaning(field: Field, value: Any) -> Any:
    """Return what a value means, whichever way it is written."""
    if field.kind is Kind.JSON:
        return json.dumps(json.loads(value) if isinstance(value, str) else value, sort_keys=True)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    match field.kind:
        case Kind.TIMESTAMP:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
            return moment if moment.year > 1 else None
        case Kind.DECIMAL:
            return Decimal(str(value)).quantize(Decimal("0.0001"))
        case Kind.TEXT:
            return str(value).strip()
        case _:
            return value
