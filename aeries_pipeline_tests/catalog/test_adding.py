"""docs/adding-a-resource.md is true: one module and one sample, and everything else follows."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import aeries_pipeline
from aeries_pipeline_tests.conftest import CERTIFICATE

MODULE = '''"""Fees and fines of a student."""

from aeries_pipeline.catalog.fields import decimal, integer, nested, text, timestamp
from aeries_pipeline.catalog.resource import Area, Grain, Reference, Resource

FEES = Resource(
    name="fees",
    title="Fees and fines of each student",
    path="schools/{school}/students/0/fees",
    grain=Grain.SCHOOL,
    fields=(integer("StudentID", "STU.ID", required=True, minimum=1), nested("Fees")),
    nested="Fees",
    inner=(
        integer("SequenceNumber", "FEE.SQ", "Part of the key", required=True),
        text("FeeCode", "FEE.CD", "What is owed for"),
        decimal("AmountCharged", "FEE.AM"),
        decimal("AmountPaid", "FEE.PD"),
        timestamp("DateCharged", "FEE.DC"),
        timestamp("DatePaid", "FEE.DP"),
        integer("SchoolCode", "FEE.SC", "School that charges"),
        integer("LetterCount"),
        text("Comment"),
        text("ReceiptNumber"),
    ),
    key=("StudentID", "SequenceNumber"),
    area=Area("Fees and Fines", "Other"),
    references=(Reference("StudentID", "students", "StudentID", same_school=True),),
    optional=True,
    source="https://support.aeries.com/support/solutions/articles/14000113683",
)
'''
FEE = {
    "SequenceNumber": 1,
    "FeeCode": "LIB-06",
    "AmountCharged": 25.0,
    "AmountPaid": 15.0,
    "DateCharged": "2020-11-20T00:00:00",
    "DatePaid": None,
    "SchoolCode": 994,
    "LetterCount": 0,
    "Comment": "",
    "ReceiptNumber": "0",
}
SAMPLE = [{"StudentID": 99400001, "Fees": [FEE, {**FEE, "SequenceNumber": 2, "FeeCode": "ASB"}]}]
PULLS = '''
import json, sys
from pathlib import Path
from aeries_pipeline.analytics.dictionary import entries
from aeries_pipeline.catalog.registry import RESOURCES
from aeries_pipeline.districts.roster import load_roster
from aeries_pipeline.emulator.serve import Shape, make_site, serving
from aeries_pipeline.emulator.server import Emulator
from aeries_pipeline.emulator.site import EVERYTHING
from aeries_pipeline.ingest.pull import pull_resource
from aeries_pipeline.ingest.session import Session
from aeries_pipeline.orchestration.assembly import build_defs
from aeries_pipeline.settings import Settings
from aeries_pipeline.stores.store import Store

STORED = """
    SELECT count(*), count(DISTINCT "StudentID"), count(DISTINCT school),
        count(*) FILTER (s."StudentID" IS NULL)
    FROM raw.fees f LEFT JOIN raw.students s USING (school, "StudentID")
"""
settings = Settings(Path("districts.yaml"), Path("data"))
sites = {
    "granted": make_site(Shape(seed=5, schools=2, students=60), certificate=sys.argv[1]),
    "withheld": make_site(
        Shape(seed=5, schools=2, students=60, areas=EVERYTHING - {"Fees and Fines"}),
        certificate=sys.argv[1],
    ),
}
schools = [one.code for one in sites["granted"].district.real_schools()]
found = {"people": len({
    row.person.id for code in schools for row in sites["granted"].district.rows[code]
})}
with serving(Emulator(sites)) as url:
    Path("districts.yaml").write_text(json.dumps({"districts": [
        {"id": name, "name": name, "url": f"{url}/{name}/", "certificate_env": "CERTIFICATE",
         "schools": schools, "resources": ["fees"]} for name in sites
    ]}))
    for district in load_roster(settings.roster).districts:
        warehouse = Store(settings.data).warehouse(district.id)
        with Session(district, settings, warehouse) as session:
            for name in ("students", "fees"):
                pull_resource(session, RESOURCES[name], schools)
        pulls = "SELECT DISTINCT status FROM meta.pulls WHERE resource = 'fees'"
        found[district.id] = {
            "status": [status for (status,) in warehouse.rows(pulls)],
            "stored": warehouse.rows(STORED)[0] if warehouse.has_table("raw", "fees") else None,
        }
graph = build_defs(settings).get_repository_def().asset_graph
(key,) = (one for one in graph.get_all_asset_keys() if one.path == ["raw", "fees"])
found["checks"] = sorted(one.name for one in graph.get_check_keys_for_assets({key}))
found["partitions"] = graph.get(key).partitions_def.get_partition_keys()
found["columns"] = [
    one.column_name for one in entries() if (one.schema_name, one.table_name) == ("raw", "fees")
]
json.dump(found, sys.stdout)
'''


def test_one_module_and_one_sample_add_a_resource(tmp_path: Path) -> None:
    package = tmp_path / "aeries_pipeline"
    shutil.copytree(Path(aeries_pipeline.__file__).parent, package)
    (package / "catalog" / "fees.py").write_text(MODULE, encoding="utf-8")
    (package / "catalog" / "samples" / "fees.json").write_text(json.dumps(SAMPLE), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", PULLS, CERTIFICATE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "CERTIFICATE": CERTIFICATE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    people, at = found["people"], found["partitions"]
    assert found["granted"] == {"status": ["complete"], "stored": [2 * people, people, 2, 0]}
    assert found["withheld"] == {"status": ["not_granted"], "stored": None}
    assert at == [f"{one}/{code}" for one in ("granted", "withheld") for code in (993, 994)]
    assert {"natural_key_is_unique", "permission_is_granted", "references_lead_somewhere"} <= set(
        found["checks"]
    )
    assert found["columns"][-11:-8] == ["StudentID", "SequenceNumber", "FeeCode"]
