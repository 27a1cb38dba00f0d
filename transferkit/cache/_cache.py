"""The folder of all feature spaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

from transferkit.cache._disk import last_used, own_files, remove, verdict_files
from transferkit.cache._explain import explain
from transferkit.cache._files import FileIndex
from transferkit.cache._folder import default_folder
from transferkit.cache._recipes import space_identity, space_key
from transferkit.cache._report import CacheInfo, inspect_folder
from transferkit.cache._room import make_room
from transferkit.cache._space import FeatureSpace
from transferkit.foundation.arguments import check, choice, is_number, is_path


class FeatureCache:
    """Features that were computed before, on disk.

    A feature space holds everything computed under one recipe; within it a row is found by the
    content of the image, the view and the part (a layer at a grid), so renaming, moving or
    reordering images costs nothing, and asking for fewer layers still hits.

    Several threads and processes may use one cache. If two compute the same row, the last one
    stays. In a read-only folder reading works and writing does nothing, after one warning.

    Parameters
    ----------
    folder : str or Path, optional
        By default the environment variable ``TRANSFERKIT_CACHE``, or else the user's cache folder of
        the platform. It is created by the first write.
    max_bytes : int, optional
        Limit on the size of the folder; by default none. Damaged files go first, then the least recently
        used spaces, then the oldest rows of images that this run has not asked for. A run that is
        larger than the limit keeps what fits.
    dtype : {"float16", "float32"}, default "float16"
        How activations are stored. In half precision a value is off by at most 2**-11 (0.05 %) of the
        largest magnitude of its row; rows for which that cannot be kept stay in single precision.
        Each dtype has its own spaces.

    Raises
    ------
    InvalidInputError
        A parameter is none of these; all problems are listed at once.

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
    The nearest one differs only in 'image_size' (224 there, 256 asked).
    >>> folder.cleanup()
    """

    def __init__(
        self, folder: str | Path | None = None, *, max_bytes: int | None = None, dtype: str = "float16"
    ) -> None:
        problems = choice("dtype", dtype, ("float16", "float32"))
        if not (folder is None or is_path(folder)):
            problems.append(f"folder must be the path of a folder, or None. Got {folder!r}.")
        if not (max_bytes is None or is_number(max_bytes, above=0)):
            problems.append(f"max_bytes must be a positive number of bytes or None. Got {max_bytes!r}.")
        check(problems)
        self.max_bytes = max_bytes
        self.dtype = dtype
        self._folder = folder
        self._files: FileIndex | None = None

    @property
    def folder(self) -> Path:
        """The folder, whether it exists or not."""
        return default_folder() if self._folder is None else Path(self._folder)

    @property
    def files(self) -> FileIndex:
        """Digests of files by path, for as long as the files stand still."""
        path = self.folder / "files.sqlite"
        if self._files is None or self._files.path != path:
            self._files = FileIndex(path)
        return self._files

    def space(self, recipe: Mapping[str, Any]) -> FeatureSpace:
        """Return the feature space of a recipe; its file is created by the first write.

        Parameters
        ----------
        recipe : mapping of str to JSON
            Everything that can change an activation.

        Returns
        -------
        FeatureSpace

        Raises
        ------
        InvalidInputError
            The recipe is not JSON.
        """
        identity = space_identity(recipe, self.dtype)
        return FeatureSpace(
            self.folder / f"{space_key(identity)}.sqlite",
            identity,
            half=self.dtype == "float16",
            make_room=None if self.max_bytes is None else partial(make_room, max_bytes=self.max_bytes),
        )

    def info(self) -> CacheInfo:
        """Return what is in the cache.

        Returns
        -------
        CacheInfo
            Print it for a table.
        """
        return inspect_folder(self.folder)

    def explain(
        self, image_digest: str, recipe: Mapping[str, Any], parts: Sequence[str], view: str = "original"
    ) -> str:
        """Return why an image hits or misses.

        Parameters
        ----------
        image_digest : str
            64 hex digits.
        recipe : mapping of str to JSON
        parts : sequence of str
        view : str, default "original"

        Returns
        -------
        str
            One or two sentences, beginning with "Hit" or "Miss".

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
        """Delete feature spaces; without arguments, everything that the cache made.

        Parameters
        ----------
        space_key : str, optional
            Only this space, by its key or the beginning of it, as `info` prints it.
        recipe : mapping of str to JSON, optional
            Only the space of this recipe.
        older_than : timedelta, optional
            Only spaces that were not used for so long.

        Returns
        -------
        int
            Bytes freed.

        Raises
        ------
        CacheError
            A file cannot be deleted.
        """
        everything = space_key is None and recipe is None and older_than is None
        asked = None if recipe is None else self.space(recipe).key
        limit = None if older_than is None else (datetime.now(timezone.utc) - older_than).timestamp()
        freed = 0
        for path, key, _ in own_files(self.folder):
            chosen = (
                (space_key is None or key.startswith(space_key))
                and (asked is None or key == asked)
                and (limit is None or last_used(path) < limit)
            )
            if everything or (chosen and key != "files"):
                freed += remove(path)
        for path in verdict_files(self.folder) if everything else []:
            freed += remove(path)
        return freed

    def __getstate__(self) -> dict[str, Any]:
        """Leave open files out: copies and other processes open their own."""
        return {**self.__dict__, "_files": None}

    def __repr__(self) -> str:
        return f"FeatureCache({str(self.folder)!r}, max_bytes={self.max_bytes!r}, dtype={self.dtype!r})"
