"""The cache folder: its location, its creation, and warnings about it."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import platformdirs

from transferkit.errors import CacheError

logger = logging.getLogger("transferkit")

# SQLite needs locks and shared memory, which do not work between machines that share a network folder.
NETWORK_FILE_SYSTEMS = re.compile(
    r"(nfs\d?|cifs|smb\w*|afs|9p|ceph|lustre|gpfs|beegfs|glusterfs|ncpfs|"
    r"fuse\.(sshfs|glusterfs|ceph\w*|s3fs|rclone|gcsfuse|goofys|juicefs|davfs\w*|smbnetfs))"
)
CACHEDIR_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"  # https://bford.info/cachedir/
    "# Features computed by transferkit. Everything in this folder can be computed again.\n"
)
_warned: set[tuple[str, str]] = set()


def default_folder() -> Path:
    """Return ``TRANSFERKIT_CACHE``, or the platform's cache folder for the user."""
    return Path(os.environ.get("TRANSFERKIT_CACHE") or platformdirs.user_cache_dir("transferkit"))


def make_folder(folder: Path) -> None:
    """Create the folder, and mark it as a cache for git and backup programs.

    A folder that is not empty is not marked: it may be a project, where a ``.gitignore`` that ignores
    everything would do harm.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            (folder / "CACHEDIR.TAG").write_text(CACHEDIR_TAG, encoding="utf-8")
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except (FileExistsError, NotADirectoryError) as error:
        raise CacheError(
            f"The cache needs a folder, but {error.filename or folder} is a file. "
            "Pass another folder, or set TRANSFERKIT_CACHE.",
            path=folder,
        ) from error
    kind = network_file_system(folder)
    if kind:
        warn_once(
            folder,
            "network",
            f"The cache folder {folder} is on a network file system ({kind}). Only one machine at a time "
            "can use it safely. Set TRANSFERKIT_CACHE to a folder on a local disk.",
        )


def network_file_system(folder: Path, mounts: str = "/proc/mounts") -> str | None:
    """Return the type of the network file system of a folder, or None if it is local or unknown."""
    try:
        table = Path(mounts).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    kind, longest = "", -1
    target = Path(os.path.realpath(folder))
    for line in table.splitlines():
        _, point, this_kind, *_ = (*line.split(" "), "", "")
        point = re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), point)  # \040 is a space
        if len(point) >= longest and target.is_relative_to(point):  # the last of equal mount points is on top
            kind, longest = this_kind, len(point)
    return kind if NETWORK_FILE_SYSTEMS.fullmatch(kind) else None


def warn_once(path: Path, topic: str, message: str) -> None:
    """Log a warning, once per process for each path and topic."""
    if (str(path), topic) not in _warned:
        _warned.add((str(path), topic))
        logger.warning(message)
