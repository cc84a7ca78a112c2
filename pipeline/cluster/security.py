"""TLS between driver, scheduler and workers: a certificate and its key, readable by the user alone.

    python -m pipeline.cluster.security FOLDER     writes ca.pem and key.pem into a new folder

Whoever holds the pair may connect, and so run code as the user; whoever doesn't is refused. Dask checks no host
names: the certificate is its own authority, made for one user's cluster.
"""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from pipeline.errors import CONFIG_WRONG, RequestError

if TYPE_CHECKING:
    from distributed import Security

CERTIFICATE, KEY = "ca.pem", "key.pem"


def write_certificates(folder: Path) -> None:
    """Make a certificate and its key in a new folder.

    Args:
        folder: that is not there yet.

    Raises:
        RequestError: the folder exists, can't be made, or is on a file system where others could read the key.
    """
    from distributed import Security

    made = Security.temporary()
    try:
        folder.mkdir(mode=0o700)
        for name, text in ((CERTIFICATE, made.tls_ca_file), (KEY, made.tls_client_key)):
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(text)
    except OSError as error:
        raise RequestError([f"{folder}: expected room for a new folder of certificates, got: {error}"]) from error
    refuse_readable(folder)


def refuse_readable(folder: Path) -> None:
    """Refuse a folder of certificates that is incomplete, or whose key others than the user can read.

    Args:
        folder: with ca.pem and key.pem.

    Raises:
        RequestError: what is wrong with it.
    """
    key = folder / KEY
    if not key.is_file() or not (folder / CERTIFICATE).is_file():
        raise RequestError([f"cluster.tls: expected a folder with {CERTIFICATE} and {KEY}, got {folder}"])
    if key.stat().st_mode & 0o077:
        raise RequestError(
            [
                f"{key}: expected a key that only you can read (mode 600), got mode "
                f"{key.stat().st_mode & 0o777:o}; chmod 600 it, on a file system that knows permissions"
            ]
        )


def security(folder: Path) -> "Security":
    """What Dask needs to speak TLS, and TLS only, by the pair in a folder; for all roles.

    Args:
        folder: with ca.pem and key.pem, which need not be there yet.

    Returns:
        Dask's `Security`.
    """
    from distributed import Security

    certificate, key = str((folder / CERTIFICATE).resolve()), str((folder / KEY).resolve())
    roles = ("client", "scheduler", "worker")
    return Security(
        require_encryption=True,
        tls_ca_file=certificate,
        **{f"tls_{role}_cert": certificate for role in roles},
        **{f"tls_{role}_key": key for role in roles},
    )


@contextmanager
def temporary_certificates(parent: Path) -> Iterator[Path]:
    """A folder of certificates for the time of a run.

    Args:
        parent: a folder that all nodes share, made if it is not there.

    Yields:
        The folder, removed at the end.

    Raises:
        RequestError: as `write_certificates` does.
    """
    parent.mkdir(parents=True, exist_ok=True)
    own = Path(mkdtemp(prefix="tls-", dir=parent))  # of mode 700
    try:
        write_certificates(own / "pair")
        yield own / "pair"
    finally:
        shutil.rmtree(own, ignore_errors=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        write_certificates(Path(sys.argv[1]))
    except RequestError as faults:
        print(f"error: {faults}", file=sys.stderr)
        sys.exit(CONFIG_WRONG)
