"""One driver per store, by whatever name it comes, and none kept out by a dead driver. Drivers are real processes."""

import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

import pytest

from pipeline.errors import Interrupted, RequestError
from pipeline.store import lock
from pipeline.store.lock import HELD_FILE, LOCK_FILE, is_driven, only_driver
from tests.command import PATIENCE, ROOT

DRIVER = """
import errno, fcntl, os, stat, sys
from pathlib import Path
from pipeline.errors import Interrupted, RequestError
from pipeline.store.lock import only_driver

store, kind, left_after, without = sys.argv[1:]
flock = fcntl.flock

def poor_flock(file, how):
    if without == "locks" or without == "folder locks" and stat.S_ISDIR(os.fstat(file).st_mode):
        raise OSError(errno.EBADF if without == "folder locks" else errno.ENOLCK, "no locks")
    flock(file, how)

def build(folder):
    (folder / "runs").mkdir()
    print("building", flush=True)
    sys.stdin.readline()

fcntl.flock = poor_flock
try:
    with only_driver(Path(store), kind, float(left_after)) as held:
        print("locked", held.died, flush=True)
        for line in sys.stdin:
            if line == "end\\n":
                break
            if line == "create\\n":
                print("creating", flush=True)
                held.create(build)
            if line == "check\\n":
                held.ensure_held()
            print("done", flush=True)
except (Interrupted, RequestError) as error:
    print(type(error).__name__, error, flush=True)
else:
    print("ended", flush=True)
"""
FREE, AFTER_DEATH = "locked False", "locked True"
kinds = pytest.mark.parametrize("kind", ["flock", "file"])


class Driver:
    """A process that drives a store, told what to do line by line."""

    def __init__(self, store, kind="flock", left_after=60, without=""):
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(store), kind, str(left_after), without],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, *words):
        for word in words:
            self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self

    def says(self):
        return self.process.stdout.readline().rstrip("\n")

    def dies(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def drive():
    """Start drivers, which are killed at the end of the test."""
    started = []

    def start(*arguments, **options):
        started.append(Driver(*arguments, **options))
        return started[-1]

    yield start
    for driver in started:
        driver.dies()
        driver.process.stdin.close()
        driver.process.stdout.close()


@pytest.fixture
def store(tmp_path):
    (tmp_path / "data" / "x.zarr" / "runs").mkdir(parents=True)
    return tmp_path / "data" / "x.zarr"


@pytest.fixture
def bind(tmp_path):
    """Mount a folder a second time, (folder, options) → there; skipped where that is not allowed."""
    folder = tmp_path / "bound"
    folder.mkdir()

    def mount(source, options="bind"):
        if os.geteuid() or not shutil.which("mount"):
            pytest.skip("mounting needs root")
        if subprocess.run(["mount", "-o", "bind", source, folder], capture_output=True, check=False).returncode:
            pytest.skip("mounting is not allowed here")
        subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)
        return folder

    yield mount
    subprocess.run(["umount", folder], capture_output=True, check=False)


def build(folder):
    (folder / "runs").mkdir()
    (folder / "zarr.json").write_text("{}")


def refused(store, *arguments):
    with pytest.raises(Interrupted) as caught, only_driver(store, *arguments):
        pass
    return str(caught.value)


def refused_for_good(store, *arguments):
    """The one line of a store that can't be locked at all."""
    with pytest.raises(RequestError) as caught, only_driver(store, *arguments):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def once_free(store, *arguments):
    """Whether the driver before died, of a lock that is waited for."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with only_driver(store, *arguments) as held:
                return held.died
        except Interrupted:
            assert time.monotonic() < deadline


def age(file):
    """Make a file as old as one that was left."""
    os.utime(file, (0, 0))


# --- one driver, by whatever name ---------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("second", ["flock", "file"])
def test_a_second_driver_of_whatever_kind_is_refused_and_told_who_the_first_is(store, drive, kind, second):
    first = drive(store, kind)
    assert first.says() == FREE
    told = refused(store, second)
    assert f"process {first.process.pid} on {socket.gethostname()}, for " in told
    assert is_driven(store)
    assert first.tell("end").says() == "ended"
    assert not is_driven(store)
    assert drive(store, second).says() == FREE


def _linked(store):
    (link := store.parent / "link.zarr").symlink_to(store)
    return link


def _through_linked_parent(store):
    (link := store.parent.parent / "link").symlink_to(store.parent)
    return link / store.name


def _moved(store):
    return store.rename(store.with_name("moved.zarr"))


def _lock_file_removed(store):
    (store / LOCK_FILE).unlink()
    return store


def _lock_file_replaced(store):
    (store / LOCK_FILE).rename(store / "away")
    (store / LOCK_FILE).write_text("")
    return store


def _lock_file_linked(store):
    (store / "other").hardlink_to(store / LOCK_FILE)
    (store / LOCK_FILE).unlink()
    (store / "other").rename(store / LOCK_FILE)
    return store


def _runs_replaced(store):
    (store / "runs").rename(store / "away")
    (store / "runs").mkdir()
    return store


@pytest.mark.parametrize(
    "disguised",
    [
        _linked,
        _through_linked_parent,
        _moved,
        _lock_file_removed,
        _lock_file_replaced,
        _lock_file_linked,
        _runs_replaced,
    ],
)
@kinds
def test_a_second_driver_is_refused_by_any_name_and_whatever_becomes_of_the_lock_file(
    store, drive, kind, disguised
):
    first = drive(store, kind)
    assert first.says() == FREE
    disguise = disguised(store)
    assert is_driven(disguise)
    assert "another driver is at work" in refused(disguise)
    first.dies()
    assert not is_driven(disguise) or kind == "file"


@kinds
def test_a_second_driver_is_refused_through_a_bind_mount(store, drive, bind, kind):
    assert drive(store, kind).says() == FREE
    bound = bind(store)
    assert is_driven(bound)
    assert "another driver is at work" in refused(bound)


@kinds
def test_a_driver_whose_store_was_moved_changes_none_that_took_its_place(store, kind):
    moved = store.with_name("moved")
    with only_driver(store, kind) as lock:
        lock.ensure_held()
        store.rename(moved)
        with pytest.raises(Interrupted, match="moved, removed or exchanged"):
            lock.ensure_held()
        shutil.copytree(moved, store)
        with pytest.raises(Interrupted, match="moved, removed or exchanged"):
            lock.ensure_held()
        shutil.rmtree(store)
        moved.rename(store)
        lock.ensure_held()


def test_the_store_at_the_path_is_locked_though_it_was_exchanged_meanwhile(store, monkeypatch):
    other = shutil.copytree(store, store.with_name("other"))
    flock, exchanged = fcntl.flock, []

    def exchange(file, how):
        if not exchanged:
            exchanged.append(store.rename(store.with_name("old")))
            other.rename(store)
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", exchange)
    with only_driver(store):
        assert is_driven(store)
        assert not is_driven(exchanged[0])


def test_a_store_that_is_exchanged_again_and_again_is_left(store, monkeypatch):
    flock = fcntl.flock

    def exchange(file, how):
        store.rename(store.with_name("old"))
        shutil.copytree(store.with_name("old"), store)
        shutil.rmtree(store.with_name("old"))
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", exchange)
    assert "again and again" in refused(store)


@pytest.mark.parametrize("without", ["locks", "folder locks"])
def test_where_folders_cannot_be_locked_the_file_is(store, drive, without):
    kind = "file" if without == "locks" else "flock"
    assert drive(store, kind, without=without).says() == FREE
    assert drive(store, kind, without=without).says().startswith("Interrupted")


# --- what a lock file tells -------------------------------------------------------------------------------------


@kinds
def test_a_driver_that_ends_in_order_leaves_an_empty_file_and_one_that_does_not_is_known_to_have_died(store, kind):
    with only_driver(store, kind) as held:
        assert not held.died
        assert set(json.loads((store / LOCK_FILE).read_text())) == {"host", "pid", "since"}
    assert (store / LOCK_FILE).read_text() == ""
    with pytest.raises(KeyError), only_driver(store, kind):
        raise KeyError
    with only_driver(store, kind) as held:
        assert held.died
    with only_driver(store, kind) as held:
        assert not held.died
    assert [path.name for path in (store / "runs").iterdir()] == ["lock"]


def test_a_lock_file_that_holds_less_than_the_next_holder_writes_and_one_that_holds_more_are_written_in_place(
    store,
):
    for content in ("{", "x" * 10_000):
        (store / LOCK_FILE).write_text(content)
        inode = (store / LOCK_FILE).stat().st_ino
        with only_driver(store) as held:
            assert held.died
            assert json.loads((store / LOCK_FILE).read_text())["pid"] == os.getpid()
            assert (store / LOCK_FILE).stat().st_ino == inode


def test_a_driver_that_is_refused_does_not_touch_what_the_other_wrote(store, drive):
    assert drive(store).says() == FREE
    before = (store / LOCK_FILE).read_text()
    refused(store)
    refused(store, "file")
    assert (store / LOCK_FILE).read_text() == before
    assert not (store / HELD_FILE).exists()


def test_the_lock_of_a_killed_driver_is_free_at_once(store, drive):
    first = drive(store)
    assert first.says() == FREE
    first.dies()
    assert not is_driven(store)
    with only_driver(store) as held:
        assert held.died


# --- no regular files, no folders ---------------------------------------------------------------------------------


def _link(path, tmp_path):
    path.symlink_to(tmp_path / "precious")


def _dangling(path, tmp_path):
    path.symlink_to(tmp_path / "nothing")


def _fifo(path, tmp_path):
    os.mkfifo(path)


def _folder(path, tmp_path):
    path.mkdir()


@pytest.mark.parametrize("name", [LOCK_FILE, HELD_FILE])
@pytest.mark.parametrize("obstacle", [_link, _dangling, _fifo, _folder])
@kinds
def test_what_is_no_regular_file_in_a_lock_files_place_is_named_and_left_alone(
    store, tmp_path, kind, obstacle, name
):
    (tmp_path / "precious").write_text("numbers")
    age(tmp_path / "precious")
    obstacle(store / name, tmp_path)
    before = os.lstat(store / name)
    told = refused_for_good(store, kind)
    assert f"{store}/{name}: expected a regular file, got a " in told
    is_driven(store)  # does not wait for who writes into a FIFO
    assert os.lstat(store / name) == before
    assert (tmp_path / "precious").read_text() == "numbers"
    assert os.stat(tmp_path / "precious").st_mtime == 0
    assert not (tmp_path / "nothing").exists()


def test_what_is_no_folder_of_a_store_is_named(tmp_path):
    (tmp_path / "file.zarr").write_text("")
    (tmp_path / "empty.zarr").mkdir()
    (tmp_path / "dangling.zarr").symlink_to(tmp_path / "nothing")
    (tmp_path / "linked.zarr").mkdir()
    (tmp_path / "linked.zarr" / "runs").symlink_to(tmp_path / "empty.zarr")
    for name in ("file", "empty", "dangling", "linked"):
        assert f"{tmp_path}/{name}.zarr: expected the folder of a store" in refused_for_good(
            tmp_path / f"{name}.zarr"
        )
    assert not any((tmp_path / "empty.zarr").iterdir())


def test_a_folder_that_cannot_be_written_is_refused_but_can_be_asked_about(store, bind, drive):
    with only_driver(store):
        pass
    writable = store.parent
    if os.geteuid():
        for path in (store / LOCK_FILE, store / "runs", writable):
            path.chmod(path.stat().st_mode & ~0o222)
        read_only = writable
    else:
        read_only = bind(writable, "bind,ro")
    try:
        for name in ("x.zarr", "new.zarr", "new/y.zarr"):
            assert "expected a folder that can be written" in refused_for_good(read_only / name)
        assert not is_driven(read_only / "x.zarr")
        if not os.geteuid():
            assert drive(store).says() == FREE
            assert is_driven(read_only / "x.zarr")
    finally:
        writable.chmod(0o755)
        (store / "runs").chmod(0o755)


def test_to_ask_whether_a_store_is_driven_changes_nothing_and_is_no_obstacle(store):
    assert not is_driven(store)
    assert not is_driven(store.with_name("nothing"))
    assert not any((store / "runs").iterdir())
    with only_driver(store), only_driver(store.with_name("another.zarr")):
        assert is_driven(store)


# --- file systems without locks, and `store.lock=file` --------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_told_with_what_to_set(store, monkeypatch, number):
    def flock(file, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    assert "expected a file system with locks, got none; set store.lock=file" in refused_for_good(store)
    assert not is_driven(store)
    with only_driver(store, "file"):
        assert is_driven(store)
        assert "another driver" in refused(store, "file")
    with only_driver(store.with_name("new.zarr"), "file") as held:
        held.create(build)
        assert "another driver" in refused(store.with_name("new.zarr"), "file")
    assert sorted(path.name for path in store.parent.iterdir()) == ["new.zarr", "x.zarr"]


@kinds
def test_the_file_of_a_killed_driver_is_taken_over_once_it_is_old_and_not_before(store, drive, kind):
    first = drive(store, "file")
    assert first.says() == FREE
    first.dies()
    assert "another driver" in refused(store, kind)
    assert once_free(store, kind, 1.0)
    assert not (store / HELD_FILE).exists()


def test_clocks_of_hosts_do_not_matter_to_who_takes_a_file_over(store, drive, monkeypatch):
    assert drive(store, "file", without="locks").says() == FREE
    monkeypatch.setattr(time, "time", lambda: 1e10)
    assert drive(store, "file", without="locks").says().startswith("Interrupted")
    assert "another driver" in refused(store)


def test_a_driver_touches_its_file_again_and_again_even_of_a_moved_store(store, drive):
    first = drive(store, "file", left_after=0.6)
    assert first.says() == FREE
    moved = store.rename(store.with_name("moved.zarr"))
    for _ in range(3):
        age(moved / HELD_FILE)
        deadline = time.monotonic() + PATIENCE
        while os.stat(moved / HELD_FILE).st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert first.tell("check").says().startswith("Interrupted")
    first.dies()


def test_of_many_that_find_a_file_left_one_takes_it_over(store, drive):
    first = drive(store, "file", without="locks")
    assert first.says() == FREE
    first.dies()
    age(store / HELD_FILE)
    (store / "runs" / "lock.next").write_text("")  # of one that died while it took the file over
    age(store / "runs" / "lock.next")
    said = [driver.says() for driver in [drive(store, "file", without="locks") for _ in range(6)]]
    assert said.count(AFTER_DEATH) == 1
    assert sum(words.startswith("Interrupted") for words in said) == 5
    assert sorted(path.name for path in (store / "runs").iterdir()) == ["lock", "lock.held"]


@pytest.mark.parametrize("then", ["check", "end"])
def test_a_driver_that_stood_still_until_its_file_was_taken_over_goes_on_no_further(store, drive, then):
    first = drive(store, "file", without="locks")
    assert first.says() == FREE
    first.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, first.process.pid, os.WSTOPPED)
    age(store / HELD_FILE)
    second = drive(store, "file", without="locks")
    assert second.says() == AFTER_DEATH
    mine = (os.stat(store / HELD_FILE).st_ino, (store / LOCK_FILE).read_text())
    first.process.send_signal(signal.SIGCONT)
    told = first.tell(then).says()
    assert told.startswith("Interrupted")
    assert f"{HELD_FILE}: removed, or taken by another driver" in told
    first.process.wait()
    assert (os.stat(store / HELD_FILE).st_ino, (store / LOCK_FILE).read_text()) == mine
    assert second.tell("check").says() == "done"


def test_a_driver_that_stands_still_keeps_its_store_where_there_are_locks(store, drive):
    first = drive(store, "file")
    assert first.says() == FREE
    first.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, first.process.pid, os.WSTOPPED)
    age(store / HELD_FILE)
    for kind in ("flock", "file"):
        assert "another driver" in refused(store, kind)
    first.process.send_signal(signal.SIGCONT)
    assert first.tell("check").says() == "done"


# --- what changes between two steps of taking a lock ------------------------------------------------------------------


def _before_opening(monkeypatch, name, change):
    """Let something change right before a file in `runs` is opened."""
    opened = os.open

    def change_then_open(path, *arguments, **options):
        if path == name:
            change()
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", change_then_open)


def test_a_link_that_takes_the_place_of_the_lock_file_in_the_last_moment_is_not_followed(
    store, tmp_path, monkeypatch
):
    (tmp_path / "precious").write_text("numbers")
    _before_opening(monkeypatch, "lock", lambda: (store / LOCK_FILE).symlink_to(tmp_path / "precious"))
    assert f"{store}: expected a folder that can be written" in refused_for_good(store)
    assert (tmp_path / "precious").read_text() == "numbers"


def test_the_lock_file_at_the_path_is_locked_though_it_was_exchanged_meanwhile(store, monkeypatch):
    flock, exchanged = fcntl.flock, []

    def exchange(file, how):
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(errno.EBADF, "folders can't be locked")
        if not exchanged:
            exchanged.append((store / LOCK_FILE).rename(store / "away"))
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", exchange)
    with only_driver(store):
        assert "another driver" in refused(store)


def test_a_file_that_its_driver_touches_in_the_last_moment_is_not_taken_over(store, drive, monkeypatch):
    assert drive(store, "file", without="locks").says() == FREE
    age(store / HELD_FILE)
    inode = os.stat(store / HELD_FILE).st_ino
    _before_opening(monkeypatch, "lock.next", lambda: os.utime(store / HELD_FILE))
    assert "another driver" in refused(store, "file")
    assert os.stat(store / HELD_FILE).st_ino == inode
    assert sorted(path.name for path in (store / "runs").iterdir()) == ["lock", "lock.held"]


# --- creation -------------------------------------------------------------------------------------------------------


@kinds
def test_a_store_is_created_complete_and_locked_and_its_parents_with_it(tmp_path, drive, kind):
    path = tmp_path / "new" / "folder" / "x.zarr"
    first = drive(path, kind)
    assert first.says() == FREE
    assert not path.exists()
    assert [first.tell("create").says(), first.says()] == ["creating", "building"]
    assert not path.exists()
    assert first.tell("go").says() == "done"
    assert [found.name for found in path.parent.iterdir()] == ["x.zarr"]
    assert is_driven(path)
    assert f"process {first.process.pid}" in refused(path)
    assert first.tell("end").says() == "ended"
    assert drive(path, kind).says() == FREE


@pytest.mark.parametrize("without", ["", "folder locks", "locks"])
def test_of_two_that_create_a_store_at_once_one_is_told_that_it_is_there(tmp_path, drive, without):
    path = tmp_path / "x.zarr"
    kind = "file" if without == "locks" else "flock"
    first, second = drive(path, kind, without=without), drive(path, kind, without=without)
    assert [first.says(), second.says()] == [FREE, FREE]
    assert [first.tell("create").says(), first.says()] == ["creating", "building"]
    assert second.tell("create").says() == "creating"
    if without:  # it does not wait for the first
        assert second.says() == "building"
    assert first.tell("go").says() == "done"
    second.tell("go")
    assert "Interrupted" in second.says()
    assert [found.name for found in tmp_path.iterdir()] == ["x.zarr"]
    assert first.tell("check").says() == "done"
    assert is_driven(path)


def test_a_store_that_another_made_and_left_meanwhile_is_told(tmp_path):
    path = tmp_path / "x.zarr"
    with only_driver(path) as held, only_driver(path) as other:
        other.create(build)
        with pytest.raises(Interrupted, match="another driver is at work"):
            held.create(build)
    with only_driver(tmp_path / "y.zarr") as held:
        with only_driver(tmp_path / "y.zarr") as other:
            other.create(build)
        with pytest.raises(Interrupted, match="just made by another driver; the same command goes on"):
            held.create(build)


def test_a_folder_that_stays_locked_is_told_by_who_would_create_a_store_in_it(store, monkeypatch):
    monkeypatch.setattr(lock, "_CREATION", 0.2)
    with only_driver(store), only_driver(store / "inner.zarr") as held:
        with pytest.raises(
            Interrupted, match=rf"^{store}: another driver is at work on it \(process {os.getpid()} "
        ):
            held.create(build)
        assert [path.name for path in store.iterdir()] == ["runs"]


def test_a_lock_file_that_a_user_removed_stops_its_driver(store):
    with only_driver(store, "file") as held:
        held.ensure_held()
        (store / HELD_FILE).rename(store / "away")
        with pytest.raises(Interrupted, match=r"lock\.held: removed"):
            held.ensure_held()
        (store / "away").rename(store / HELD_FILE)
        held.ensure_held()


def test_stores_of_one_folder_are_created_one_after_the_other(tmp_path, drive):
    first, second = drive(tmp_path / "x.zarr"), drive(tmp_path / "y.zarr")
    assert [first.says(), second.says()] == [FREE, FREE]
    assert [first.tell("create").says(), first.says()] == ["creating", "building"]
    assert second.tell("create").says() == "creating"
    assert first.tell("go").says() == "done"
    assert second.says() == "building"
    assert second.tell("go").says() == "done"
    assert is_driven(tmp_path / "x.zarr")
    assert is_driven(tmp_path / "y.zarr")


@kinds
def test_nothing_is_left_of_a_creation_that_fails_and_it_can_be_tried_again(tmp_path, kind):
    def fail(folder):
        (folder / "runs").mkdir()
        raise KeyError("built wrongly")

    with only_driver(tmp_path / "x.zarr", kind) as held:
        with pytest.raises(KeyError, match="built wrongly"):
            held.create(fail)
        assert not any(tmp_path.iterdir())
        held.create(build)
        assert is_driven(tmp_path / "x.zarr")
    assert (tmp_path / "x.zarr" / LOCK_FILE).read_text() == ""


def test_a_build_that_forgets_the_folder_of_the_lock_is_told(tmp_path):
    with only_driver(tmp_path / "x.zarr") as held:
        with pytest.raises(RequestError, match="with a folder runs in it"):
            held.create(lambda folder: None)
        assert not any(tmp_path.iterdir())


def test_the_next_creation_removes_what_a_killed_one_left_and_nothing_else(tmp_path, drive):
    first = drive(tmp_path / "x.zarr")
    assert [first.says(), first.tell("create").says(), first.says()] == [FREE, "creating", "building"]
    (leftover,) = tmp_path.iterdir()
    first.dies()
    digits = "0123456789abcdef"
    kept = {
        "x.zarr.creating-new",
        ".x.zarr.creating-mine",
        f"x.zarr.creating-{digits}",
        f".y.zarr.creating-{digits}",
        f".x.zarr.creating-{digits}0",
        f".x.zarr.creating-{digits}\n",
        f".x.zarr.creating-{digits.upper()}",
        f".xazarr.creating-{digits}",
        f"..x.zarr.creating-{digits}",
        f".x.zarr.creating-{digits}",  # locked below
    }
    for name in kept:
        (tmp_path / name / "runs").mkdir(parents=True)
    (link := tmp_path / f".x.zarr.creating-{digits[::-1]}").symlink_to(tmp_path / "x.zarr.creating-new")
    (file := tmp_path / f".x.zarr.creating-{'0' * 16}").write_text("")
    with only_driver(tmp_path / f".x.zarr.creating-{digits}"), only_driver(tmp_path / "x.zarr") as held:
        held.create(build)
    assert not leftover.exists()
    assert {path.name for path in tmp_path.iterdir()} == kept | {link.name, file.name, "x.zarr"}
    assert all((tmp_path / name / "runs").is_dir() for name in kept)


def test_all_of_a_new_store_is_on_the_disk_before_it_has_its_name_and_the_name_before_it_is_used(
    tmp_path, monkeypatch
):
    synced, fsync = [], os.fsync

    def note(file):
        synced.append((os.readlink(f"/proc/self/fd/{file}"), (tmp_path / "x.zarr").exists()))
        fsync(file)

    monkeypatch.setattr(os, "fsync", note)
    with only_driver(tmp_path / "x.zarr") as held:
        held.create(build)
    before = [path for path, named in synced if not named]
    assert {os.path.basename(path) for path in before} >= {"zarr.json", "runs", "lock"}
    assert any(path.startswith(f"{tmp_path}/.x.zarr.creating-") and path.count("/") == str(tmp_path).count("/") + 1
               for path in before)  # fmt: skip
    assert (str(tmp_path), True) in synced


def test_files_of_a_lock_are_not_executable_and_may_be_shared_as_the_umask_says(store):
    before = os.umask(0o002)
    try:
        with only_driver(store, "file"):
            modes = {stat.S_IMODE(os.stat(store / name).st_mode) for name in (LOCK_FILE, HELD_FILE)}
    finally:
        os.umask(before)
    assert modes == {0o664}


# --- the key ----------------------------------------------------------------------------------------------------------


def test_the_key_of_the_lock_is_checked(configure, tmp_path):
    assert configure(tmp_path).store.lock == "flock"
    assert configure(tmp_path, "store.lock=file").store.lock == "file"
    with pytest.raises(RequestError, match=r"store\.lock"):
        configure(tmp_path, "store.lock=none")
