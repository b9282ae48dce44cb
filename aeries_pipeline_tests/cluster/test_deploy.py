"""What ``deploy`` says fits together, and the programs that know such files accept it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

from aeries_pipeline.orchestration.automation.instance import INSTANCE

pytestmark = pytest.mark.cluster

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
CONTAINERS = ("web", "daemon", "files", "worker")


def read(name: str) -> list[dict[str, object]]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def test_the_instance_is_that_of_one_machine_but_for_what_many_need() -> None:
    stated = YAML(typ="safe").load((DEPLOY / "dagster.yaml").read_text())
    own = {"storage", "run_coordinator", "run_launcher", "run_monitoring", "concurrency"}
    assert {name: stated[name] for name in INSTANCE if name not in own} == {
        name: value for name, value in INSTANCE.items() if name not in own
    }
    assert stated["run_monitoring"] == INSTANCE["run_monitoring"] | {
        "poll_interval_seconds": 10,
        "max_resume_run_attempts": 0,
    }
    limits = "tag_concurrency_limits"
    assert stated["concurrency"]["runs"][limits] == INSTANCE["concurrency"]["runs"][limits]
    for part in ("run_coordinator", "run_launcher"):
        module = __import__(stated[part]["module"], fromlist=["x"])
        assert hasattr(module, stated[part]["class"])


def words(value: object) -> str:
    return " ".join(str(one) for one in value) if isinstance(value, list) else str(value)


def test_every_way_starts_the_same_four_roles() -> None:
    (compose,) = read("compose.yaml")
    services = compose["services"]
    assert isinstance(services, dict)
    composed = {name: words(services[name]["command"]) for name in CONTAINERS}
    units = {}
    for path in UNITS:
        (command,) = re.findall(r"^ExecStart=/opt/aeries/bin/(.*)$", path.read_text(), re.MULTILINE)
        units[path.stem.removeprefix("aeries-")] = re.sub(r" -n \S+", "", command)
    pods = {}
    for name in ("kubernetes/control.yaml", "kubernetes/workers.yaml"):
        pod = read(name)[0]["spec"]["template"]["spec"]  # type: ignore[index]
        pods |= {one["name"]: words(one["args"]) for one in pod["containers"]}
    assert set(composed) == set(units) == set(pods)
    for role in CONTAINERS:
        assert composed[role] == pods[role]
        assert composed[role].replace("0.0.0.0", "127.0.0.1") == units[role]


def test_the_units_pass_the_check_of_systemd(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs Debian's package systemd")
    for path in UNITS:
        text = path.read_text()
        command = re.findall(r"^ExecStart=(\S+)", text, re.MULTILINE)[0]
        # What it starts is not installed here.
        unit = tmp_path / path.name
        unit.write_text(text.replace(command, "/bin/true"))
        done = subprocess.run(
            [program, "verify", str(unit)],
            capture_output=True, text=True, env=dict(os.environ), check=False,
        )  # fmt: skip
        said = [line for line in (done.stdout + done.stderr).splitlines() if path.name in line]
        assert said == []
        assert done.returncode == 0, done.stderr
