"""``aeries-pipeline ui``: Dagster's UI and daemon on the right instance."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

from rich.console import Console

from aeries_pipeline.cli.demo_site import following, with_receiver
from aeries_pipeline.cli.processes import alone, end_group, ended_by_signals
from aeries_pipeline.cli.roster_watch import RosterWatch
from aeries_pipeline.emulator.serve import demo_emulator, free_port, serving
from aeries_pipeline.orchestration.assets.links import DOCS_VARIABLE, OPERATOR_VARIABLE
from aeries_pipeline.orchestration.automation.instance import open_instance, prepare_home
from aeries_pipeline.orchestration.automation.origin import LOCATION, MODULE
from aeries_pipeline.settings import DATA_VARIABLE, DEMO_PORT, ROSTER_VARIABLE, Settings
from aeries_pipeline.web.serve import DOCS, OPERATOR_PAGE, pages_beside_the_ui
from aeries_pipeline.web.serve import serving as serving_pages

WORKSPACE = f"""\
load_from:
  - python_module:
      module_name: {MODULE}
      location_name: {LOCATION}
"""


def write_workspace(settings: Settings) -> Path:
    """Write the workspace file into the Dagster home of a data directory, and return it."""
    path = prepare_home(settings) / "workspace.yaml"
    path.write_text(WORKSPACE, encoding="utf-8")
    return path


def serve_ui(settings: Settings, port: int, console: Console, *, with_emulator: bool) -> int:
    """Serve the UI, with the demo's districts if requested, until it is stopped.

    Returns:
        The exit status.
    """
    free = free_port(port)
    if free != port:
        console.print(f"Port {port} is in use; the UI takes {free}.")
    with ExitStack() as stack:
        if with_emulator:
            emulator = demo_emulator()
            at = free_port(DEMO_PORT)
            if at != DEMO_PORT:
                console.print(f"Port {DEMO_PORT} is in use; the emulator takes {at}.")
            if settings.is_demo:
                settings, _received = stack.enter_context(with_receiver(settings, at))
                stack.enter_context(following(emulator, settings))
            stack.enter_context(serving(emulator, at))
        pages = stack.enter_context(
            serving_pages(pages_beside_the_ui(settings), free_port(free + 1))
        )
        console.print(f"Dagster's UI: http://127.0.0.1:{free}", soft_wrap=True)
        console.print(f"Documentation: {pages}/{DOCS}", soft_wrap=True)
        return run_ui(settings, free, pages)


def run_ui(settings: Settings, port: int, pages: str) -> int:
    """Run ``dagster dev`` until it is stopped and return its exit status.

    Args:
        settings: Where roster and data are.
        port: Of the UI.
        pages: Where the pages are served to which it links.
    """
    workspace = write_workspace(settings)
    home = workspace.parent
    environment = {
        DOCS_VARIABLE: f"{pages}/{DOCS}",
        OPERATOR_VARIABLE: f"{pages}/{OPERATOR_PAGE}",
        # Who serves these pages elsewhere has said so.
        **os.environ,
        "DAGSTER_HOME": str(home),
        ROSTER_VARIABLE: str(settings.roster),
        DATA_VARIABLE: str(settings.data),
    }
    command = [sys.executable, "-W", "ignore", "-m", "dagster", "dev", "-w", str(workspace)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with alone(settings) as lock, ended_by_signals() as ended:
        # A group of its own: the signal that ends it goes to all of it, and once.
        child = subprocess.Popen(  # noqa: S603
            command, env=environment, cwd=home, start_new_session=True, pass_fds=[lock]
        )
        watch = RosterWatch(settings.roster, f"http://127.0.0.1:{port}")
        threading.Thread(target=watch.follow, args=[ended], daemon=True).start()
        try:
            while not ended.is_set():
                with suppress(subprocess.TimeoutExpired):
                    return child.wait(timeout=0.2)
            return 0
        finally:
            end_group(child)
            # A command that starts now need not wait for the daemon that was.
            with open_instance(settings) as instance:
                instance.wipe_daemon_heartbeats()
