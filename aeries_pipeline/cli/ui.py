"""``aeries-pipeline ui``: Dagster's UI and daemon on the right instance."""

from __future__ import annotations

import os
import subprocess
import sys

from aeries_pipeline.automation.instance import prepare_home
from aeries_pipeline.settings import DATA_VARIABLE, ROSTER_VARIABLE, Settings

WORKSPACE = """\
load_from:
  - python_module:
      module_name: aeries_pipeline.definitions
      location_name: aeries_pipeline
"""


def run_ui(settings: Settings, port: int) -> int:
    """Run ``dagster dev`` until it is stopped and return its exit status."""
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(prepare_home(settings)),
        ROSTER_VARIABLE: str(settings.roster),
        DATA_VARIABLE: str(settings.data),
    }
    home = prepare_home(settings)
    workspace = home / "workspace.yaml"
    workspace.write_text(WORKSPACE, encoding="utf-8")
    command = [sys.executable, "-W", "ignore", "-m", "dagster", "dev", "-w", str(workspace)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    try:
        return subprocess.run(command, env=environment, cwd=home, check=False).returncode  # noqa: S603
    except KeyboardInterrupt:
        return 0
