"""``aeries-pipeline fields``: which fields a district sends that the catalog does not know."""

from __future__ import annotations

from rich.console import Console

from aeries_pipeline.cli.results import show
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.field_history import State, field_states
from aeries_pipeline.stores.store import Store

_WORDS = {
    State.NEW: "new since",
    State.GONE: "gone, last seen",
    State.NOT_SENT: "not sent since",
}


def show_fields(settings: Settings, district_id: str, console: Console) -> None:
    """Print each field that differs from the catalogue, and since when.

    Raises:
        ConfigurationError: If the roster has no such district.
    """
    district = load_roster(settings.roster).get(district_id)
    store = Store(settings.data)
    has_one = store.has(district.id)
    found = field_states(store.warehouse(district.id), district.id) if has_one else []
    if not found:
        console.print(f"{district.id}: every field is as the catalogue says, as far as was pulled")
        return
    rows = [
        (one.resource, one.field, f"{_WORDS[one.state]} {district.day_of(one.since)}", one.schools)
        for one in found
    ]
    show(["resource", "field", "state", "schools"], rows, None, console)
