"""Writes the parts of the documentation that follow from the code.

Run ``make docs`` after a change of the catalogue; a test fails while the pages
are not current. Prose belongs in the pages themselves, not here.
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
    """Return the asset graph as Mermaid, from the catalogue."""
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
        "Made from the catalogue by `make docs`. Round boxes of the graph, and `optional` below,",
        "are pulled only where the roster lists them under `resources`. What has an end point",
        "under `changes` is read by it between whole lists. The answer about one record covers",
        "that `school`, and rows of other schools in it are left out; or the whole `record`,",
        "whatever school was asked: it is read again for every school that has it, and where it",
        "names another school, the list of the school that was asked is read whole.",
        "",
        graph(),
        "",
        "| asset | end point | grain | pulled | natural key | permission | changes | also fills |",
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
    "## Answers that the reference leaves open",
    "",
    "The tests have a second, small server that was written from the reference alone and can do "
    "either of each (`aeries_pipeline_tests/otherserver`); what it has and what is stored are "
    "compared value by value.",
    "",
    "| what comes | what is made of it |",
    "|---|---|",
    "| 204, or 200 with the body `null` | an empty list. What follows is as for `[]`: a list that "
    "was longer waits for a person, and so does a first list of students, schools or another "
    "resource that cannot be empty |",
    "| 200 with no body at all | nothing was said; it is asked for again |",
    "| one object where a list is expected | a list of one, judged by the rule of the "
    "shrunken list like any other |",
    "| a page shorter than was asked for | no end: a server may cap its pages, or number records "
    "that it does not show. A list ends at an empty page, behind a full one or after short ones "
    "in mid-list at two or three of them |",
    "| an empty page before as many numbers as the school has students | no end: who has no "
    "transcript may have a number and no element. A school of 600 students of whom none has one "
    "costs three requests in place of one, of whom ten have one five, or some dozens where these "
    "ten stand far apart |",
    "| 404 for numbers behind the end of a list | the end, where the page before, asked for again "
    "from its middle on, brings its other half alone, and 404 comes once more: two requests more "
    "for each list. Otherwise, and for the first numbers of a list, it is refused |",
    "| the last page or records again behind the end of a list | the end, where a whole page "
    "further on the same comes again, nothing new comes in between, and the last page can be asked "
    "for in parts: four requests more for a list of three pages, five for one of one page. "
    "Otherwise, as where a server counts in pages and the last one is full, it is refused |",
    "| the whole list, whatever numbers are asked for | the list, as with transcripts of a server "
    "that knows `StartingRecord` there and not `StartingStudent`, for one to three requests more |",
    "| the last number left out, taken for a number of records, or not heeded | every record "
    "comes: the next page begins behind as many numbers as the fullest page had records |",
    "| records in any order | their order is not looked at. Where it is another each time a page "
    "is asked for, the list is refused |",
    "| a student without history: no element, no `CourseGrades`, null or `[]` | no line |",
    "| a blank text, or one space | as it comes; compared and shown as blank |",
    "| null in a field of text that the certificate may not see | as it comes; a status code of "
    "null is a bad value, since nobody can tell it from a blank |",
    "| `0001-01-01T00:00:00` for no date | null |",
    "| a number as text, or with four digits | the number |",
    "| a name of the reference's tables where its payloads have another (`ServiceID`, "
    "`RecordSource`) | an unknown field, kept in `_extra` |",
    "| a name of answers of 2020 (`AtRiskPoints`, `CorrespondanceLanguageCode`) | the field of "
    "today |",
    "| a name in other letters (`studentID`) | an unknown field; where a key is missing for it, "
    "the list is refused |",
    "| a field that is missing, or that nobody has heard of | null, or `_extra`; told once, see "
    "`aeries-pipeline fields` |",
    "| an answer about one student: the row of the school that was asked, or every row, also of a "
    "district that shares the student | the rows of that school; what covers the whole `record` "
    "is above |",
    "| `[]`, 204 or 404 for one record that a feed names | gone; after 404, which may also be a "
    "site that lacks the end point, the whole list is read |",
    "| a clock of the server with an offset, with `Z`, or with neither | its time; without one "
    "nobody knows since when to ask for changes, so whole lists are read |",
    "| a time zone by its long or its short name, `UTC`, or none | compared with the roster's, "
    "where it is that of a place; see [Adding a district](adding-a-district.md) |",
    "| another school year than was asked for | refused before anything is read |",
    "| 401 or 403 for what the certificate may not read | not granted, never an empty list |",
    "| a byte-order mark, `text/json`, JSON laid out over lines, properties in another order | "
    "the same rows |",
    "| an answer that ends before what it has opened is closed | it broke off; it is asked for "
    "again |",
    "| a whole answer that is not valid JSON: `NaN`, `Infinity`, half a surrogate pair, a bare "
    "control character, more than 1,000 levels | it would come again, so it is not asked for "
    "again; the rows that hold it go to quarantine with the reason, the others load, and landing "
    "keeps the answer as it came; where it is not certain which rows these are, and of an answer "
    "about one record, all of it is refused and the last good data stays |",
    "| a web page without a field for a password | maintenance; it is asked for again |",
]


def commands_page() -> str:
    """Return the page with every command, from the command line itself."""
    lines = [
        "# Commands",
        "",
        "Made from the command line by `make docs`; `--help` behind a command says the same.",
        "Exit status is 0 only when all that was asked for happened, 2 for a mistake in the",
        "configuration, 1 otherwise.",
        "",
        "| variable | names |",
        "|---|---|",
        "| `AERIES_DISTRICTS` | another roster than `data/districts.yaml` |",
        "| `AERIES_DATA_DIR` | another place than `data` for everything that is written, "
        "the roster apart |",
        "| `AERIES_DUCKDB_MEMORY` | the memory that DuckDB may take |",
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
