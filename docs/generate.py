"""Writes the parts of the documentation that follow from the code.

Run ``make docs`` after a change of the catalog; a test fails while the pages are not
current. Prose belongs in the pages themselves, not here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import yaml

from aeries_pipeline.analytics import dictionary
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.catalog.resource import Grain
from aeries_pipeline.cli.main import main

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))
from lineage import lineage  # noqa: E402 - its neighbour

LINEAGE = Path(dictionary.__file__).with_name("lineage.json")
DOWNSTREAM = (
    "core/confirmations",
    "core/accounts",
    "core/account_changes",
    "out/xello_files",
    "out/xello_delivery",
)


def graph() -> str:
    """Return the asset graph as Mermaid, from the catalog."""
    lines = ["```mermaid", "flowchart LR", '  aeries(["Aeries sites, API v5"])']
    for grain in Grain:
        lines.append(f'  subgraph {grain}["one partition for each {grain}"]')
        for resource in RESOURCES.values():
            if resource.grain is grain:
                name = f"raw/{resource.name}"
                shape = f'(["{name}"])' if resource.optional else f'["{name}"]'
                lines.append(f"    {resource.name}{shape}")
        lines.append("  end")
    lines += ['  subgraph accounts["one partition for each district"]']
    lines += [f'    {name.replace("/", "_")}["{name}"]' for name in DOWNSTREAM]
    lines += ["  end"]
    lines += [f"  aeries --> {grain}" for grain in Grain]
    lines += [
        "  students --> core_confirmations --> core_accounts",
        "  students --> core_accounts",
        "  students --> core_account_changes",
        "  core_accounts --> out_xello_files",
    ]
    lines += [f"  {name} --> out_xello_files" for name in ("schools", "courses")]
    lines += [f"  {name} --> out_xello_files" for name in ("classes", "terms", "transcripts")]
    lines += ['  xello(["Xello"])', "  out_xello_files --> out_xello_delivery --> xello"]
    lines += [
        '  inbox(["inbox: course requests"])',
        '  core_course_requests["core/course_requests, by district"]',
        '  out_sss_files["out/sss_files, by school"]',
        '  out_sss_delivery["out/sss_delivery, by district"]',
        '  aeries_sss(["Aeries, table SSS"])',
        "  xello -.-> inbox --> core_course_requests --> out_sss_files -.-> aeries_sss",
        "  out_sss_files --> out_sss_delivery -.-> aeries_sss",
    ]
    requests = ("course_requests", "alternate_course_requests")
    for name in ("schools", "courses", "students", *requests):
        lines.append(f"  {name} --> core_course_requests")
    lines += [
        '  analytics["analytics/..., the views"]',
        '  published_aeries["published/aeries"]',
        '  analysts(["analysts"])',
        "  district --> analytics",
        "  school --> analytics",
        "  accounts --> analytics",
        "  core_course_requests --> analytics",
        "  analytics --> published_aeries -.-> analysts",
    ]
    return "\n".join([*lines, "```"])


def resources_page() -> str:
    """Return the page that lists every resource."""
    lines = [
        "# Resources",
        "",
        "Made from the catalog by `make docs`. Resources in round boxes, `optional` below, are",
        "pulled only if the roster lists them under `resources`. A resource with an endpoint under",
        "`changes` is read through it between whole lists. The response about one record covers",
        "either that `school` (rows of other schools in it are left out) or the whole `record`,",
        "whatever school was requested: then it is read again for every school that has it, and if",
        "it names another school, the requested school's list is read whole.",
        "",
        graph(),
        "",
        "| asset | endpoint | grain | pulled | natural key | permission | changes | also fills |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in RESOURCES.values():
        key = ", ".join(one.key) or "none"
        feed = f"`{one.feed.path}`, {one.feed.covers}" if one.feed else ""
        also = ", ".join(f"`raw.{child.name}`" for child in one.children)
        pulled = "optional" if one.optional else "always"
        area = one.area.name if one.area else "any valid certificate"
        lines.append(
            f"| `raw/{one.name}` | `/{one.path}` | {one.grain} | {pulled} | {key} "
            f"({one.key_source}) | {area} | {feed} | {also} |"
        )
    return "\n".join([*lines, *_ANSWERS]) + "\n"


_ANSWERS = [
    "",
    "## Responses that the reference leaves open",
    "",
    "The tests have a second, small server that was written from the reference alone and can do "
    "all of this (`aeries_pipeline_tests/otherserver`); what it has and what is stored are "
    "compared value by value.",
    "",
    "| what comes | what happens |",
    "|---|---|",
    "| 204, or 200 with the body `null` | an empty list, as for `[]`: if the list used to be "
    "longer, it waits for a person, and so does a first list of students, schools or another "
    "resource that cannot be empty |",
    "| 200 with no body at all | this says nothing; it is requested again |",
    "| one object instead of a list | a list of one, judged by the rule for shrunken lists like "
    "any other |",
    "| a page shorter than requested | not the end: a server may cap its pages, or count records "
    "that it does not show. A list ends at an empty page after a full one, or, after short ones in "
    "the middle, at two or three empty pages |",
    "| an empty page before the numbers have reached the school's number of students | not the "
    "end: a student without a transcript may have a number and no element. A school of 600 "
    "students costs three requests instead of one if none of them has one, five if ten have one, "
    "and some dozens if these ten are far apart |",
    "| 404 for numbers after the end of a list | the end, if the last page, requested again from "
    "its middle on, brings only its second half, and 404 comes once more: two more requests for "
    "each list. Otherwise, and for the first numbers of a list, it is refused |",
    "| the last page or records again after the end of a list | the end, if a whole page further "
    "on the same comes again, nothing new comes in between, and the last page can be requested in "
    "parts: four more requests for a list of three pages, five for a list of one page. Otherwise "
    "it is refused, for example if a server counts in pages and the last one is full |",
    "| the whole list, whatever numbers are requested | the list, for one to three more requests. "
    "Transcripts come like this from a server that knows `StartingRecord` and not "
    "`StartingStudent` |",
    "| the last number left out, taken for a number of records, or ignored | every record comes: "
    "the next page starts after as many numbers as the fullest page had records |",
    "| records in any order | the order does not matter. If it changes each time a page is "
    "requested, the list is refused |",
    "| a student without history: no element, no `CourseGrades`, null or `[]` | no line |",
    "| a blank text, or one space | stored as received; compared and shown as blank |",
    "| null in a text field that the certificate may not see | stored as received; a status code "
    "of null is a bad value, because it cannot be told from a blank |",
    "| `0001-01-01T00:00:00` for no date | null |",
    "| a number as text, or with four digits | the number |",
    "| a name from the reference's tables if its payloads have another (`ServiceID`, "
    "`RecordSource`) | an unknown field, kept in `_extra` |",
    "| a name from responses of 2020 (`AtRiskPoints`, `CorrespondanceLanguageCode`) | the field's "
    "present name |",
    "| a name in other case (`studentID`) | an unknown field; if a key is missing because of it, "
    "the list is refused |",
    "| a field that is missing, or that is unknown | null, or `_extra`; reported once, see "
    "`aeries-pipeline fields` |",
    "| a response about one student: the row of the requested school, or every row, including "
    "those of a district that shares the student | the rows of that school; what covers the whole "
    "`record` is described above |",
    "| `[]`, 204 or 404 for one record that a feed names | gone; after 404, which may also mean "
    "that the site lacks the endpoint, the whole list is read |",
    "| a server clock with an offset, with `Z`, or with neither | its time; without one, it is "
    "unknown since when to ask for changes, so whole lists are read |",
    "| a time zone by its long or its short name, `UTC`, or none | compared with the roster's, if "
    "it is that of a place; see [Adding a district](adding-a-district.md) |",
    "| another school year than requested | refused before anything is read |",
    "| 401 or 403 for what the certificate may not read | not granted, never an empty list |",
    "| a byte-order mark, `text/json`, JSON laid out over lines, properties in another order | "
    "the same rows |",
    "| a response that ends before it has closed what it has opened | it broke off; it is "
    "requested again |",
    "| a complete response that is not valid JSON: `NaN`, `Infinity`, half a surrogate pair, a "
    "bare control character, more than 1,000 levels | it would come again, so it is not requested "
    "again. The rows with the fault go to quarantine with the reason, the others load, and landing "
    "keeps the response as received. If it is not certain which rows these are, or the response is "
    "about one record, all of it is refused and the last good data stay |",
    "| a web page without a password field | maintenance; it is requested again |",
]


def commands_page() -> str:
    """Return the page with every command, from the command line itself."""
    lines = [
        "# Commands",
        "",
        "Made from the command line by `make docs`; `--help` after a command says the same.",
        "The exit status is 0 only if everything requested was done, 2 for a mistake in the",
        "configuration, 1 otherwise.",
        "",
        "| variable | meaning |",
        "|---|---|",
        "| `AERIES_DISTRICTS` | a roster other than `data/districts.yaml` |",
        "| `AERIES_DATA_DIR` | a folder other than `data` for everything that is written, except "
        "the roster |",
        "| `AERIES_DUCKDB_MEMORY` | the memory that DuckDB may use |",
        "| `AERIES_DUCKDB_THREADS` | the threads that DuckDB may use in each process |",
        "| `AERIES_DATABASE_URL`, `AERIES_OBJECTS`, `AERIES_OBJECTS_ENDPOINT`, `AERIES_HOST` | "
        "what many machines share, see [Many machines](scale.md) |",
        "",
    ]
    for path, command in _commands(main, "aeries-pipeline"):
        context = click.Context(command)
        arguments = [one for one in command.params if isinstance(one, click.Argument)]
        usage = " ".join([path, *(one.make_metavar(context) for one in arguments)])
        lines += [f"## `{usage}`", "", *_paragraphs(command.help or ""), ""]
        options = [one for one in command.params if isinstance(one, click.Option)]
        rows = [record for one in options if (record := one.get_help_record(context))]
        if rows:
            lines += ["| option | |", "|---|---|"]
            safe = [(name.replace("|", "\\|"), text) for name, text in rows]
            lines += [f"| `{name}` | {text} |" for name, text in safe]
            lines.append("")
    return "\n".join(lines)


def _paragraphs(text: str) -> list[str]:
    return text.strip().splitlines()


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def dbt_sources() -> str:
    """Return the sources of a dbt project: what analysts find in their copy, by schema."""
    schemas: dict[str, dict[str, list[dictionary.Entry]]] = {}
    for entry in dictionary.entries():
        if entry.schema_name in {"analytics", "core"}:
            tables = schemas.setdefault(entry.schema_name, {})
            tables.setdefault(entry.table_name, []).append(entry)
    titles = dictionary.titles()
    sources = [
        {
            "name": schema,
            "database": "aeries",
            "schema": schema,
            "tables": [
                {
                    "name": table,
                    "description": titles[f"{schema}.{table}"],
                    "columns": [
                        {"name": one.column_name, "description": one.meaning} for one in columns
                    ],
                }
                for table, columns in tables.items()
            ],
        }
        for schema, tables in schemas.items()
    ]
    text = yaml.safe_dump({"sources": sources}, sort_keys=False, allow_unicode=True, width=100)
    return f"# Made from the data dictionary by `make docs`.\n{text}"


def pages() -> dict[Path, str]:
    """Return each generated page with its text."""
    return {
        FOLDER / "resources.md": resources_page(),
        FOLDER / "commands.md": commands_page(),
        LINEAGE: lineage(),
        FOLDER / "data-dictionary.md": dictionary.markdown(),
        FOLDER / "dbt" / "models" / "sources.yml": dbt_sources(),
    }


if __name__ == "__main__":
    # The dictionary reads what the lineage has written.
    LINEAGE.write_text(lineage(), encoding="utf-8")
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.name}\n")
