"""Items from buckets: rclone's S3 server, and a web server that misbehaves in its place."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
from botocore import exceptions

from tagswarm.manifests import disk
from tagswarm.manifests.errors import LimitExceeded, TransportError
from tagswarm.mirror.transports.answers import Refusal
from tagswarm.mirror.transports.base import Arrived, Failed, Item
from tagswarm.mirror.transports.compose import Failover, Retrying
from tagswarm.mirror.transports.ranged import Changed, Limits
from tagswarm.mirror.transports.rate import Rate
from tagswarm.mirror.transports.s3 import S3Source, refusal
from tagswarm.mirror.transports.s3address import Bucket
from tests.chaos.httpd import FAULTS, Chaos
from tests.mirror.transports.conformance import OpenedSource, SourceConformance, Tree, fetched, run
from tests.mirror.transports.servers import buckets, free_port
from tests.mirror.transports.test_http import LYING, REASONS, World, checked, world

SHORT = Limits(connect=2, window=1, least=1_000)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No settings of whoever runs the tests: an empty folder for the files of boto3."""
    folder = tmp_path_factory.mktemp("aws")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return folder


class TestS3(SourceConformance):
    @pytest.fixture
    def opened(self, storage: str, tree: Tree) -> OpenedSource:
        return lambda: aclosing(S3Source(f"s3://{tree.root.name}?endpoint={storage}"))


def right(tree: Tree, outcome: Arrived | Failed) -> bool:
    return isinstance(outcome, Arrived) and (
        hashlib.sha256(outcome.file.read_bytes()).digest() == tree.digests[outcome.item]
    )


async def once(
    address: str, items: Sequence[Item], staging: Path, limits: Limits | None = None
) -> list[Arrived | Failed]:
    async with aclosing(S3Source(address, limits=limits)) as source:
        return await fetched(source, items, staging)


async def read(address: str, path: str, *, limit: int) -> bytes | None:
    async with aclosing(S3Source(address, limits=SHORT)) as source:
        return await source.read(path, limit=limit)


def bad(server: Chaos, fault: str) -> str:
    """The address of a bucket that has a fault."""
    return f"s3://{fault}/?endpoint=http://127.0.0.1:{server.port}&anonymous=true"


def test_who_has_credentials_is_let_in(
    tree: Tree, tmp_path: Path, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = tree.small()[5]
    [folder, *rest] = item.path.split("/")
    inner = dataclasses.replace(item, path="/".join(rest))
    (settings / "credentials").write_text(
        "[mine]\naws_access_key_id = AKNOWN\naws_secret_access_key = SECRETSECRET\n"
        "[other]\naws_access_key_id = AKNOWN\naws_secret_access_key = WRONGWRONG\n"
    )
    with buckets(tree.root.parent, tmp_path / "server", keys="AKNOWN,SECRETSECRET") as endpoint:
        address = f"s3://{tree.root.name}/{folder}/?endpoint={endpoint}"
        [outcome] = run(once(f"{address}&profile=mine&region=eu-north-1", [inner], tmp_path / "a"))
        assert isinstance(outcome, Arrived)
        assert hashlib.sha256(outcome.file.read_bytes()).digest() == tree.digests[item]
        for more in ("", "&profile=other", "&profile=none", "&profile=mine&anonymous=true"):
            [outcome] = run(once(address + more, [inner], tmp_path / "b"))
            assert isinstance(outcome, Failed)
            assert outcome.reason == "refused", more
            assert "SECRET" not in outcome.detail
            assert "WRONG" not in outcome.detail
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKNOWN")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRETSECRET")
        assert isinstance(run(once(address, [inner], tmp_path / "c"))[0], Arrived)


def test_a_bucket_that_is_not_there_is_refused(storage: str, tree: Tree, tmp_path: Path) -> None:
    outcomes = run(once(f"s3://nobucket?endpoint={storage}", tree.small()[:3], tmp_path))
    assert {outcome.reason for outcome in outcomes if isinstance(outcome, Failed)} == {"refused"}
    with pytest.raises(TransportError, match="no such bucket"):
        run(read(f"s3://nobucket?endpoint={storage}", "latest.json", limit=10))


def test_nobody_answers(tree: Tree, tmp_path: Path) -> None:
    address = f"s3://bucket?endpoint=http://127.0.0.1:{free_port()}"
    outcomes = run(once(address, tree.small(), tmp_path))
    assert {(outcome.reason, outcome.detail) for outcome in outcomes if isinstance(outcome, Failed)} == {
        ("unreachable", "no connection")
    }


def test_names_that_no_object_can_have_are_unlisted(storage: str, tree: Tree, tmp_path: Path) -> None:
    item = Item(path="\udc80.jpg", size=4, volume="v")
    [outcome] = run(once(f"s3://{tree.root.name}?endpoint={storage}", [item], tmp_path))
    assert isinstance(outcome, Failed)
    assert outcome.reason == "unlisted"


def test_a_full_disk_is_the_disk(storage: str, tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "staging").write_bytes(b"a file, where the folder should be")
    outcomes = run(once(f"s3://{tree.root.name}?endpoint={storage}", tree.small()[:3], tmp_path / "staging"))
    assert {outcome.reason for outcome in outcomes if isinstance(outcome, Failed)} == {"disk"}


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket",
        "s3://bucket/a/b",
        "s3://bucket/a?endpoint=https://host:9000",
        "s3://bucket?endpoint=http://host/path&region=eu-north-1&profile=mine",
        "s3://bucket?anonymous=true",
    ],
)
def test_an_address_is_shown_as_it_is_written(address: str) -> None:
    assert str(Bucket.parse(address)) == address
    assert S3Source(address).address == address
    assert Bucket.parse(str(Bucket.parse(address))) == Bucket.parse(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "s3://",
        "s3:///a",
        "bucket/a",
        "https://bucket/a",
        "s3://key:secret@bucket/a",
        "s3://b/a#c",
        "s3://bucket/a?secret",
        "s3://bucket/a?key=secret",
        "s3://bucket/a?endpoint=host",
        "s3://bucket/a?endpoint=file:///secret",
        "s3://bucket/a?endpoint=https://key:secret@host",
        "s3://bucket/a?anonymous=secret",
        "s3://[/a",
        "s3://-bucket",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(TransportError) as failure:
        S3Source(address)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (404, "NoSuchKey", "missing"),
        (404, "404", "missing"),
        (410, "", "missing"),
        (404, "NoSuchBucket", "refused"),
        (403, "AccessDenied", "refused"),
        (403, "InvalidAccessKeyId", "refused"),
        (400, "AuthorizationHeaderMalformed", "refused"),
        (301, "PermanentRedirect", "refused"),
        (416, "InvalidRange", "cut"),
        (503, "SlowDown", "unreachable"),
        (400, "RequestTimeout", "unreachable"),
        (500, "InternalError", "unreachable"),
        (200, "InternalError", "unreachable"),
        (200, "", "damaged"),
    ],
)
def test_what_the_errors_of_s3_mean(status: int, code: str, reason: str) -> None:
    headers = {"retry-after": "7"}
    response = {
        "Error": {"Code": code, "Message": "\x1b"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }
    found = refusal(exceptions.ClientError(response, "GetObject"))
    assert isinstance(found, Refusal)
    assert found.reason == reason
    assert found.retry_after == (7.0 if reason == "unreachable" else 0.0)
    assert found.detail.isprintable()


def test_a_condition_that_failed_is_a_change() -> None:
    response = {"Error": {"Code": "PreconditionFailed"}, "ResponseMetadata": {"HTTPStatusCode": 412}}
    assert isinstance(refusal(exceptions.ClientError(response, "GetObject")), Changed)


# What follows asks a server that misbehaves.

EXPECTED = REASONS | {
    "endless_header": ("unreachable", "damaged"),
    "two_lengths": ("unreachable", "damaged"),
    **dict.fromkeys(("loop", "to_file", "nowhere"), ("refused", "unreachable", "damaged", "stalled")),
}
"""As of a web server, but for what boto3 does not tell apart."""


@pytest.fixture(params=sorted(FAULTS))
def broken(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_fault_ends_in_right_bytes_or_a_named_failure(broken: str, rounds: int, tmp_path: Path) -> None:
    async def body(number: int) -> None:
        made = world(number)
        async with Chaos(made.files, seed=number).running() as server:
            outcomes = await once(bad(server, broken), made.items, tmp_path / f"{number}", SHORT)
            reasons = checked(made, outcomes, made.items, lying=broken in LYING)
            assert set(reasons) <= set(EXPECTED.get(broken, ("arrived",))), reasons
            outcomes = await once(bad(server, broken), made.members, tmp_path / f"{number}m", SHORT)
            checked(made, outcomes, made.members, lying=broken in LYING)

    for number in range(rounds):
        run(body(number), limit=20)


def test_another_source_mends_every_fault(broken: str, tmp_path: Path) -> None:
    async def body() -> None:
        made = world(0)
        items = (*made.items, *made.members)
        async with (
            Chaos(made.files).running() as server,
            aclosing(S3Source(bad(server, broken), limits=SHORT)) as first,
            aclosing(S3Source(bad(server, "fine"), limits=SHORT)) as second,
        ):
            outcomes = await fetched(Failover([first, second]), items, tmp_path)
            assert checked(made, outcomes, items, lying=broken in LYING) == {"arrived": len(items)}

    run(body(), limit=20)


def test_documents_come_right_or_not_at_all(broken: str) -> None:
    async def body() -> None:
        made = world(0)
        item = made.items[0]
        async with Chaos(made.files).running() as server:
            found: bytes | TransportError | LimitExceeded | None
            try:
                found = await read(bad(server, broken), item.path, limit=item.size)
            except (TransportError, LimitExceeded) as failure:
                found = failure
            if found is None:
                assert broken in ("404", "410")
            elif not isinstance(found, bytes):
                assert str(found).isprintable()
            elif broken not in ("lying", "portal", "shorter", "short_chunks"):  # nobody knows a better length
                assert found == made.files[item.path]

    run(body(), limit=20)


def large(made: World) -> Item:
    return Item(path="large.png", size=len(made.files["large.png"]), volume="v")


@pytest.mark.parametrize("broken", ["cut_once", "changed", "changed_unsaid", "changed_412", "whole", "busy_once"])
def test_a_large_object_is_gone_on_with_or_begun_anew(broken: str, rounds: int, tmp_path: Path) -> None:
    async def body(number: int) -> None:
        made = world(number)
        item = large(made)
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)

        async with (
            Chaos(made.files, seed=number).running() as server,
            aclosing(S3Source(bad(server, broken), limits=SHORT)) as source,
        ):
            [outcome] = await fetched(Retrying(source, sleep=sleep), [item], tmp_path / f"{number}")
            if broken == "changed_unsaid":  # all bytes of the other file
                assert isinstance(outcome, Arrived)
                assert outcome.file.read_bytes() == bytes(item.size)
            else:
                assert checked(made, [outcome], [item]) == {"arrived": 1}
            assert len(pauses) == (broken != "whole")
            if broken == "busy_once":
                assert pauses == [7.0]

    for number in range(rounds):
        run(body(number), limit=20)


def broken_off(staging: Path) -> bytes:
    """What lies aside."""
    [part] = staging.glob(f"{disk.TEMPORARY}*")
    return part.read_bytes()


def test_only_the_rest_of_a_large_object_is_asked_for(tmp_path: Path) -> None:
    async def body() -> None:
        made = world(0)
        item = large(made)
        async with Chaos(made.files).running() as server:
            assert isinstance((await once(bad(server, "cut_once"), [item], tmp_path, SHORT))[0], Failed)
            have = broken_off(tmp_path)
            assert made.files["large.png"].startswith(have)
            made.files["large.png"] = bytes(len(have)) + made.files["large.png"][len(have) :]
            [outcome] = await once(bad(server, "cut_once"), [item], tmp_path, SHORT)
            assert isinstance(outcome, Arrived)
            assert outcome.file.read_bytes() == have + made.files["large.png"][len(have) :]

    run(body())


def test_few_connections_are_used_again(tmp_path: Path) -> None:
    async def body() -> None:
        made = world(0)
        async with Chaos(made.files).running() as server:
            outcomes = await once(bad(server, "fine"), made.items * 60, tmp_path)
            assert Counter(type(outcome) for outcome in outcomes) == {Arrived: 300}
            assert server.connections <= 16

    run(body())


def test_a_rate_slower_than_the_least_is_no_stall(tmp_path: Path) -> None:
    async def body() -> None:
        made = world(0)
        async with Chaos(made.files).running() as server:
            limits = Limits(window=0.5, least=1_000_000)
            async with aclosing(S3Source(bad(server, "fine"), limits=limits, rate=Rate(200_000))) as source:
                outcomes = await fetched(source, made.items[:2], tmp_path)
        assert checked(made, outcomes, made.items[:2]) == {"arrived": 2}

    run(body())


def test_a_server_that_says_nothing_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async def body() -> None:
        made = world(0)
        async with Chaos(made.files).running() as server, aclosing(S3Source(bad(server, "silent"))) as source:
            outcomes = source.fetch(made.items, tmp_path)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await anext(outcomes)
            await outcomes.aclose()

    run(body(), limit=5)
