"""All that is done to files of a store: another kind of storage would take the place of this module.

A file appears complete or not at all: it is written aside and renamed. What is read has to be a regular file, as a FIFO
in its place would be waited for without end.
"""

import errno
import os
import re
import stat
import struct
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import Protocol

_ASIDE = re.compile(r".+\.[0-9a-f]{16}\.partial")
_LOCAL_HEADER = struct.Struct("<26xHH")
"""Of a file in a zip archive: the lengths of its name and of its extra field, which its content follows."""


class NoFile(OSError):  # noqa: N818 (a state of a path)
    """What has the name of a file is something else: a folder, a FIFO, a device."""


class Files(Protocol):
    """Files by their names below one root, `/` between folders. All methods raise OSError."""

    root: Path
    """A folder, or an archive."""

    def read(self, name: str) -> bytes:
        """A whole file."""

    def read_at(self, name: str, start: int, count: int) -> bytes:
        """Some bytes of a file, fewer at its end."""

    def sizes(self, folder: str) -> dict[str, int]:
        """What is in a folder: name → bytes, −1 for what is no regular file; nothing if there is no folder."""


class Folder:
    """The files of a folder of a POSIX file system.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, name: str) -> bytes:
        """A whole file."""
        descriptor, size = self._opened(name)
        try:
            return _read(self.root / name, descriptor, 0, size)
        finally:
            os.close(descriptor)

    def read_at(self, name: str, start: int, count: int) -> bytes:
        """Some bytes of a file, fewer at its end."""
        descriptor, size = self._opened(name)
        try:
            return _read(self.root / name, descriptor, start, min(count, max(0, size - start)))
        finally:
            os.close(descriptor)

    def sizes(self, folder: str) -> dict[str, int]:
        """What is in a folder: name → bytes, −1 for what is no regular file; nothing if there is no folder."""
        found = {}
        try:
            with os.scandir(self.root / folder) as entries:
                for entry in entries:
                    try:
                        status = entry.stat()
                    except OSError as error:
                        if entry.is_symlink() or not isinstance(error, FileNotFoundError):
                            found[entry.name] = -1
                        continue  # else it was filed, or renamed, meanwhile
                    found[entry.name] = status.st_size if stat.S_ISREG(status.st_mode) else -1
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return found

    def write(self, name: str, *parts: bytes, durable: bool = True) -> None:
        """Write a file aside and rename it, in place of one that is there.

        Args:
            name: of the file.
            *parts: its content.
            durable: whether it has to survive a loss of power from here on. Default: True.
        """
        path = self.root / name
        aside = path.with_name(f"{path.name}.{token_hex(8)}.partial")
        try:
            put(aside, parts, durable)
            rename(aside, path)
        except OSError as error:
            with suppress(OSError):
                aside.unlink()
            if isinstance(error, IsADirectoryError):
                raise NoFile(error.errno, "no regular file: move it away", str(path)) from error
            raise

    def make(self, folder: str) -> None:
        """Make a folder, unless it is there, in one that has to be."""
        (self.root / folder).mkdir(exist_ok=True)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        unlink(self.root / name)

    def settle(self, folder: str) -> None:
        """Make the renamings in a folder survive a loss of power."""
        descriptor = os.open(self.root / folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove_leftovers(self) -> None:
        """Remove what writers that died left half-written."""
        for path in self.root.rglob("*.partial"):
            if _ASIDE.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def _opened(self, name: str) -> tuple[int, int]:
        """A descriptor of a regular file, and its size."""
        path = self.root / name
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise NoFile(None, "no regular file: move it away", str(path))
        return descriptor, status.st_size


class Archive:
    """The files of a zip archive whose files are stored as they are.

    Args:
        root: the archive.

    Raises:
        OSError: it can't be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def _entries(self) -> dict[str, tuple[int, int]]:
        """Name → where its local header is, and its size."""
        try:
            with zipfile.ZipFile(self.root) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise NoFile(None, f"no zip archive that can be read ({error})", str(self.root)) from error
        if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
            raise NoFile(None, "a zip archive that was compressed once more; unpack it", str(self.root))
        return {info.filename: (info.header_offset, info.file_size) for info in infos}

    def read(self, name: str) -> bytes:
        """A whole file."""
        return self.read_at(name, 0, self._entry(name)[1])

    def read_at(self, name: str, start: int, count: int) -> bytes:
        """Some bytes of a file, fewer at its end."""
        offset, size = self._entry(name)
        descriptor = os.open(self.root, os.O_RDONLY | os.O_CLOEXEC)
        try:
            lengths = _LOCAL_HEADER.unpack(_read(self.root, descriptor, offset, _LOCAL_HEADER.size))
            content = offset + _LOCAL_HEADER.size + sum(lengths)
            return _read(self.root, descriptor, content + start, min(count, max(0, size - start)))
        except struct.error as error:
            raise NoFile(None, "cut short", str(self.root)) from error
        finally:
            os.close(descriptor)

    def sizes(self, folder: str) -> dict[str, int]:
        """What is in a folder: name → bytes; nothing if there is no folder."""
        start = f"{folder}/" if folder else ""
        return {
            name.removeprefix(start): size
            for name, (_, size) in self._entries.items()
            if name.startswith(start) and "/" not in name.removeprefix(start)
        }

    def _entry(self, name: str) -> tuple[int, int]:
        if name not in self._entries:
            raise FileNotFoundError(2, "not in the archive", f"{self.root}/{name}")
        return self._entries[name]


def disk_use(path: Path) -> tuple[int, int]:
    """What is on the disk.

    Args:
        path: a folder or a file.

    Returns:
        The bytes of all files in it, and their number.
    """
    if not path.is_dir():
        return path.stat().st_size, 1
    sizes = []
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):  # it was filed, or renamed, meanwhile
                sizes.append(os.lstat(f"{folder}/{name}").st_size)
    return sum(sizes), len(sizes)


def _read(file: str | Path, descriptor: int, start: int, count: int) -> bytes:
    """Some bytes of an open file, fewer if it is cut short meanwhile."""
    parts = []
    try:
        while count > 0 and (part := os.pread(descriptor, count, start)):
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    except MemoryError as error:
        raise OSError(errno.EFBIG, f"{count} bytes are more than fit into memory", str(file)) from error


# The three steps in which a store changes: the tests let writers die at each of them.


def put(path: Path, parts: Iterable[bytes], durable: bool) -> None:
    """Write a new file."""
    with path.open("xb") as file:
        file.writelines(parts)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def rename(path: Path, target: Path) -> None:
    """Rename a file or folder, in place of a file that has the name."""
    path.rename(target)


def unlink(path: Path) -> None:
    """Remove a file, if it is there."""
    path.unlink(missing_ok=True)
