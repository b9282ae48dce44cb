"""``aeries-pipeline ui``: Dagster's UI and daemon on the right instance."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from aeries_pipeline.orchestration.automation.instance import prepare_home
from aeries_pipeline.settings import DATA_VARIABLE, ROSTER_VARIABLE, Settings

WORKSPACE = """\
load_from:
  - python_module:
      module_name: aeries_pipeline.definitions
      location_name: aeries_pipeline
"""


def write_workspace(settings: Settings) -> Path:
    """Write the workspace file into the Dagster home of a data directory, and return it."""
    path = prepare_home(settings) / "workspace.yaml"
    path.write_text(WORKSPACE, encoding="utf-8")
    return path


def run_ui(settings: Settings, port: int) -> int:
    """Run ``dagster dev`` until it is stopped and return its exit status."""
    workspace = write_workspace(settings)
    home = workspace.parent
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        ROSTER_VARIABLE: str(settings.roster),
        DATA_VARIABLE: str(settings.data),
    }
    command = [sys.executable, "-W", "ignore", "-m", "dagster", "dev", "-w", str(workspace)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    try:
        return subprocess.run(command, env=environment, cwd=home, check=False).returncode  # noqa: S603
    except KeyboardInterrupt:
        return 0
