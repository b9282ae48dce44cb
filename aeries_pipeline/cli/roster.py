"""``aeries-pipeline roster sync``: which schools a district has, from Aeries."""

from __future__ import annotations

from rich.console import Console

from aeries_pipeline.districts.errors import ConfigurationError
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.districts.roster_edit import with_schools
from aeries_pipeline.ingest.checks import teaching_schools
from aeries_pipeline.ingest.session import PullOptions, Session
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import Warehouse
from aeries_pipeline.stores.files import write_atomically


def sync_roster(
    settings: Settings, district_id: str, outside_window: str | None, console: Console
) -> None:
    """Write the schools that teach to the roster and say what changed.

    Raises:
        AeriesError: If the district's server does not give a usable list; the
            roster stays as it is.
    """
    district = load_roster(settings.roster).get(district_id)
    options = PullOptions(outside_window=outside_window)
    with Session(district, settings, Warehouse(settings.warehouse), options) as session:
        system = session.preflight()
        answer = session.client.get(
            "schools",
            params={"DatabaseYear": system.start_year},
            what=f"{district_id}, schools",
        )
    try:
        teaching = teaching_schools(answer.rows, district.inactive_school)
    except (KeyError, TypeError, ValueError):
        teaching = []
    if not teaching:
        raise ConfigurationError(
            "no_schools",
            f"{district_id}: Aeries lists no school that teaches; the roster stays as it is; check "
            "the url and the certificate's default database",
        )
    if teaching == sorted(district.schools):
        console.print(f"{district_id}: the roster already has its {len(teaching)} schools")
        return
    text = settings.roster.read_text(encoding="utf-8")
    write_atomically(settings.roster, with_schools(text, district_id, teaching))
    load_roster(settings.roster)
    added = sorted(set(teaching) - set(district.schools))
    gone = sorted(set(district.schools) - set(teaching))
    for word, codes in (("added", added), ("removed", gone)):
        if codes:
            console.print(f"{district_id}: {word} {', '.join(map(str, codes))}", soft_wrap=True)
    console.print("reload the code location in the Dagster UI to see the new partitions")
