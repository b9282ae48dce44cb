"""What a district calls its codes: one row for each code of the fields that views show.

Aeries has a list for each field and none for all, so one resource reads several lists.
"""

from __future__ import annotations

from aeries_pipeline.catalog.fields import Field, decimal, integer, text
from aeries_pipeline.catalog.resource import Grain, KeySource, Resource

PARTS = (
    "STU/GR",
    "STU/SX",
    "STU/ETH",
    "STU/LF",
    "STU/HL",
    "STU/SP",
    "STU/TG",
    "CRS/S1",
    "PGM/CD",
    "TRM/TM",
)
"""Table and field of each list: grade, gender, ethnicity, fluency, language, program, status,
subject area, special program, term."""

_LANGUAGES = range(1, 7)
FIELDS: tuple[Field, ...] = (
    text("Table", "COD.TC", "Aeries table of the field", required=True),
    text("Field", "COD.FC", "Aeries field", required=True),
    text("Code", "COD.CD", "The code; a blank has a name in some districts", required=True),
    text("Description", "COD.DE", "What the district calls it"),
    text("Category", "COD.CAT"),
    integer("SortOrder", "COD.SRT", "0 sorts by name"),
    text("Status", "COD.TG", "Not blank for a code that is retired and may stand on older rows"),
    text("AeriesCode", "COD.AC", "What Aeries itself keeps, such as the number of a grade"),
    decimal("NumericValue", "COD.N1"),
    *(text(f"CorrespondenceLanguageCode{n}", f"COD.CL{n}") for n in _LANGUAGES),
    *(text(f"DescriptionForLanguage{n}", f"COD.DE{n}") for n in _LANGUAGES),
)


CODES = Resource(
    name="codes",
    title="What the district calls the codes of the fields that views show",
    path="codes/{part}",
    parts=PARTS,
    grain=Grain.DISTRICT,
    fields=FIELDS,
    key=("Table", "Field", "Code"),
    key_source=KeySource.INFERRED,
    optional=True,
    personal=False,
    source="https://support.aeries.com/support/solutions/articles/14000113682",
)
