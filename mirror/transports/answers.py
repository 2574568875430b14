"""What the answer of a web server means for the bytes that were asked for (RFC 9110). Pure: status and headers in.

Nothing that a server says is shown as it stands.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from yarl import URL

from .base import Failed, Item, Reason

REDIRECTS = frozenset((301, 302, 303, 307, 308))

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(?:\d{1,18}|\*)", re.ASCII)


class Refusal(Exception):
    """The bytes do not come, and why; it becomes the `Failed` of every item that waits for them."""

    def __init__(self, reason: Reason, detail: str, retry_after: float = 0.0) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail = detail
        self.retry_after = retry_after

    def failed(self, item: Item) -> Failed:
        """The outcome of an item."""
        return Failed(item, self.reason, self.detail, self.retry_after)


def check_status(status: int, headers: Mapping[str, str], now: datetime) -> None:
    """Let 200 and 206 pass whose bytes are sent as they are.

    Raises:
        Refusal: any other answer.
    """
    if status in (200, 206):
        if headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
            raise Refusal("damaged", "the server sends the file compressed, which nobody asked for")
        return
    said = f"the server answers {status}"
    if status in (404, 410):
        raise Refusal("missing", said)
    if status == 416:
        raise Refusal("cut", "the file at the server ends before the bytes that are wanted")
    if status in (408, 425, 429) or status >= 500:
        raise Refusal("unreachable", said, retry_after(headers.get("Retry-After", ""), now))
    if 400 <= status < 500:
        raise Refusal("refused", said)
    raise Refusal("damaged", f"{said}, which is no answer to what was asked")


def retry_after(value: str, now: datetime) -> float:
    """Seconds of a Retry-After: a number, or a date (RFC 9110, section 10.2.3); 0 for what is neither."""
    if re.fullmatch(r"\d{1,9}", value, re.ASCII):
        return float(value)
    try:
        then = email.utils.parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return 0.0
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - now).total_seconds())


def length(headers: Mapping[str, str]) -> int | None:
    """The Content-Length in bytes, or None where the server does not say."""
    value = headers.get("Content-Length", "")
    return int(value) if re.fullmatch(r"\d{1,18}", value, re.ASCII) else None


def check_whole(status: int, headers: Mapping[str, str], size: int | None) -> None:
    """Let the answer to a request for a whole file of `size` bytes pass; None where nobody knows them.

    Raises:
        Refusal: it is a part, or says that it has another length.
    """
    if status != 200:
        raise Refusal("damaged", "the server sends a part of a file that was asked for as a whole")
    found = length(headers)
    if found is not None and size is not None and found != size:
        raise Refusal("cut" if found < size else "damaged", f"the file at the server has {found} bytes, not {size}")


def check_part(status: int, headers: Mapping[str, str], begin: int, end: int) -> bool:
    """Let the answer to a request for the bytes `begin` to `end` pass; False is a whole file instead of a part.

    A 200 with the right Content-Range is a part too: some servers of buckets answer so.

    Raises:
        Refusal: it holds other bytes than those, or too few.
    """
    said = headers.get("Content-Range")
    if said is None:
        if status == 206:
            raise Refusal("damaged", "the server sends a part of a file and does not say which")
        found = length(headers)
        if found is not None and found < end:
            raise Refusal("cut", f"the file at the server has {found} bytes, and those up to {end} are wanted")
        return False
    match = _RANGE.fullmatch(said.strip())
    if match is None or int(match[1]) != begin or int(match[2]) >= end:
        raise Refusal("damaged", "the server sends another part of the file than was asked for")
    if int(match[2]) + 1 < end:
        raise Refusal("cut", "the file at the server ends before the bytes that are wanted")
    found = length(headers)
    if found is not None and found != end - begin:
        raise Refusal("damaged", "the server sends a part of another length than it says")
    return True


def validator(headers: Mapping[str, str]) -> str:
    """What names this state of the file in an If-Range: a strong ETag or the date; empty where there is neither."""
    tag = headers.get("ETag", "")
    if re.fullmatch(r'"[\x21\x23-\x7e]{0,250}"', tag):
        return tag
    date = headers.get("Last-Modified", "")
    return date if re.fullmatch(r"[A-Za-z0-9,: +-]{1,60}", date) else ""


def redirected(url: URL, location: str) -> URL:
    """Where a redirect leads.

    Raises:
        Refusal: nowhere, to something that is no web server, or from https to http.
    """
    try:
        target = url.join(URL(location))
    except ValueError:
        raise Refusal("refused", "the server redirects to what is no address") from None
    if not location or target.scheme not in ("http", "https") or not target.host:
        raise Refusal("refused", "the server redirects to what is no web server")
    if url.scheme == "https" and target.scheme == "http":
        raise Refusal("refused", "the server redirects from https to http")
    return target.with_user(None).with_fragment(None)
