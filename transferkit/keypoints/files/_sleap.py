"""Read ``.slp`` files of SLEAP, by means of sleap-io."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from transferkit.errors import InvalidInputError, MissingDependencyError
from transferkit.foundation.files import replaced
from transferkit.images import raise_problems
from transferkit.keypoints.files._kinds import refuse_others
from transferkit.keypoints.files._places import check_different, checked_file, per_image
from transferkit.keypoints.files._table import KeypointTable

__all__ = ["read_sleap"]

_logger = logging.getLogger("transferkit")


def read_sleap(
    path: str | os.PathLike[str], *, image_folder: str | os.PathLike[str] | None = None
) -> KeypointTable:
    """Read labels of SLEAP, with a row for each labelled animal.

    Parameters
    ----------
    path : path
        A ``.slp`` file; a ``.pkg.slp`` file contains the images.
    image_folder : path, optional
        Folder to which labelled frames of videos are written as PNG files. A later call compares these with
        the videos, or uses them if the videos are gone. Required if labels are of videos, not of image files.

    Returns
    -------
    KeypointTable
        With names, skeleton, and the mirror pairs of the skeleton. Predicted instances are read only from
        frames without labels by a person, and then have likelihoods. Groups are the videos.

    Raises
    ------
    InvalidInputError
        If the file is not SLEAP's, has no labels, or its images are not found.
    MissingDependencyError
        sleap-io is not installed.

    References
    ----------
    https://io.sleap.ai
    """
    path = checked_file(path, "a .slp file of SLEAP")
    refuse_others(path, "SLEAP")
    labels = _load(path)
    if not labels.skeletons:
        raise InvalidInputError(f"{path} has no skeleton.")
    skeleton = labels.skeletons[0]
    names = tuple(map(str, skeleton.node_names))
    frames = [(frame, instance) for frame in labels for instance in _instances(frame)]
    own = [(frame, one) for frame, one in frames if sorted(one.skeleton.node_names) == sorted(names)]
    if len(own) < len(frames):
        n = len(frames) - len(own)
        _logger.warning("%s: %d labelled animal(s) of other skeletons are left out", path, n)
    frames = own
    if not frames:
        raise InvalidInputError(f"{path} has no labelled point.")
    problems: list[str] = []
    folder = None if image_folder is None else Path(image_folder)
    images = _Images(path, folder, _names_of(labels.videos), problems)
    found = {id(frame): images.find(frame) for frame, _ in frames}
    paths = [found[id(frame)][0] for frame, _ in frames]
    check_different([name for _, name in found.values()], [image for image, _ in found.values()], problems)
    for video in labels.videos:
        video.close()
    raise_problems(path, list(dict.fromkeys(problems)))
    videos = {id(video): f"video {number}" for number, video in enumerate(labels.videos)}
    groups = np.array([videos.get(id(frame.video), "") for frame, _ in frames], dtype=np.str_)
    return KeypointTable(
        paths,
        np.array([_in_order(one, names, one.numpy()[:, :2]) for _, one in frames], dtype=np.float64),
        names=names,
        skeleton=tuple((int(a), int(b)) for a, b in skeleton.edge_inds),
        mirror_pairs=tuple(tuple(sorted(map(int, pair))) for pair in skeleton.symmetry_inds) or None,  # type: ignore[misc]
        groups=groups if len(set(groups)) > 1 else per_image([one.as_posix() for one in paths]),
        likelihood=_likelihood([one for _, one in frames], names),
    )


def _load(path: Path) -> Any:
    """Return the labels read by sleap-io."""
    try:
        import sleap_io
    except ImportError as error:
        raise MissingDependencyError("sleap-io", "sleap", "Reading the files of SLEAP") from error
    try:
        return sleap_io.load_slp(str(path))
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InvalidInputError(f"{path} is not a file of SLEAP: {error}.") from error


def _instances(frame: Any) -> list[Any]:
    """Return the instances of a frame labelled by people, or else the predicted ones."""
    own = frame.user_instances or frame.predicted_instances
    return [one for one in own if np.isfinite(one.numpy()[:, :2]).all(axis=1).any()]


def _in_order(instance: Any, names: tuple[str, ...], values: Any) -> Any:
    """Return a value for each name; a skeleton may have the same nodes in another order."""
    nodes = list(instance.skeleton.node_names)
    return values[[nodes.index(name) for name in names]]


def _likelihood(instances: list[Any], names: tuple[str, ...]) -> Any:
    """Return the scores of predicted points, and 1 for points labelled by people; None without scores."""
    scores = [
        getattr(one, "score", None) is not None and _in_order(one, names, one.numpy(scores=True)[:, 2])
        for one in instances
    ]
    if not any(isinstance(score, np.ndarray) for score in scores):
        return None
    return np.array(
        [
            s if isinstance(s, np.ndarray) else np.ones(len(one.numpy()))
            for s, one in zip(scores, instances, strict=True)
        ]
    )


def _names_of(videos: list[Any]) -> dict[int, str]:
    """Return the name for the frames of each video: that of its file, with a number if several share it."""
    stems = [Path(video.filename).stem if isinstance(video.filename, str) else "" for video in videos]
    return {
        id(video): f"{stem}_{number}" if stems.count(stem) > 1 else stem
        for number, (video, stem) in enumerate(zip(videos, stems, strict=True))
    }


class _Images:
    """Finds the image of a frame, or writes it."""

    def __init__(self, path: Path, folder: Path | None, names: dict[int, str], problems: list[str]) -> None:
        self.path, self.folder, self.names, self.problems = path, folder, names, problems

    def find(self, frame: Any) -> tuple[Path, str]:
        """Return the image of a frame, and its name in the file; add what is wrong to the problems."""
        source = frame.video.filename
        if isinstance(source, list):
            file = Path(source[frame.frame_idx])
            folders = [file, self.path.parent / file, self.path.parent / file.name]
            folders += [self.folder / file.name] if self.folder is not None else []
            found = next((place for place in folders if place.is_file()), None)
            if found is None:
                self.problems.append(f"the image {file} is not there; pass image_folder=")
            return found or file, str(file)
        if self.folder is None:
            self.problems.append(
                f"the labels are of frames of {Path(source).name}; pass image_folder=, where they are "
                "written as PNG files"
            )
            return Path(source), str(source)
        name = self.names.get(id(frame.video), Path(source).stem)
        target = self.folder / f"{name}_{frame.frame_idx:06d}.png"
        self._write(frame, target)
        return target, str(target)

    def _write(self, frame: Any, target: Path) -> None:
        """Write a frame unless the file exists; a different picture with that name is a problem."""
        try:
            pixels = np.asarray(frame.image)
        except (OSError, ValueError, IndexError, AttributeError, TypeError) as error:
            if not target.is_file():
                self.problems.append(
                    f"frame {frame.frame_idx} of {frame.video.filename} cannot be read: {error}"
                )
            return
        pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            with replaced(target) as stream:
                Image.fromarray(pixels).save(stream, format="PNG")
        elif not _has_pixels(target, pixels):
            self.problems.append(
                f"{target} is there already, and is not frame {frame.frame_idx} of {frame.video.filename}; "
                "delete it, or pass another image_folder="
            )


def _has_pixels(path: Path, pixels: Any) -> bool:
    """Return True if an image file has exactly these pixels."""
    try:
        with Image.open(path) as image:
            return np.array_equal(np.asarray(image), pixels)
    except (OSError, SyntaxError):  # Pillow raises the latter for a broken PNG file
        return False
