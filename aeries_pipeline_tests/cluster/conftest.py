"""Servers once for all tests of many machines, and a database and bucket of its own for each."""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from aeries_pipeline_tests.cluster.hosts import may_isolate
from aeries_pipeline_tests.cluster.servers import ALL, BUCKET, STORE, Servers, missing

REQUIRED = "AERIES_TEST_CLUSTER"
"""Set by ``make test-cluster``: what is missing is a failure there and no reason to skip."""


if find_spec("dagster_celery") is None and REQUIRED not in os.environ:
    # It cannot even be imported without the extra cluster, which other tests do without.
    collect_ignore = ["test_launcher.py"]


def need(programs: dict[str, str]) -> None:
    lacking = missing(programs)
    if lacking and os.environ.get(REQUIRED):
        pytest.fail(lacking)
    if lacking:
        pytest.skip(lacking)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    need(STORE)
    with tempfile.TemporaryDirectory(prefix="cluster-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        found = Servers(Path(folder))
        try:
            found.start_postgres()
            found.start_s3()
            yield found
        finally:
            found.end()


@pytest.fixture
def redis(servers: Servers) -> Servers:
    """The same with Redis, for runs that are handed out to machines."""
    need(ALL)
    if not may_isolate():
        pytest.fail("needs network namespaces (run as root)")
    if "redis" not in servers.running:
        servers.start_redis()
    return servers


@dataclass
class Cluster:
    """An installation of many machines."""

    servers: Servers
    database: str
    prefix: str
    folder: Path

    def variables(self, host: str, *, database: str = "", endpoint: str = "") -> dict[str, str]:
        """What the environment of a machine says."""
        return {
            **self.servers.variables(host),
            "AERIES_DATABASE_URL": database or self.database,
            "AERIES_OBJECTS": f"s3://{BUCKET}/{self.prefix}",
            "AERIES_OBJECTS_ENDPOINT": endpoint or self.servers.endpoint,
            "AERIES_DATA_DIR": str(self.folder / host),
        }

    def through(self, port: int) -> str:
        """The database's address by way of another port."""
        return self.database.replace(f":{self.servers.postgres_port}/", f":{port}/")


@pytest.fixture
def cluster(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    import psycopg2

    name = f"test_{uuid.uuid4().hex[:12]}"
    address = f"host={servers.address} port={servers.postgres_port} user=aeries dbname=postgres"
    with closing(psycopg2.connect(address)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
    database = servers.database.removesuffix("/aeries") + f"/{name}"
    found = Cluster(servers, database, name, tmp_path)
    for key, value in found.variables("here").items():
        monkeypatch.setenv(key, value)
    return found


Ask = Callable[..., list[tuple[object, ...]]]


@pytest.fixture
def ask(cluster: Cluster) -> Ask:
    """Ask the cluster's Postgres a question."""
    import psycopg2

    def execute(query: str, *values: object) -> list[tuple[object, ...]]:
        # A connection each time: the server may have been killed meanwhile.
        with closing(psycopg2.connect(cluster.database)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(query, values or None)
                return cursor.fetchall() if cursor.description else []

    return execute
