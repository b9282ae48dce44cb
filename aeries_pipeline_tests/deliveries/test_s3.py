"""Deliveries into a bucket, over real HTTP."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from aeries_pipeline.deliveries.deliver import NotDeliveredError, look, send
from aeries_pipeline_tests.deliveries.servers import line
from aeries_pipeline_tests.deliveries.sets import MARKER, NAMES, Outgoing

BUCKET = "district-files"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def bucket(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("STORE_NAME", "a name")
    monkeypatch.setenv("STORE_WORD", "a word")
    store = boto3.resource(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="a name",
        aws_secret_access_key="a word",  # pragma: allowlist secret
    )
    made = store.create_bucket(Bucket=BUCKET)
    yield made
    made.objects.all().delete()
    made.delete()
    store.meta.client.close()


def target(port: int, **changes: object) -> dict[str, object]:
    return {
        "to": "s3",
        "bucket": BUCKET,
        "endpoint": f"http://127.0.0.1:{port}",
        "region": "us-east-1",
        "access_key_env": "STORE_NAME",
        "secret_key_env": "STORE_WORD",  # pragma: allowlist secret
        "folder": "xello/in",
        "retry_for": "0 s",
        **changes,
    }


def content_of(bucket: Any) -> dict[str, bytes]:
    return {one.key: one.get()["Body"].read() for one in bucket.objects.all()}


def test_a_set_arrives_and_replaces_the_last(bucket: Any, port: int, tmp_path: Path) -> None:
    outgoing = Outgoing(tmp_path, target(port))
    outgoing.make_set(size=300_000)
    look(outgoing.job())
    assert content_of(bucket) == {}
    send(outgoing.job())
    second = outgoing.make_set("20261128T180000Z", "second")
    send(outgoing.job())
    assert content_of(bucket) == {f"xello/in/{name}": second[name] for name in NAMES}
    assert [row["target"] for row in outgoing.rows()] == [f"s3://{BUCKET}/xello/in"] * 2


def test_a_bucket_that_is_not_there(bucket: Any, port: int, tmp_path: Path) -> None:
    outgoing = Outgoing(tmp_path, target(port, bucket="another-one"))
    outgoing.make_set()
    with pytest.raises(NotDeliveredError, match="there is no such bucket") as caught:
        send(outgoing.job())
    assert caught.value.code == "no_folder"
    assert MARKER not in str(caught.value)


def test_a_line_that_breaks_is_tried_again(bucket: Any, port: int, tmp_path: Path) -> None:
    with line(port, cuts=(400, 60_000)) as way:
        outgoing = Outgoing(tmp_path, target(way.port, retry_for="30 min"))
        content = outgoing.make_set(size=50_000)
        found = send(outgoing.job(sleep=lambda _seconds: None))
    assert found.attempts > 1
    assert content_of(bucket) == {f"xello/in/{name}": content[name] for name in NAMES}


def test_without_its_library_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "aeries_pipeline.deliveries.s3", raising=False)
    monkeypatch.setitem(sys.modules, "boto3", None)
    outgoing = Outgoing(tmp_path, target(9, access_key_env="", secret_key_env=""))
    outgoing.make_set()
    with pytest.raises(NotDeliveredError, match=r"pip install 'aeries-pipeline\[s3\]'"):
        send(outgoing.job())
