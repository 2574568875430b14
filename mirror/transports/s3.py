"""Items from a bucket of a storage service that speaks S3, over connections that are used again: one GetObject each.

A large object is gone on with under the condition that its ETag is still the same (If-Match); an ETag is never taken
for a digest. boto3 blocks, so every call and every read has a thread of its own for as long as it lasts, as many as
there are requests. boto3 does not ask twice here; wrappers do. Source: the Amazon S3 API reference, GetObject.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore import UNSIGNED, exceptions
from botocore.config import Config
from urllib3.exceptions import HTTPError, ReadTimeoutError

from tagswarm.manifests.version import VERSION

from . import answers
from .answers import Refusal
from .body import Body
from .pace import Pace
from .ranged import Changed, Limits, Part, RangedSource
from .rate import Rate
from .s3address import Bucket
from .threads import Threads

_GRACE = 1.0
"""Seconds that are waited for answers of which nobody wants the bytes any more; nothing else holds them up."""

_CHUNK = 1 << 18
_REGION = "us-east-1"
"""What signatures name where nobody names a region; services that are not Amazon's take any."""

_MISSING = ("NoSuchKey", "NotFound")
_DENIED = "the bucket does not let us have it; one that may not be listed says so of what it lacks, too"


class S3Source(RangedSource):
    """A dataset in a bucket.

    Args:
        address: see `Bucket`.
        width: requests at a time.
        limits: how long is waited.
        rate: bytes a second, shared with other sources.

    Raises:
        TransportError: the address is none.
    """

    def __init__(
        self, address: str, *, width: int = 16, limits: Limits | None = None, rate: Rate | None = None
    ) -> None:
        self._bucket = Bucket.parse(address)
        super().__init__(str(self._bucket), width=width)
        self._limits = limits or Limits()
        self._rate = rate or Rate()
        self._making = threading.Lock()
        self._client: Any = None
        self._threads = Threads()
        self._open: set[_Object] = set()
        self._closed = False

    async def aclose(self) -> None:
        """End all connections; what is under way is given up."""
        self._closed = True
        for found in tuple(self._open):
            found.stop()
        if self._client is not None:
            self._client.close()
        await self._threads.ended(_GRACE)

    @contextlib.asynccontextmanager
    async def _asked(self, path: str, part: Part | None) -> AsyncIterator[Body]:
        """The body of an object or a part of it, while the block runs."""
        try:
            # Making the client reads files and may ask the network for credentials: that is not the server's time.
            client = self._client or await self._threads.call(self._connected, id)
            async with self._slots, Pace(self._limits.window, self._limits.least) as pace:
                if self._closed:
                    raise Refusal("unreachable", "the source was closed")
                response = await self._threads.call(lambda: self._get(client, path, part), _dropped)
                found = _Object(response["Body"], self._threads)
                self._open.add(found)
                try:
                    if part is not None and part.state not in ("", response.get("ETag")):
                        raise Changed  # some servers do not know If-Match
                    status = response["ResponseMetadata"]["HTTPStatusCode"]
                    headers = _headers(response)
                    answers.check_status(status, headers, datetime.now(UTC))
                    yield Body(status, headers, found, pace, self._rate)
                finally:
                    self._open.discard(found)
                    found.release()
        except (exceptions.ClientError, exceptions.BotoCoreError) as failure:
            raise refusal(failure) from None
        except (TimeoutError, ReadTimeoutError):
            raise Refusal("stalled", f"too few bytes came in {self._limits.window:g} seconds") from None
        except (HTTPError, OSError):
            raise Refusal("cut", "the connection broke before all bytes came") from None

    def _get(self, client: Any, path: str, part: Part | None) -> dict[str, Any]:
        """Ask, and block until the headers are there."""
        asked: dict[str, str] = {"Bucket": self._bucket.bucket, "Key": f"{self._bucket.prefix}{path}"}
        if part is not None:
            asked["Range"] = str(part)
            if part.state:
                asked["IfMatch"] = part.state
        try:
            found: dict[str, Any] = client.get_object(**asked)
        except UnicodeError:
            raise Refusal("unlisted", "no object can have this name") from None
        return found

    def _connected(self) -> Any:
        with self._making:
            if self._client is None:
                self._client = self._made()
            return self._client

    def _made(self) -> Any:
        session = boto3.Session(profile_name=self._bucket.profile or None)
        unsigned = self._bucket.anonymous or (not self._bucket.profile and session.get_credentials() is None)
        return session.client(
            "s3",
            endpoint_url=self._bucket.endpoint or None,
            region_name=self._bucket.region or session.region_name or _REGION,
            config=Config(
                signature_version=UNSIGNED if unsigned else None,
                connect_timeout=self._limits.connect,
                read_timeout=self._limits.window,
                max_pool_connections=self._width,
                retries={"total_max_attempts": 1},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path" if self._bucket.endpoint else "auto"},
                user_agent_extra=f"tagswarm/{VERSION}",
            ),
        )


class _Object:
    """The body of an object as it comes from its connection."""

    def __init__(self, body: Any, threads: Threads) -> None:
        self._threads = threads
        # The stream of boto3 reads as many bytes as it is asked for, however long that takes, and cannot be woken up;
        # that of urllib3 below it can.
        self._stream = body._raw_stream  # noqa: SLF001

    async def readany(self) -> bytes:
        """Some bytes as soon as there are any; none at the end."""
        data = await self._threads.call(lambda: bytes(self._stream.read1(_CHUNK) or b""), len)
        if not data and self._stream.length_remaining:  # boto3 has told urllib3 not to mind
            raise Refusal("cut", f"the body ends {self._stream.length_remaining} bytes early")
        return data

    def release(self) -> None:
        """Give the connection back where all was read, or end it."""
        if self._stream.length_remaining == 0:
            self._stream.read1(1)  # the end, without which urllib3 does not take it back
            self._stream.release_conn()
        else:
            self.stop()
            self._stream.close()

    def stop(self) -> None:
        """Wake whoever reads."""
        with contextlib.suppress(HTTPError, OSError, ValueError, RuntimeError):  # it has ended already
            self._stream.shutdown()


def _dropped(response: dict[str, Any]) -> None:
    """End the connection of an answer that came too late."""
    _Object(response["Body"], Threads()).release()


def _headers(response: Mapping[str, Any]) -> dict[str, str]:
    """What of the headers tells which bytes come; boto3 knows them by other names."""
    names = {"Content-Length": "ContentLength", "Content-Range": "ContentRange", "ETag": "ETag"}
    encoding = response["ResponseMetadata"]["HTTPHeaders"].get("content-encoding", "")
    return {name: str(response[key]) for name, key in names.items() if key in response} | (
        {"Content-Encoding": encoding} if encoding else {}
    )


def refusal(failure: Exception) -> Refusal | Changed:
    """What a failure of boto3 means for the bytes that were asked for; nothing that it says is shown."""
    if isinstance(failure, exceptions.ClientError):
        return _refused(failure.response)
    if isinstance(failure, exceptions.ProfileNotFound):
        return Refusal("refused", "there is no such profile in the files of boto3")
    if isinstance(
        failure,
        (
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.CredentialRetrievalError,
            exceptions.TokenRetrievalError,
        ),
    ):
        return Refusal("refused", "there are no credentials, or they cannot be used")
    if isinstance(failure, (exceptions.ConnectTimeoutError, exceptions.EndpointConnectionError)):
        return Refusal("unreachable", "no connection")
    if isinstance(failure, exceptions.ReadTimeoutError):
        return Refusal("stalled", "no answer came in time")
    if isinstance(failure, exceptions.SSLError):
        return Refusal("unreachable", "no secure connection: the certificate or the protocol is not accepted")
    if isinstance(failure, exceptions.HTTPClientError):
        return Refusal("unreachable", "no connection, or it broke")
    if isinstance(
        failure, (exceptions.ParamValidationError, exceptions.InvalidRegionError, exceptions.ValidationError)
    ):
        return Refusal("refused", "boto3 does not take the bucket, the name or a setting")
    return Refusal("damaged", "the server does not speak S3 as it should")


def _refused(response: Mapping[str, Any]) -> Refusal | Changed:
    code = str(response.get("Error", {}).get("Code", ""))
    metadata = response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        return Refusal("refused", "there is no such bucket")
    if code in _MISSING or (status in (404, 410) and not code.startswith("No")):
        return Refusal("missing", "the bucket does not have it")
    if code == "PreconditionFailed" or status == 412:
        return Changed()
    if code in ("SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "InternalError", "ServiceUnavailable"):
        status = 503
    if code in ("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"):
        return Refusal("refused", "the bucket lies in another region: name it with region=")
    if status == 403:
        return Refusal("refused", _DENIED)
    try:
        headers = {name.title(): value for name, value in metadata.get("HTTPHeaders", {}).items()}
        answers.check_status(status, headers, datetime.now(UTC))
    except Refusal as found:
        return found
    return Refusal("damaged", "the server does not speak S3 as it should")
