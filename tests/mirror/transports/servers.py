"""Real servers for the tests of transports, on loopback: each is a context that ends what it began."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    log_format line escape=none '$connection $status $body_bytes_sent "$http_range" "$http_authorization" "$http_accept_encoding" $uri';
    access_log {folder}/access.log line;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    sendfile on; keepalive_requests 100000;
    types {{ }} default_type application/octet-stream;
    server {{
        listen 127.0.0.1:{port} {listen};
        {certificate}
        location / {{ root {root}; }}
        location /whole/ {{ alias {root}/; max_ranges 0; }}
        location /slow/ {{ alias {root}/; limit_rate 3m; }}
        location /hidden/ {{ alias {root}/; auth_basic hidden; auth_basic_user_file {folder}/users; }}
        location /away/ {{ rewrite ^/away/(.*)$ {away}/$1 redirect; }}
    }}
}}
"""


RSYNCD = """
port = {port}
address = 127.0.0.1
use chroot = no
uid = {uid}
gid = {gid}
log file = {folder}/rsyncd.log
{limits}
[tree]
path = {root}
read only = yes
[above]
path = {root.parent}
read only = yes
[hidden]
path = {root}
read only = yes
auth users = user
secrets file = {folder}/secrets
"""


@dataclass(frozen=True)
class Line:
    """A line of the access log."""

    connection: int
    status: int
    bytes: int
    range: str
    authorization: str
    encoding: str
    path: str


@dataclass(frozen=True)
class Web:
    """A running nginx; below its address also `/whole/` without ranges, `/slow/`, `/hidden/` for user:secret, `/away/`."""

    address: str
    log: Path

    def lines(self) -> list[Line]:
        """What it was asked for since `forget`."""
        found = []
        for line in self._settled().splitlines():
            match = re.fullmatch(r'(\d+) (\d+) (\d+) "(.*?)" "(.*?)" "(.*?)" (.*)', line)
            assert match is not None, line
            connection, status, size, *rest = match.groups()
            found.append(Line(int(connection), int(status), int(size), *rest))
        return found

    def _settled(self) -> str:
        """The log, once nothing more is written to it: a request is logged a moment after its last byte."""
        text = None
        while text != (text := self.log.read_text("utf-8")):
            time.sleep(0.1)
        return text

    def forget(self) -> None:
        """Empty the log."""
        self._settled()
        with self.log.open("r+b") as file:
            file.truncate(0)


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody listens."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program from when its port answers until the block ends."""
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            for _ in range(200):
                if answers(port):
                    break
                assert process.poll() is None, log.read_text("utf-8", "replace")
                time.sleep(0.05)
            else:
                raise AssertionError(f"{command[0]} does not answer: {log.read_text('utf-8', 'replace')}")
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextlib.contextmanager
def nginx(
    root: Path, folder: Path, *, certificate: tuple[Path, Path] | None = None, away: str = "http://127.0.0.1:1"
) -> Iterator[Web]:
    """nginx over a tree; `away` is where `/away/` redirects to."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    lines = f"ssl_certificate {certificate[0]}; ssl_certificate_key {certificate[1]};" if certificate else ""
    text = NGINX.format(
        folder=folder, root=root, port=port, listen="ssl" if certificate else "", certificate=lines, away=away
    )
    (folder / "nginx.conf").write_text(text)
    (folder / "users").write_text("user:{PLAIN}secret\n")
    command = [
        shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx",
        "-c",
        str(folder / "nginx.conf"),
        "-p",
        str(folder),
        "-e",
        str(folder / "error.log"),
    ]
    with running(command, port, folder / "output.log"):
        yield Web(f"http{'s' if certificate else ''}://127.0.0.1:{port}", folder / "access.log")


def certified(folder: Path) -> tuple[Path, Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that nobody trusts, its key, and a context that does."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(cafile=str(files[0]))
    return *files, context


@contextlib.contextmanager
def rsyncd(root: Path, folder: Path, *, limits: str = "") -> Iterator[str]:
    """An rsync daemon over a tree: the modules `tree`, `above` (the folder it lies in) and `hidden` for user:secret.

    Its host and port are given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    (folder / "rsyncd.conf").write_text(
        RSYNCD.format(uid=os.getuid(), gid=os.getgid(), folder=folder, root=root, port=port, limits=limits)
    )
    (folder / "secrets").write_text("user:secret\n")
    (folder / "secrets").chmod(0o600)
    command = ["rsync", "--daemon", "--no-detach", f"--config={folder / 'rsyncd.conf'}"]
    with running(command, port, folder / "output.log"):
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def buckets(root: Path, folder: Path, *, keys: str = "") -> Iterator[str]:
    """rclone's S3 server: every folder of `root` is a bucket; with `keys` (`ID,SECRET`) only for those who have them.

    Its address is given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    rclone = str(Path(sys.executable).parent / "rclone")
    command = [
        rclone,
        "serve",
        "s3",
        "--addr",
        f"127.0.0.1:{port}",
        "--config",
        "",
        "--vfs-cache-mode",
        "off",
        str(root),
    ]
    with running([*command, *(["--auth-key", keys] if keys else [])], port, folder / "output.log") as process:
        yield f"http://127.0.0.1:{port}"
        process.kill()  # told to end, it waits ten seconds for its connections
