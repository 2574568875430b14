"""A real release of sample/: built, with torrents, and signed; and real servers of it on loopback.

Volumes are small, so that there are several of each tree, and every layout is there: the originals and 96px loose, 64px
in tars, 48px in zips.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from click.testing import CliRunner

from tagswarm.cli.main import program
from tagswarm.release.sign import sign
from tests.mirror.transports.servers import Web, buckets, nginx, rsyncd
from tests.publisher import key

CONFIG = """
format = "tagswarm.config/1"
{withdrawals}
[dataset]
id = "5a3f1e0c9b7d4e2f8a6c0d1e2f3a4b5c"
name = "pictures"
[release]
name = "{release}"
issued = {release}-11-20
publish_raw = false
[[sources]]
site = "danbooru"
metadata = ["metadata/*.json"]
rating_scheme = "gsqe-2022"
[sources.volumes]
max_files = 40
piece_length = 65536
[[renditions]]
name = "96px"
transform = {{ mode = "fit", width = 96 }}
[renditions.volumes]
max_files = 50
piece_length = 16384
[[renditions]]
name = "64px"
transform = {{ mode = "pad", width = 64 }}
[renditions.volumes]
layout = "tar"
max_files = 60
archive_files = 30
piece_length = 16384
[[renditions]]
name = "48px"
transform = {{ mode = "pad", width = 48, format = "png" }}
[renditions.volumes]
layout = "zip"
max_files = 60
archive_files = 30
piece_length = 16384
[torrents]
[signing]
keys = ["{key}"]
"""


@dataclass(frozen=True)
class Released:
    """A dataset on this disk, with the release 2026."""

    root: Path
    key: str
    """The public key that signs it."""

    def publish(self, release: str, withdrawals: str = "") -> None:
        """Build and sign a release.

        Args:
            release: a year.
            withdrawals: the lines of a CSV of what is taken back.
        """
        if withdrawals:
            (self.root / "withdrawals.csv").write_text(f"site,id,action,reason\n{withdrawals}")
        named = 'withdrawals = "withdrawals.csv"' if withdrawals else ""
        (self.root / "release.toml").write_text(CONFIG.format(withdrawals=named, release=release, key=self.key))
        ended = CliRunner().invoke(program, ["release", "build", str(self.root), "--workers", "1", "-q"])
        assert ended.exit_code == 0, ended.output
        sign(self.root, [key(1)])

    def copy(self, folder: Path) -> Released:
        """Another dataset that is the same, whose files can be changed."""
        ours = shutil.ignore_patterns(".tagswarm")  # of the build, and of a seed that may be running
        return Released(Path(shutil.copytree(self.root, folder, ignore=ours)), self.key)


def release_sample(repository: Path, folder: Path) -> Released:
    """Build and sign the release 2026."""
    made = Released(Path(shutil.copytree(repository / "sample", folder)), key(1).public.line)
    made.publish("2026")
    return made


class Ways:
    """How a release is reached: each server runs from when its address is asked for until `servers` is left."""

    def __init__(self, released: Released, servers: ExitStack, folder: Path) -> None:
        self.released = released
        self._servers = servers
        self._folder = folder

    @property
    def local(self) -> str:
        """A path."""
        return str(self.released.root)

    @cached_property
    def web(self) -> Web:
        """nginx."""
        return self._servers.enter_context(nginx(self.released.root, self._folder / "nginx"))

    @property
    def http(self) -> str:
        """The address of nginx."""
        return self.web.address

    @cached_property
    def rsync(self) -> str:
        """An rsync daemon."""
        return f"rsync://{self._servers.enter_context(rsyncd(self.released.root, self._folder / 'rsyncd'))}/tree"

    @cached_property
    def s3(self) -> str:
        """rclone's server of buckets."""
        root = self.released.root
        host = self._servers.enter_context(buckets(root.parent, self._folder / "rclone"))
        return f"s3://{root.name}?endpoint={host}&anonymous=true"

    def address(self, kind: str) -> str:
        """The address of a kind of source; the documents of a release come over HTTP where its files come by torrents."""
        return self.http if kind == "torrent" else str(getattr(self, kind))


LONELY = ("--listen", "127.0.0.1:0", "--no-dht", "--no-pex", "--no-utp", "--shared-address")
"""Options that keep whoever joins a swarm on this machine."""


@contextmanager
def seeded(dataset: Path) -> Iterator[int]:
    """Seed a release by the real program, and give its port once every volume is seeded."""
    command = [str(Path(sys.executable).with_name("tagswarm")), "mirror", "seed", str(dataset), *LONELY, "--json"]
    with subprocess.Popen([*command, "--workers", "1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            port = None
            for line in process.stdout:
                said = json.loads(line).get("facts", {})
                port = said.get("port", port)
                if port is not None and "volumes" in said:
                    break
            assert port is not None, "the seed ended"
            yield port
        finally:
            process.kill()
