"""Whether files are shared by many machines is said by the environment alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aeries_pipeline import settings
from aeries_pipeline.stores import place
from aeries_pipeline.stores.place import PlaceError, shared_place

DATABASE = "postgresql://aeries:hidden@db.example/aeries"  # pragma: allowlist secret


def test_without_a_word_this_machine_works_alone_and_loads_nothing_of_many(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nimport aeries_pipeline.definitions\n"
        "from aeries_pipeline.stores.store import Store\n"
        "store = Store(Path('data').absolute())\n"
        "store.warehouse('eagle-usd').rows('SELECT 1')\n"
        "with store.right('eagle-usd') as right: assert right.refusal() is None\n"
        "assert store.districts() == ['eagle-usd']\n"
        "loaded = {one.split('.')[0] for one in sys.modules}\n"
        "found = loaded & {'boto3', 'botocore', 'celery', 'dagster_celery', 'kombu', 'psycopg2', "
        "'redis'}\n"
        "found |= {one for one in sys.modules if one.startswith('aeries_pipeline.stores.shared')}\n"
        "sys.exit(', '.join(found) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_both_places_are_named_or_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shared_place() is None
    monkeypatch.setenv("AERIES_DATABASE_URL", DATABASE)
    with pytest.raises(PlaceError, match="AERIES_OBJECTS is not; many machines need both"):
        shared_place()
    monkeypatch.setenv("AERIES_OBJECTS", "bucket/prefix")
    with pytest.raises(PlaceError, match="not of the form s3://bucket/prefix"):
        shared_place()
    monkeypatch.setenv("AERIES_OBJECTS", "s3://aeries/production/")
    monkeypatch.setenv("AERIES_HOST", "worker-1")
    found = shared_place()
    assert found is not None
    assert (found.bucket, found.prefix, found.host) == ("aeries", "production", "worker-1")
    assert found.database == DATABASE.replace("://", "+psycopg2://", 1)
    assert "hidden" not in repr(found)
    monkeypatch.setenv("AERIES_DATABASE_URL", "mysql://hidden@db.example")
    with pytest.raises(PlaceError, match="AERIES_DATABASE_URL is no address") as refused:
        shared_place()
    assert "hidden" not in str(refused.value)


def test_both_rooms_call_the_data_directory_the_same() -> None:
    assert place.DATA_VARIABLE == settings.DATA_VARIABLE
