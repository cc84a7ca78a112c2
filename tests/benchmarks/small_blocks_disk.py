"""What a run does to a disk: inodes and pending files while it runs, bytes written, bytes kept."""

import os
import threading
import time
from pathlib import Path
from typing import NamedTuple


def inodes(folder):
    """Files and folders below a folder that others may be changing."""
    found, folders = set(), [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    found.add(entry.inode())
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except FileNotFoundError:
            pass
    return len(found)


def bytes_on_disk(folder):
    """What the files and folders below a folder occupy, as `du` counts."""
    paths = [Path(root) / name for root, folders, files in os.walk(folder) for name in (*folders, *files)]
    return sum(512 * path.lstat().st_blocks for path in paths)


def pending(folder):
    """Files in the folders `pending` of the stores in a folder."""
    return sum(inodes(store / "pending") for store in Path(folder).glob("*.zarr"))


class Written(NamedTuple):
    """What this process and its ended children have written, from /proc/self/io."""

    disk: int
    """Bytes of pages that became dirty: `write_bytes`. What was unlinked before it reached the disk counts."""
    calls: int
    """Bytes given to `write`, to pipes and sockets too: `wchar`."""

    @classmethod
    def now(cls):
        """So far. Linux adds what a child and its own children wrote when they are waited for."""
        fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
        return cls(int(fields["write_bytes"]), int(fields["wchar"]))

    def since(self, before):
        return Written(self.disk - before.disk, self.calls - before.calls)


class Watch:
    """Counts inodes and pending files of a folder again and again, in a thread, and keeps the greatest numbers."""

    def __init__(self, folder):
        self.folder = folder
        self.inodes = self.pending = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count_on)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self._count()

    def _count(self):
        self.pending = max(self.pending, pending(self.folder))
        self.inodes = max(self.inodes, inodes(self.folder))

    def _count_on(self):
        pause = 0.0
        while not self._over.wait(pause):
            began = time.perf_counter()
            self._count()
            # At most a fifth of one core, as the run should go on as if nobody counted.
            pause = max(0.01, 4 * (time.perf_counter() - began))
