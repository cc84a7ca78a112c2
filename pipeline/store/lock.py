"""One driver per store: locks of the store itself, not of its name, which a dead driver loses by itself."""

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import Interrupted, RequestError
from pipeline.words import duration

LOCK_FILE = "runs/lock"
"""Who drives a store, as JSON: host, pid, since. A driver that ends in order leaves it empty."""
HELD_FILE = "runs/lock.held"
"""There while a driver of `store.lock=file` is at work, which touches it again and again."""
_HELD, _NEXT = "lock.held", "lock.next"

_MOMENT = 0.1  # seconds for which who asks whether a store is driven may hold its lock
_CREATION = 60.0  # seconds that another driver may take to create a store
_LEFT_AFTER = 60.0  # seconds; NFS may show the time of a file that much too late
_BEATS = 12  # touches in that time
_EXCHANGES = 10
_UNSUPPORTED = {errno.EBADF, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK}
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL
_KINDS = {stat.S_IFLNK: "symbolic link", stat.S_IFDIR: "folder", stat.S_IFIFO: "FIFO"}


@contextmanager
def only_driver(store: Path, kind: str = "flock", left_after: float = _LEFT_AFTER) -> Iterator["Lock"]:
    """Be the only driver of a store for the time of a run. The folder it goes into is made if needed.

    Args:
        store: folder of the store. If it is not there, nothing is locked until `Lock.create` makes it.
        kind: `flock`: the operating system's lock. `file`: for file systems without it, a file that is touched again
            and again. Either respects the other. Default: `flock`.
        left_after: seconds after which such a file, not touched, was left by a driver that died. Default: 60.

    Yields:
        The lock.

    Raises:
        Interrupted: another process drives the store; it is named. Or the lock was lost.
        RequestError: the folder can't be written or locked, or is no store.
    """
    with ExitStack() as opened:
        lock = Lock(store, kind, left_after, opened)
        lock.take()
        yield lock
        lock.end()


def is_driven(store: Path) -> bool:
    """Whether a driver is at work on a store now. Needs no permission to write.

    Args:
        store: folder of the store.

    Returns:
        True if its lock is held. For `store.lock=file` the host's clock decides, as nothing may be written here.
    """
    if _is_locked(store, os.O_DIRECTORY) or _is_locked(store / LOCK_FILE, os.O_NOFOLLOW):
        return True
    try:
        return time.time() - os.lstat(store / HELD_FILE).st_mtime < _LEFT_AFTER
    except OSError:
        return False


_driven_here: set[tuple[int, int]] = set()
"""The folders of the stores whose locks this process holds, by device and inode."""


def is_driven_elsewhere(store: Path) -> bool:
    """Whether a driver other than this process is at work on a store now.

    Args:
        store: folder of the store.

    Returns:
        True if its lock is held, and not by this process.
    """
    try:
        return is_driven(store) and _identity(store) not in _driven_here
    except OSError:
        return False


def _identity(folder: Path | int) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


class Lock:
    """The right to change a store, held for the time of a run.

    Attributes:
        died: whether an earlier driver of this store died, or ended by an exception.
    """

    died = False

    def __init__(self, store: Path, kind: str, left_after: float, opened: ExitStack) -> None:
        self._store, self._kind, self._left_after, self._opened = store, kind, left_after, opened
        self._folder = self._runs = self._file = self._held = -1  # descriptors

    def take(self) -> None:
        """Lock the store if it is there. Raises as `only_driver`."""
        with _told(self._store):
            self._store.parent.mkdir(parents=True, exist_ok=True)
            for _ in range(_EXCHANGES):
                if not os.path.lexists(self._store):
                    if not os.access(self._store.parent, os.W_OK):
                        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self._store.parent))
                    return
                if self._take(self._store):
                    return
                self._release()
        raise Interrupted(f"{self._store}: exchanged for another folder again and again; see who does that")

    def create(self, build: Callable[[Path], None]) -> None:
        """Make the store, which was not there when the lock was taken; it appears complete and locked, or not at all.

        Args:
            build: fills a new folder with the store, `runs/` included.

        Raises:
            Interrupted: another driver made it meanwhile.
            RequestError: the folder can't be written or locked.
        """
        assert self._file < 0, "the store was there"
        store = self._store
        building = store.with_name(f".{store.name}.creating-{secrets.token_hex(8)}")
        with ExitStack() as creating:
            with _told(store.parent):  # locked so that two drivers never create at once
                parent = _open(store.parent, os.O_DIRECTORY, creating)
                if _flock(parent, tries=round(_CREATION / _MOMENT)):
                    _remove_leftovers(store)
            with _told(store):
                _refuse_if_there(store)
                building.mkdir()
            try:
                build(building)
                with _told(store):
                    self._take(building)
                    _move(building, store)
            except Exception:
                self._release()
                shutil.rmtree(building, ignore_errors=True)
                raise

    def ensure_held(self) -> None:
        """Refuse to go on if the path leads to another store since, or another driver took the lock.

        To be called before whatever only the driver may change. Only a lock of kind `file` can be taken, where this
        process stood still for too long.

        Raises:
            Interrupted: the store was moved, or the lock is another's now.
        """
        if self._file >= 0 and not _leads_to(self._store, self._folder):
            raise Interrupted(
                f"{self._store}: moved, removed or exchanged while this driver was at work on it; move it back, and "
                "the same command goes on"
            )
        if self._held >= 0 and not self._is_mine():
            raise Interrupted(
                f"{self._store}/{HELD_FILE}: removed, or taken by another driver as this one stood still for more "
                f"than {self._left_after:.0f} s; the same command goes on once no other driver is at work"
            )

    def end(self) -> None:
        """Note that this driver ended in order. Raises Interrupted if the lock was lost."""
        if self._file >= 0:
            self.ensure_held()
            with _told(self._store):
                os.ftruncate(self._file, 0)

    def _release(self) -> None:
        self._opened.close()
        self._folder = self._runs = self._file = self._held = -1

    def _take(self, folder: Path) -> bool:
        """Lock the store in a folder. False if the path leads to another one since.

        Locks belong to folders and files, not to their names: they hold whatever is renamed or linked afterwards.
        """
        try:
            directory = _open(folder, os.O_DIRECTORY, self._opened)
            _flock(directory)
            if not _leads_to(folder, directory):
                return False
            self._runs = _open("runs", os.O_DIRECTORY | os.O_NOFOLLOW, self._opened, directory)
        except (FileNotFoundError, NotADirectoryError) as error:
            what = f"expected the folder of a store, with a folder runs in it, got: {error.strerror}: {error.filename}"
            raise RequestError([f"{self._store}: {what}; restore it from a copy or move it away"]) from error
        file = self._open_regular("lock", os.O_RDWR | os.O_CREAT)
        if not _flock(file) and self._kind == "flock":
            raise RequestError(
                [f"{self._store}: expected a file system with locks, got none; set store.lock=file"]
            )
        if not (_leads_to(folder, directory) and _leads_to("lock", file, self._runs)):
            return False
        self._folder, self._file = directory, file
        self._take_held() if self._kind == "file" else self._refuse_held()
        self.died = bool(os.pread(file, 1, 0))
        _driven_here.add(_identity(directory))
        self._opened.callback(_driven_here.discard, _identity(directory))
        self._sign()
        return True

    def _open_regular(self, name: str, flags: int) -> int:
        """Open a file in `runs`: no link, whose target would be written, and no FIFO, which would wait for a reader."""
        with suppress(FileNotFoundError):
            kind = stat.S_IFMT(os.stat(name, dir_fd=self._runs, follow_symlinks=False).st_mode)
            if kind != stat.S_IFREG:
                got = _KINDS.get(kind, "special file")
                raise RequestError(
                    [f"{self._store}/runs/{name}: expected a regular file, got a {got}; move it away"]
                )
        return _open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, self._opened, self._runs)

    def _sign(self) -> None:
        """Say who drives. The file is never empty in between, as it may tell of a driver that died."""
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": datetime.now(UTC).isoformat()}
        os.ftruncate(self._file, os.pwrite(self._file, json.dumps(holder).encode(), 0))
        os.fsync(self._file)

    # --- kind `file` --------------------------------------------------------------------------------------

    def _refuse_held(self) -> None:
        """Refuse a store that a driver of kind `file` holds; if that one died, remove what it left."""
        with suppress(FileNotFoundError):
            if not self._is_left(_HELD):
                raise BlockingIOError
            os.unlink(_HELD, dir_fd=self._runs)

    def _take_held(self) -> None:
        """Make the file that says that this driver is at work, or take the place of one that was left."""
        try:
            self._held = self._open_regular(_HELD, _NEW)
        except FileExistsError:
            self._held = self._replace_left()
        ended = threading.Event()
        beat = threading.Thread(target=self._beat, args=(ended,), daemon=True)
        self._opened.callback(self._give_back)
        beat.start()
        self._opened.callback(beat.join)
        self._opened.callback(ended.set)

    def _replace_left(self) -> int:
        """Replace a file that was left. Only who made `lock.next` may, so that nobody replaces a winner's file."""
        try:
            if not self._is_left(_HELD):
                raise BlockingIOError
            with suppress(FileNotFoundError):
                if self._is_left(_NEXT):  # by a driver that died right here
                    os.unlink(_NEXT, dir_fd=self._runs)
            file = self._open_regular(_NEXT, _NEW)
        except (FileExistsError, FileNotFoundError):
            raise BlockingIOError from None
        with suppress(FileNotFoundError):
            if self._is_left(_HELD):
                os.replace(_NEXT, _HELD, src_dir_fd=self._runs, dst_dir_fd=self._runs)
                if _leads_to(_HELD, file, self._runs):
                    return file
        with suppress(FileNotFoundError):
            os.unlink(_NEXT, dir_fd=self._runs)
        raise BlockingIOError

    def _is_left(self, name: str) -> bool:
        """Whether a file was not touched for long, by the clock of the file system."""
        touched = os.fstat(self._open_regular(name, os.O_RDONLY)).st_mtime  # opened: NFS then asks the server
        os.utime(self._file)
        age = os.fstat(self._file).st_mtime - touched
        return abs(age) > self._left_after  # who is at work touches it again, whatever time it had got

    def _is_mine(self) -> bool:
        return _leads_to(_HELD, self._held, self._runs)

    def _beat(self, ended: threading.Event) -> None:
        """Touch the file until the run ends. If another driver takes its place, `ensure_held` stops this one."""
        while not ended.wait(self._left_after / _BEATS):
            with suppress(OSError):  # a disk that fails for a moment; the file just gets older
                os.utime(self._held)

    def _give_back(self) -> None:
        with suppress(OSError):  # what can't be removed gets old
            if self._is_mine():
                os.unlink(_HELD, dir_fd=self._runs)


# --- files and folders ------------------------------------------------------------------------------------


@contextmanager
def _told(store: Path) -> Iterator[None]:
    """Tell errors of the operating system in one line."""
    try:
        yield
    except BlockingIOError:
        raise Interrupted(f"{store}: another driver is at work on it ({_holder(store)}); wait for it") from None
    except OSError as error:
        raise RequestError(
            [f"{store}: expected a folder that can be written, got: {error.strerror or error}; set store.root"]
        ) from error


def _holder(store: Path) -> str:
    """Who drives a store: process, host and for how long."""
    try:
        with ExitStack() as opened:
            content = os.read(_open(store / LOCK_FILE, os.O_NOFOLLOW | os.O_NONBLOCK, opened), 4096)
        holder = json.loads(content)
        age = datetime.now(UTC) - datetime.fromisoformat(holder["since"])
        return f"process {holder['pid']} on {holder['host']}, for {duration(age.total_seconds())}"
    except (OSError, ValueError, KeyError, TypeError):
        return "just started"


def _open(path: Path | str, flags: int, opened: ExitStack, folder: int | None = None) -> int:
    file = os.open(path, flags, 0o666, dir_fd=folder)
    opened.callback(os.close, file)
    return file


def _flock(file: int, tries: int = 2) -> bool:
    """Lock a file or folder for oneself. False if its file system has no such locks (NFS: none of folders).

    Who asks whether it is locked holds it for a moment, so try twice.
    """
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            tries -= 1
            if not tries:
                raise
            time.sleep(_MOMENT)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return False
            raise


def _is_locked(path: Path, flags: int) -> bool:
    """Whether somebody else holds the lock of a file or folder, as far as can be seen."""
    with ExitStack() as opened:
        try:
            fcntl.flock(_open(path, flags | os.O_NONBLOCK, opened), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return isinstance(error, BlockingIOError)
    return False


def _leads_to(path: Path | str, file: int, folder: int | None = None) -> bool:
    """Whether a path still leads to an open file or folder."""
    with ExitStack() as opened, suppress(OSError):
        return os.path.samestat(os.fstat(_open(path, os.O_NONBLOCK, opened, folder)), os.fstat(file))
    return False


def _refuse_if_there(store: Path) -> None:
    if is_driven(store):
        raise BlockingIOError
    if os.path.lexists(store):
        raise Interrupted(f"{store}: was just made by another driver; the same command goes on")


def _remove_leftovers(store: Path) -> None:
    """Remove what drivers left that died while they made this store. The lock of the parent must be held."""
    leftover = re.compile(re.escape(f".{store.name}.creating-") + "[0-9a-f]{16}")
    for path in store.parent.iterdir():
        if leftover.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            with ExitStack() as opened, suppress(OSError):
                if _flock(_open(path, os.O_DIRECTORY | os.O_NOFOLLOW, opened), tries=1):
                    shutil.rmtree(path)


def _move(building: Path, store: Path) -> None:
    """Move a new store to where it belongs, all of it on the disk before."""
    for folder, _, names in os.walk(building, topdown=False):
        for name in (*names, ""):
            _sync(Path(folder, name))
    try:
        building.rename(store)
    except OSError:
        _refuse_if_there(store)
        raise
    _sync(store.parent)


def _sync(path: Path) -> None:
    with ExitStack() as opened:
        try:
            os.fsync(_open(path, os.O_RDONLY, opened))
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
