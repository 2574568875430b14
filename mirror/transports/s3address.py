"""Where a dataset lies in a bucket, as a person writes it. Pure: text in, values out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from tagswarm.manifests.errors import TransportError

_BUCKET = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,254}")
_OPTIONS = frozenset(("endpoint", "region", "profile", "anonymous"))


@dataclass(frozen=True, slots=True)
class Bucket:
    """What an address says: `s3://bucket/prefix?endpoint=https://host&region=...&profile=...&anonymous=true`."""

    bucket: str
    prefix: str
    """Before every path; empty, or ending in `/`."""
    endpoint: str = ""
    """Of a service that is not Amazon's; empty where the settings of boto3 say."""
    region: str = ""
    profile: str = ""
    """Of the credentials in the files that boto3 reads."""
    anonymous: bool = False
    """Ask without credentials; so it is done, too, where there are none and no profile is named."""

    @classmethod
    def parse(cls, address: str) -> Bucket:
        """Read an address.

        Raises:
            TransportError: it is none. No credentials are read from it, and none are shown.
        """
        try:
            parts = urlsplit(address)
            options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
            endpoint = urlsplit(options.get("endpoint", ""))
            usual = endpoint.scheme in ("http", "https") and endpoint.hostname and "@" not in endpoint.netloc
        except ValueError:
            parts, options, usual, endpoint = urlsplit(""), {}, None, urlsplit("")
        if (
            parts.scheme != "s3"
            or not _BUCKET.fullmatch(parts.netloc)
            or parts.fragment
            or not options.keys() <= _OPTIONS
            or (endpoint.geturl() and not usual)
            or options.get("anonymous", "true") not in ("true", "false")
        ):
            raise TransportError(
                "the address is not that of a folder in a bucket",
                hint="Give it as s3://bucket/folder, perhaps with ?endpoint=https://host, region=, profile= or"
                " anonymous=true. Credentials belong into the files or the environment that boto3 reads.",
            )
        prefix = parts.path.strip("/")
        return cls(
            bucket=parts.netloc,
            prefix=f"{prefix}/" if prefix else "",
            endpoint=endpoint.geturl(),
            region=options.get("region", ""),
            profile=options.get("profile", ""),
            anonymous=options.get("anonymous") == "true",
        )

    def __str__(self) -> str:
        """The address."""
        options = {name: value for name in ("endpoint", "region", "profile") if (value := getattr(self, name))}
        options |= {"anonymous": "true"} if self.anonymous else {}
        query = f"?{urlencode(options, safe=':/')}" if options else ""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/") + query
