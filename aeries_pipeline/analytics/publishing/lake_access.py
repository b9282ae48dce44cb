"""Where the analysts' lake is, and how it is opened: extension, catalogue, files.

What is written into it is in ``lake``. Nothing else in the package knows the extension,
which is optional and installed as a package, so nothing is downloaded while it is used.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from aeries_pipeline.catalog.tables import literal
from aeries_pipeline.districts.configuration import ENVIRONMENT, PublishSettings
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.memory import open_duckdb

LAKE = "lake"
"""Name under which the lake is attached."""

CATALOGUE = f"__ducklake_metadata_{LAKE}"
"""Name under which DuckLake shows the tables of the catalogue itself."""

MARK = ".aeries-lake"
"""A file that says that everything in the folder is the lake's, and may be deleted by it."""


class LakeNotWrittenError(RuntimeError):
    """The lake cannot be opened or written; each district in it is wholly old or wholly new."""


@dataclass(frozen=True, slots=True)
class Lake:
    """Where the lake is.

    Attributes:
        catalog: Its catalogue, where that is a DuckDB file.
        variable: The environment variable that says where it is otherwise.
        data: The folder of its Parquet files.
        snapshot_days: How long what was replaced can still be read.
        scratch: A folder below the data directory for what memory cannot hold.
    """

    catalog: Path | None
    variable: str
    data: Path
    snapshot_days: float
    scratch: Path


def lake_of(settings: Settings, publish: PublishSettings) -> Lake | None:
    """Return where the lake is; None if there is none.

    Args:
        settings: A path of the roster that is not absolute begins in its data directory.
        publish: The roster's words.
    """
    if publish.format != "ducklake":
        return None
    is_named = publish.catalog.startswith(ENVIRONMENT)
    return Lake(
        None if is_named else settings.data / publish.catalog,
        publish.catalog.removeprefix(ENVIRONMENT) if is_named else "",
        settings.data / publish.data,
        publish.snapshot_days,
        settings.published,
    )


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension of DuckDB from the Python package that has it, without a network.

    DuckDB loads only what its makers have signed.

    Raises:
        LakeNotWrittenError: If the package is not there, or is for another DuckDB.
    """
    found = importlib.util.find_spec(f"duckdb_extension_{name}")
    for place in (found.submodule_search_locations or ()) if found else ():
        version = f"v{duckdb.__version__}"
        path = Path(place) / "extensions" / version / f"{name}.duckdb_extension"
        if path.exists():
            connection.execute(f"LOAD {literal(str(path))}")
            return
    raise LakeNotWrittenError(
        f"the roster asks for a lake (publish: format: ducklake), and DuckDB's extension {name} "
        f"for version {duckdb.__version__} is not installed; give: "
        "pip install 'aeries-pipeline[ducklake]'"
    )


def check_extension(lake: Lake) -> None:
    """See that the lake can be opened here, before anything is made for it.

    Raises:
        LakeNotWrittenError: If an extension is missing, or the environment names no catalogue.
    """
    with open_duckdb(lake.scratch) as connection:
        _load(connection, lake)
    target_of(lake)


def target_of(lake: Lake) -> str:
    """Return the catalogue in the form DuckLake takes; may have a password, is never shown.

    Raises:
        LakeNotWrittenError: If the environment does not name it.
    """
    if lake.catalog is not None:
        return str(lake.catalog)
    stated = os.environ.get(lake.variable, "").strip()
    if not stated:
        raise LakeNotWrittenError(
            f"the environment variable {lake.variable}, which publish: catalog: names, is empty; "
            "set it to the connection string of the Postgres database that holds the lake's "
            "catalogue"
        )
    return f"postgres:{stated}"


@contextmanager
def attached(
    lake: Lake, target: str, *, reads: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection that has the lake attached as ``lake``.

    Args:
        lake: Which one.
        target: Its catalogue, or a copy of it.
        reads: Whether nothing is to be written.
    """
    # A row that stands in the catalogue alone could not be found in the files.
    options = ["DATA_INLINING_ROW_LIMIT 0", f"DATA_PATH {literal(f'{lake.data}/')}"]
    with open_duckdb(lake.scratch) as connection:
        _load(connection, lake)
        connection.execute(
            f"ATTACH {literal(f'ducklake:{target}')} AS {LAKE} "
            f"({', '.join([*options, 'READ_ONLY'] if reads else options)})"
        )
        yield connection
        connection.execute("USE memory")
        connection.execute(f"DETACH {LAKE}")


def _load(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    load_extension(connection, "ducklake")
    if lake.catalog is None:
        load_extension(connection, "postgres_scanner")
