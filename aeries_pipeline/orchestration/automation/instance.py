"""The configuration of a Dagster instance, and where it is stored.

``dagster.yaml`` in the repository has the same settings for ``dagster dev`` in a clone; a
test checks that the two agree.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import dagster as dg
from filelock import FileLock
from ruamel.yaml import YAML

from aeries_pipeline.orchestration.automation.old_keys import MARK, bring_keys
from aeries_pipeline.orchestration.automation.run_queue import (
    CommandRunLauncher,
    DistrictRunCoordinator,
)
from aeries_pipeline.orchestration.automation.storage import QuickSqliteStorage, batch_events
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.connection import private_directory
from aeries_pipeline.stores.files import write_atomically

INSTANCE: dict[str, Any] = {
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},
    "run_monitoring": {
        "enabled": True,
        "start_timeout_seconds": 180,
        "max_runtime_seconds": 6 * 3600,
        "free_slots_after_run_end_seconds": 300,
    },
    "run_retries": {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False},
    "run_coordinator": {
        "module": DistrictRunCoordinator.__module__,
        "class": DistrictRunCoordinator.__name__,
    },
    "run_launcher": {
        "module": CommandRunLauncher.__module__,
        "class": CommandRunLauncher.__name__,
    },
    "concurrency": {
        "runs": {
            "max_concurrent_runs": 4,
            "tag_concurrency_limits": [
                {"key": "aeries/district", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
            ],
        }
    },
    "retention": {
        "sensor": {"purge_after_days": {"skipped": 3, "failure": 30, "success": 30, "started": 7}},
        "schedule": {"purge_after_days": 30},
    },
}
"""Telemetry off, one run for each district at a time, retries only after a crash."""

POSTGRES_VARIABLE = "DAGSTER_POSTGRES_URL"
"""Names the database where ``docs/dagster-postgres.yaml`` is in use."""

_STORAGES = {"storage", "run_storage", "event_log_storage", "schedule_storage"}
_QUEUES = {"run_coordinator", "run_queue"}


def prepare_home(settings: Settings) -> Path:
    """Make the Dagster home of a data directory, unless DAGSTER_HOME names another.

    Returns:
        The home, which is also set as DAGSTER_HOME for this process.
    """
    batch_events()
    named = os.environ.get("DAGSTER_HOME")
    if named:
        _bring_keys(Path(named))
        return Path(named)
    home = private_directory(settings.dagster_home).absolute()
    path = home / "dagster.yaml"
    kept = YAML(typ="safe").load(path.read_text(encoding="utf-8")) if path.exists() else INSTANCE
    # A home of another release gets what it does not name itself, and the
    # classes of ours by the names that they have in this one.
    added: dict[str, Any] = {}
    if not _STORAGES & set(kept) or _names_ours(kept.get("storage")):
        added["storage"] = storage_in(home)
    if not _QUEUES & set(kept) or _names_ours(kept.get("run_coordinator")):
        added["run_coordinator"] = INSTANCE["run_coordinator"]
    if "run_launcher" not in kept or _names_ours(kept.get("run_launcher")):
        added["run_launcher"] = INSTANCE["run_launcher"]
    added = {name: value for name, value in added.items() if kept.get(name) != value}
    if added or not path.exists():
        text = StringIO()
        YAML().dump(kept | added, text)
        write_atomically(path, text.getvalue())
    _bring_keys(home)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def _bring_keys(home: Path) -> None:
    """Let an older home have the present partition keys; one process does it."""
    if not home.is_dir() or (home / MARK).exists():
        return
    with FileLock(home / "instance.lock"):
        bring_keys(home, os.environ.get(POSTGRES_VARIABLE))


def _names_ours(part: Mapping[str, Any] | None) -> bool:
    """Say whether a part of a ``dagster.yaml`` names a class of this project."""
    named = [part, *(part or {}).values()]
    modules = [str(one.get("module", "")) for one in named if isinstance(one, Mapping)]
    return any(module.split(".")[0] == "aeries_pipeline" for module in modules)


def storage_in(folder: Path) -> dict[str, Any]:
    """Return the ``storage`` part of a ``dagster.yaml`` for files below a folder."""
    return {
        "custom": {
            "module": QuickSqliteStorage.__module__,
            "class": QuickSqliteStorage.__name__,
            "config": {"base_dir": str(folder)},
        }
    }


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open the instance that the UI of the same data directory shows."""
    home = prepare_home(settings)
    with ExitStack() as stack:
        # Two processes that make the tables of a new instance at once collide.
        with FileLock(home / "instance.lock"):
            instance = stack.enter_context(dg.DagsterInstance.get())
            instance.get_runs_count()
            instance.all_asset_keys()
        yield instance
