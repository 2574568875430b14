"""The one door to files: every open, write, sync, rename and link of tagswarm goes through here.

A test can put a failing disk behind this door, and a reader can see in one place what is promised: a file is written
aside in the directory it will live in, synced, renamed, and its directory synced; so a reader sees the old bytes or the
new ones, after a kill as after a power cut. Foreign exceptions stop here: `OSError` becomes an error of `errors`.

Nothing here knows what the bytes mean. Paths are made by the caller; names from outside pass `paths` first.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from .errors import DestinationLocked, DiskFull, StoreError, Unreadable, UnsafePath
from .paths import escape

TEMPORARY = ".tmp-"
"""Every file that is being written has a name that begins so; `clean` removes what a kill left."""

_FICLONE = 0x40049409  # linux/fs.h; fcntl of Python has no name for it yet


def error_of(failure: OSError, path: Path | str) -> StoreError:
    """Map a failure of the operating system to the most specific error of ours."""
    if failure.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"{path}: the disk is full")
    if failure.errno == errno.ENOENT:
        return Unreadable(f"{path}: no such file or folder", hint="Check the path.")
    if failure.errno in (errno.EACCES, errno.EPERM):
        return Unreadable(f"{path}: permission denied", hint="Check the owner and the permissions of the path.")
    if failure.errno in (errno.ELOOP, errno.EMLINK):
        return Unreadable(f"{path}: is a symbolic link", hint="Put the file itself there; links are never followed.")
    return Unreadable(f"{path}: {failure.strerror or failure}")


@contextlib.contextmanager
def _mapped(path: Path | str) -> Iterator[None]:
    try:
        nameable = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        nameable = False
    if not nameable:  # Python answers these with a ValueError
        raise Unreadable(f"{str(path)!a}: no file can have this name", hint="Check the path.")
    try:
        yield
    except OSError as failure:
        raise error_of(failure, path) from failure


def open_read(path: Path) -> BinaryIO:
    """Open a regular file to be read, never through a link in its last component.

    Raises:
        Unreadable: it is missing, a link, not a regular file, or may not be read.
    """
    with _mapped(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    return _regular(descriptor, path)


def open_beneath(root: Path, path: str) -> BinaryIO:
    """Open a regular file below a folder to be read, never through a link in any component of `path`.

    Args:
        root: the folder; what its own path leads through is the business of whoever named it.
        path: relative to it, its components joined by `/`.

    Raises:
        UnsafePath: a component is empty, `.` or `..`.
        Unreadable: it is missing, lies behind a link, is not a regular file, or may not be read.
    """
    *folders, name = path.split("/")
    if not {"", ".", ".."}.isdisjoint((*folders, name)):
        raise UnsafePath(f"{escape(path)}: is no path below a folder")
    with _mapped(root / path):
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                outer = descriptor
                try:
                    descriptor = os.open(
                        folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=outer
                    )
                except NotADirectoryError:  # what the system says of a link, too
                    if stat.S_ISLNK(os.lstat(folder, dir_fd=outer).st_mode):
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
                    raise
                os.close(outer)
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=descriptor)
        finally:
            os.close(descriptor)
    return _regular(file, root / path)


def _regular(descriptor: int, path: Path) -> BinaryIO:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable(f"{path}: is not a regular file", hint="Remove it from the tree.")
    return os.fdopen(descriptor, "rb")


def read(path: Path, *, limit: int) -> bytes:
    """Read a whole file of at most `limit` bytes.

    Raises:
        Unreadable: it cannot be read, or is larger than the limit.
    """
    with open_read(path) as file, _mapped(path):
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Unreadable(
            f"{path}: larger than the {limit} bytes it may have", hint="This is not the file it should be."
        )
    return data


class Aside:
    """A file that is being written aside: bytes go in, `commit` puts it in its place, leaving without it drops it.

    One writer a path at a time: what an earlier one left aside is dropped, or with `keep` gone on with.
    """

    def __init__(self, path: Path, *, keep: bool = False) -> None:
        """Begin a file.

        Args:
            path: its place.
            keep: begin after the bytes that an earlier one left aside, and leave aside what is not committed.

        Raises:
            Unreadable: something that is no file has the path: a rename would put a file where a device was.
        """
        self.path = path
        self._keep = keep
        self._committed = False
        with _mapped(path):
            if not _may_be_file(path):
                raise Unreadable(
                    f"{path}: is not a regular file", hint="Name a file; leave the name out to write to a pipe."
                )
        self._temporary = path.with_name(f"{TEMPORARY}{path.name}")
        with _mapped(path):
            self.file: BinaryIO = os.fdopen(self._open(), "r+b")
            self.size = self.file.seek(0, os.SEEK_END) if keep else 0
            """Bytes that it began with."""

    def _open(self) -> int:
        """A descriptor; what is seldom in the way is removed, or made, only when it is."""
        flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (0 if self._keep else os.O_EXCL)
        try:
            return os.open(self._temporary, flags, 0o666)
        except FileNotFoundError:
            make_directory(self.path.parent)
        except FileExistsError:  # never written through: it may be a link that somebody planted
            self._temporary.unlink()
        return os.open(self._temporary, flags, 0o666)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.file.closed:
            with contextlib.suppress(OSError):  # the disk may be full: what matters is that the file goes
                self.file.close()
        if not self._keep and not self._committed:
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)

    def write(self, data: bytes) -> int:
        """Append bytes."""
        with _mapped(self.path):
            return self.file.write(data)

    def restart(self) -> None:
        """Drop the bytes it has so far."""
        with _mapped(self.path):
            self.file.seek(0)
            self.file.truncate()
        self.size = 0

    def clone(self, source: BinaryIO) -> bool:
        """Share the blocks of a whole file, which must be all the bytes, where the file system can (FICLONE)."""
        try:
            fcntl.ioctl(self.file.fileno(), _FICLONE, source.fileno())
        except OSError:  # another file system, or one without shared blocks: whoever asks copies instead
            return False
        return True

    def commit(self, *, sync: bool = True) -> None:
        """Put the file in its place; with `sync` it survives a power cut."""
        with _mapped(self.path):
            self.file.flush()
            if sync:
                os.fsync(self.file.fileno())
            self.file.close()
            self._temporary.replace(self.path)
            self._committed = True
        if sync:
            sync_directory(self.path.parent)


def _may_be_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:  # nothing is there, or whoever opens it is told
        return True


def write(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Put a file in its place at once: aside, sync, rename."""
    with Aside(path) as aside:
        aside.write(data)
        aside.commit(sync=sync)


def create(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file that must not be there yet, with the permissions `mode` from its first byte on.

    Raises:
        Unreadable: it is there already, or cannot be written.
    """
    with _mapped(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    sync_directory(path.parent)


def write_if_changed(path: Path, data: bytes) -> bool:
    """Write a file unless it already holds these bytes; say whether it was written."""
    with contextlib.suppress(StoreError):
        if read(path, limit=len(data)) == data:
            return False
    write(path, data)
    return True


def sync_directory(path: Path) -> None:
    """Make the renames in a directory survive a power cut."""
    with _mapped(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def link(file: BinaryIO, target: Path) -> bool:
    """Give an open file a second name, in place of what has it; False where the file system cannot."""
    temporary = target.with_name(f"{TEMPORARY}{target.name}")
    make_directory(target.parent)
    with _mapped(target):
        temporary.unlink(missing_ok=True)
        try:  # by its descriptor, so that it is the file that was opened; a folder makes Python ask for linkat
            os.link(f"/proc/self/fd/{file.fileno()}", temporary, src_dir_fd=file.fileno(), follow_symlinks=True)
        except OSError:
            return False
        temporary.replace(target)
        temporary.unlink(missing_ok=True)  # a rename onto another name of the same file does nothing (POSIX)
    return True


def rename(source: Path, target: Path) -> None:
    """Rename a file or folder within one file system and make the rename last."""
    make_directory(target.parent)
    with _mapped(target):
        source.replace(target)
    sync_directory(target.parent)
    if source.parent != target.parent:
        sync_directory(source.parent)


def move(source: Path, target: Path) -> None:
    """Rename a file within one file system, in place of what has the name; a power cut may undo it."""
    with _mapped(target):
        source.replace(target)


def make_directory(path: Path) -> None:
    """Make a folder and those above it, each so that it survives a power cut."""
    with _mapped(path):
        if path.is_dir():
            return
    make_directory(path.parent)
    with _mapped(path):
        path.mkdir(exist_ok=True)
    sync_directory(path.parent)


def remove(path: Path) -> None:
    """Remove a file that may be gone already."""
    with _mapped(path):
        path.unlink(missing_ok=True)


def clean(path: Path) -> int:
    """Remove what a kill left aside in one folder, and say how many files that were; hold the lock of its writers."""
    with _mapped(path):
        left = sorted(entry.name for entry in os.scandir(path) if entry.name.startswith(TEMPORARY))
        for name in left:
            (path / name).unlink()
    return len(left)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file for as long as the block runs; the lock of a dead process is free at once.

    A child that was forked, not spawned, while the lock was held keeps it until it ends too.

    Raises:
        DestinationLocked: another process holds it.
        Unreadable: the file system has no locks, or the file cannot be written, or is a link.
    """
    make_directory(path.parent)
    with _mapped(path):
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        file = os.fdopen(descriptor, "r+b", buffering=0)
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as failure:
            file.seek(0)
            holder = file.read(32).decode("ascii", "replace").strip()
            message = f"{path.parent}: in use by another run (process {holder or 'unknown'})"
            raise DestinationLocked(message) from failure
        except OSError as failure:
            raise error_of(failure, path) from failure
        with contextlib.suppress(OSError):  # a full disk: it holds all the same, and nobody is told by whom
            file.truncate(0)
            file.write(f"{os.getpid()}\n".encode())
        yield


@contextlib.contextmanager
def failures(path: Path | str) -> Iterator[None]:
    """Map the failures of a foreign writer (SQLite, Parquet, an image codec) that works on `path`."""
    with _mapped(path):
        yield
