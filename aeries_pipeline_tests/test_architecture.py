"""The direction of imports, and settings that are written in two places."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import aeries_pipeline
from aeries_pipeline.accounts.checks import CONFIRMATION_QUESTIONS
from aeries_pipeline.accounts.checks import QUESTIONS as ACCOUNT_QUESTIONS
from aeries_pipeline.accounts.tables import TABLES, VIEWS
from aeries_pipeline.analytics.registry import VIEWS as VIEWS_FOR_ANALYSTS
from aeries_pipeline.course_requests.checks import QUESTIONS as REQUEST_QUESTIONS
from aeries_pipeline.course_requests.columns_of_table import MEANINGS
from aeries_pipeline.course_requests.model import Reason, State, Warn
from aeries_pipeline.course_requests.tables import REQUESTS_COLUMNS
from aeries_pipeline.course_requests.tables import TABLES as REQUEST_TABLES
from aeries_pipeline.course_requests.tables import VIEWS as REQUEST_VIEWS
from aeries_pipeline.districts.channels import Email, Webhook
from aeries_pipeline.districts.configuration import (
    AccountSettings,
    AnalystSettings,
    CourseRequestSettings,
    IncrementalSettings,
    PublishSettings,
    RetentionSettings,
    SafeguardSettings,
)
from aeries_pipeline.districts.roster import District
from aeries_pipeline.emulator.faults import FaultKind
from aeries_pipeline.ingest.checks import QUESTIONS
from aeries_pipeline.orchestration.assets.onboarding import QUESTIONS as ONBOARDING_QUESTIONS
from aeries_pipeline.orchestration.assets.xello import QUESTIONS as FILE_QUESTIONS
from aeries_pipeline.orchestration.assets.xello_delivery import QUESTIONS as DELIVERY_QUESTIONS
from aeries_pipeline.orchestration.automation.instance import INSTANCE, storage_in
from aeries_pipeline.stores.outcomes import Mode

ROOT = Path(aeries_pipeline.__file__).parent
REPOSITORY = Path(__file__).parents[1]

# Each room may import itself and the rooms named here, and nothing else of ours.
MAY_IMPORT: dict[str, set[str] | None] = {
    "settings": set(),
    "words": set(),
    "catalog": set(),
    "emulator": {"catalog"},
    "stores": {"catalog"},
    "districts": {"catalog", "stores"},
    "ingest": {"catalog", "districts", "settings", "stores"},
    "accounts": {"catalog", "districts", "ingest", "stores"},
    "course_requests": {"accounts", "catalog", "districts", "ingest", "stores"},
    "deliveries": {"accounts", "catalog", "course_requests", "districts", "stores"},
    "analytics": {"accounts", "catalog", "course_requests", "districts", "settings", "stores"},
    "operations": {
        "accounts",
        "analytics",
        "catalog",
        "course_requests",
        "deliveries",
        "districts",
        "ingest",
        "settings",
        "stores",
    },
    "orchestration": {
        "accounts",
        "analytics",
        "catalog",
        "course_requests",
        "deliveries",
        "districts",
        "ingest",
        "operations",
        "settings",
        "stores",
    },
    "web": {
        "accounts",
        "analytics",
        "catalog",
        "course_requests",
        "deliveries",
        "districts",
        "operations",
        "settings",
        "stores",
    },
    "definitions": {"orchestration"},
    "cli": None,
}
MAY_IMPORT_DAGSTER = {"orchestration", "definitions", "cli"}


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def room_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    room = room_of(path)
    allowed = MAY_IMPORT[room]
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0].startswith("dagster"):
            assert room in MAY_IMPORT_DAGSTER, f"{room} imports {name}"
        if parts[0] == "aeries_pipeline" and len(parts) > 1 and allowed is not None:
            assert parts[1] in allowed | {room, "words"}, f"{room} imports {name}"


@pytest.mark.parametrize(
    "room", ["catalog.registry", "districts.roster", "ingest.pull", "stores.load"]
)
def test_the_lower_rooms_load_without_dagster(room: str) -> None:
    code = f"import sys, aeries_pipeline.{room}; sys.exit('dagster' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_module_says_what_belongs_in_it() -> None:
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), path


def test_files_stay_short() -> None:
    for path in MODULES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 440, path


def test_the_instance_of_a_clone_and_that_of_the_command_line_agree() -> None:
    text = (REPOSITORY / "dagster.yaml").read_text(encoding="utf-8")
    stated = YAML(typ="safe").load(text)
    assert stated.pop("storage") == storage_in(Path("data/dagster"))
    assert stated == INSTANCE


def test_the_instance_on_postgres_differs_in_its_storage_alone() -> None:
    text = (REPOSITORY / "docs" / "dagster-postgres.yaml").read_text(encoding="utf-8")
    stated = YAML(typ="safe").load(text)
    assert stated.pop("storage") == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}
    assert stated == INSTANCE


def test_the_lock_file_has_hashes_and_names_no_host() -> None:
    text = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert "index" not in text.split("--hash")[0]
    pins = [line for line in text.splitlines() if "==" in line]
    assert len(pins) > 80
    assert all(line.endswith("\\") for line in pins)


def test_the_generated_pages_are_current() -> None:
    spec = importlib.util.spec_from_file_location("generate", REPOSITORY / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for path, text in module.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run make docs"


def test_the_first_page_stays_short() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)[^)]*\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_pages_name_every_fault_and_every_setting() -> None:
    faults = (REPOSITORY / "docs" / "emulator.md").read_text(encoding="utf-8")
    assert not [kind for kind in FaultKind if f"`{kind}`" not in faults]
    settings = (REPOSITORY / "docs" / "adding-a-district.md").read_text(encoding="utf-8")
    assert not [name for name in District.model_fields if f"`{name}`" not in settings]
    operating = (REPOSITORY / "docs" / "operating.md").read_text(encoding="utf-8")
    asked = {
        *REQUEST_QUESTIONS,
        *QUESTIONS,
        *ONBOARDING_QUESTIONS,
        *ACCOUNT_QUESTIONS,
        *CONFIRMATION_QUESTIONS,
        *FILE_QUESTIONS,
        *DELIVERY_QUESTIONS,
    }
    assert not [name for name in asked if f"`{name}`" not in operating]
    assert not [name for name in IncrementalSettings.model_fields if f"`{name}`" not in operating]
    assert not [mode for mode in Mode if f"`{mode}`" not in operating]
    told = {*Email.model_fields, *Webhook.model_fields}
    assert not [name for name in told if f"`{name}`" not in operating]
    accounts = (REPOSITORY / "docs" / "accounts.md").read_text(encoding="utf-8")
    assert not [name for name in AccountSettings.model_fields if f"`{name}`" not in accounts]
    assert not [name for name in SafeguardSettings.model_fields if f"`{name}`" not in settings]
    requests = (REPOSITORY / "docs" / "course-requests.md").read_text(encoding="utf-8")
    codes = {*CourseRequestSettings.model_fields, *State, *Reason, *Warn}
    codes |= {*REQUEST_TABLES, *REQUEST_VIEWS}
    assert not [name for name in codes if f"`{name}`" not in requests]
    assert set(MEANINGS) == {name for name, _kind in REQUESTS_COLUMNS}
    assert not [name for name in (*TABLES, *VIEWS) if f"`{name}`" not in accounts]


def test_the_pages_name_every_view_and_every_setting_of_analysts() -> None:
    page = (REPOSITORY / "docs" / "analysts.md").read_text(encoding="utf-8")
    names = {*AnalystSettings.model_fields, *PublishSettings.model_fields}
    assert not [name for name in names if f"`{name}`" not in page]
    operating = (REPOSITORY / "docs" / "operating.md").read_text(encoding="utf-8")
    assert not [name for name in RetentionSettings.model_fields if f"`{name}`" not in operating]
    assert not [name for name in VIEWS_FOR_ANALYSTS if f"analytics.{name}" not in page]
