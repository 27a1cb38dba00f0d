"""The cache: a folder of feature spaces and a file index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from transferkit.cache._disk import graph_files, last_used, note_files, own_files, remove
from transferkit.cache._explain import explain
from transferkit.cache._files import FileIndex
from transferkit.cache._folder import default_folder
from transferkit.cache._later import finish
from transferkit.cache._recipes import space_identity, space_key
from transferkit.cache._report import CacheInfo, inspect_folder
from transferkit.cache._room import HalfOfDisk, make_room
from transferkit.cache._space import FeatureSpace
from transferkit.foundation.arguments import check, choice, is_number, is_path


class FeatureCache:
    """Keep computed features on disk.

    A feature space holds all features computed with one recipe, that is, with the same settings. Its rows are
    keyed by the content of the image, the view and the part (a layer at a grid); so images may be renamed,
    moved or reordered, and requests for fewer layers are still found.

    Several threads and processes may use one cache. If two compute the same row, the last one is kept. A
    read-only folder can be read; writing to it has no effect but a single warning.

    Parameters
    ----------
    folder : str or Path, optional
        By default the environment variable ``TRANSFERKIT_CACHE``, or else the platform's cache folder
        for the user. The first write creates it.
    max_bytes : int, "auto" or None, default="auto"
        Limit on the size of the folder in bytes. "auto" is half of the disk space that is free or used by
        the cache; None is no limit. To stay below it, damaged files are deleted first, then the least
        recently used spaces, then the oldest rows of images that this run does not use. If a single run
        exceeds the limit, only the rows that fit are stored.
    dtype : {"float16", "float32"}, default "float16"
        Number format in which activations are stored. In half precision, the error of a value is at most
        2**-11 (0.05 %) of the largest magnitude in its row; rows where this is impossible are stored in
        single precision. Each dtype has its own spaces.

    Raises
    ------
    InvalidInputError
        A parameter is invalid; all problems are listed at once.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from transferkit.cache import FeatureCache, RowKey
    >>> folder = tempfile.TemporaryDirectory()
    >>> cache = FeatureCache(folder.name)
    >>> key = RowKey("ab" * 32, "original")
    >>> with cache.space({"backbone": "vgg16", "image_size": 224}) as space:
    ...     stored = space.write([(key, "block5_pool@7", np.ones((7, 7, 512), np.float32))])
    ...     space.find([key], ["block5_pool@7"]) == {key}
    True
    >>> print(cache.explain(key.digest, {"backbone": "vgg16", "image_size": 256}, ["block5_pool@7"]))
    Miss: there is no feature space for this recipe.
    The nearest one differs only in 'image_size' (stored: 224, requested: 256).
    >>> folder.cleanup()
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        max_bytes: int | str | None = "auto",
        dtype: str = "float16",
    ) -> None:
        problems = choice("dtype", dtype, ("float16", "float32"))
        if not (folder is None or is_path(folder)):
            problems.append(f"folder must be the path of a folder, or None. Got {folder!r}.")
        automatic = isinstance(max_bytes, str) and max_bytes == "auto"
        if not (max_bytes is None or automatic or is_number(max_bytes, above=0)):
            problems.append(
                f'max_bytes must be a positive number of bytes, "auto" or None. Got {max_bytes!r}.'
            )
        check(problems)
        self.max_bytes = max_bytes
        self.dtype = dtype
        self._folder = folder
        self._files: FileIndex | None = None

    @property
    def folder(self) -> Path:
        """Folder of the cache, which may not exist yet."""
        return default_folder() if self._folder is None else Path(self._folder)

    @property
    def files(self) -> FileIndex:
        """Cache of file digests, valid while the files are unchanged."""
        path = self.folder / "files.sqlite"
        if self._files is None or self._files.path != path:
            self._files = FileIndex(path)
        return self._files

    def space(self, recipe: Mapping[str, Any]) -> FeatureSpace:
        """Return the feature space of a recipe; the first write creates its file.

        Parameters
        ----------
        recipe : mapping of str to JSON
            All settings that can change an activation.

        Returns
        -------
        FeatureSpace

        Raises
        ------
        InvalidInputError
            The recipe is not JSON.
        """
        finish()  # so that this space finds all that this process has computed
        identity = space_identity(recipe, self.dtype)
        limit: Any = self.max_bytes
        room: Any = HalfOfDisk() if limit == "auto" else limit and partial(make_room, max_bytes=limit)
        return FeatureSpace(
            self.folder / f"{space_key(identity)}.sqlite",
            identity,
            half=self.dtype == "float16",
            make_room=room,
        )

    def info(self) -> CacheInfo:
        """Return the contents of the cache.

        Returns
        -------
        CacheInfo
            Its string form is a table.
        """
        finish()
        return inspect_folder(self.folder)

    def explain(
        self, image_digest: str, recipe: Mapping[str, Any], parts: Sequence[str], view: str = "original"
    ) -> str:
        """Explain whether the features of an image are in the cache, and why.

        Parameters
        ----------
        image_digest : str
            SHA-256 of the image, 64 hex digits.
        recipe : mapping of str to JSON
            All settings that can change an activation.
        parts : sequence of str
            Layers at their grids, such as "block5_pool@7".
        view : str, default "original"
            Name of the view.

        Returns
        -------
        str
            One or two sentences, starting with "Hit" or "Miss".

        Raises
        ------
        InvalidInputError
            The digest, the recipe or the parts are malformed.
        CacheError
            The file cannot be read.
        """
        with self.space(recipe) as space:
            return explain(space, recipe, image_digest, parts, view)

    def clear(
        self,
        space_key: str | None = None,
        *,
        recipe: Mapping[str, Any] | None = None,
        older_than: timedelta | None = None,
    ) -> int:
        """Delete feature spaces; without arguments, delete all files of the cache.

        Parameters
        ----------
        space_key : str, optional
            Delete only spaces whose key starts with this; `info` prints the first 12 digits.
        recipe : mapping of str to JSON, optional
            Delete only the space of this recipe.
        older_than : timedelta, optional
            Delete only spaces that were last used longer ago than this.

        Returns
        -------
        int
            Number of bytes freed.

        Raises
        ------
        CacheError
            A file cannot be deleted.
        """
        finish()
        everything = space_key is None and recipe is None and older_than is None
        wanted = None if recipe is None else self.space(recipe).key
        limit = None if older_than is None else (datetime.now(UTC) - older_than).timestamp()
        freed = 0
        for path, key, _ in own_files(self.folder):
            chosen = (
                (space_key is None or key.startswith(space_key))
                and (wanted is None or key == wanted)
                and (limit is None or last_used(path) < limit)
            )
            if everything or (chosen and key != "files"):
                freed += remove(path)
        for path in [*note_files(self.folder), *graph_files(self.folder)] if everything else []:
            freed += remove(path)
        return freed

    def __getstate__(self) -> dict[str, Any]:
        """Drop open files; copies and other processes open their own."""
        return {**self.__dict__, "_files": None}

    def __repr__(self) -> str:
        return f"FeatureCache({str(self.folder)!r}, max_bytes={self.max_bytes!r}, dtype={self.dtype!r})"
