"""Read the frames of a video, one at a time."""

from __future__ import annotations

import logging
import os
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError, MissingDependencyError
from transferkit.foundation.arguments import check, is_count

__all__ = ["VideoFrames", "video_frames"]

_TOLERANCE = 1.0  # seconds by which a film may end early
_CLOCK = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")

_logger = logging.getLogger("transferkit")


class VideoFrames:
    """An iterator over the frames of a video, returned by `video_frames`.

    Attributes
    ----------
    path : Path
        The video file.
    numbers : list of int
        Numbers of the frames yielded so far, counted from 0.
    times : list of float
        Times of the frames yielded so far, in seconds; NaN if the file does not state it, or states a time
        that is not later than that of the frame before.
    """

    def __init__(self, path: Path, container: Any, every: int, lasts: float = 0.0) -> None:
        self.path = path
        self._lasts = lasts
        self.numbers: list[int] = []
        self.times: list[float] = []
        self._frames = self._decode(container, every)

    def __iter__(self) -> VideoFrames:
        return self

    def __next__(self) -> npt.NDArray[np.uint8]:
        return next(self._frames)

    def _decode(self, container: Any, every: int) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield frames, and close the file at the end."""
        from av.error import FFmpegError

        with container:
            frames = _timed(container)
            number, latest, end = -1, float("-inf"), float("nan")
            while True:
                try:
                    frame, time = next(frames)
                except StopIteration:
                    self._check_end(number + 1, end)
                    return
                except FFmpegError as error:
                    raise InvalidInputError(
                        f"{self.path} cannot be decoded beyond frame {number}: {error}. The file is "
                        "damaged, or was not copied to its end."
                    ) from error
                number += 1
                if time > latest:
                    latest, end = time, time + _shown_for(frame)
                else:  # also NaN
                    time = float("nan")
                if number % every == 0:
                    pixels = _upright(frame)
                    self.numbers.append(number)
                    self.times.append(time)
                    yield pixels

    def _check_end(self, n_frames: int, end: float) -> None:
        """Raise if there was no frame; warn if the file says that it lasts longer than its frames.

        ``end`` is counted from the start of the file, since the times of Matroska are; in others a film that
        starts late is doubted later.
        """
        if not n_frames:
            raise InvalidInputError(
                f"{self.path} has no frame that can be decoded. The file is damaged, or was not copied to "
                "its end."
            )
        if n_frames > 1 and self._lasts - end > _TOLERANCE + 2 * end / n_frames:  # not if end is NaN
            _logger.warning(
                "%s says that it lasts %.1f s, but its frames end after %.1f s. Was it copied to its end?",
                *(self.path, self._lasts, end),
            )


def _shown_for(frame: Any) -> float:
    """Return the seconds for which a frame is shown, such as the last picture of a recorded screen."""
    noted = getattr(frame, "duration", None)  # not in early versions of PyAV
    return float(noted * (frame.time_base or 0)) if noted else 0.0


def _seconds(container: Any) -> float:
    """Return how long a file says that its film lasts; 0 if it does not say.

    Of other formats, FFmpeg guesses it, or it is the time of the sound, too.
    """
    stream = container.streams.video[0]
    formats = container.format.name.split(",")
    if "avi" in formats and stream.average_rate:
        return float(stream.frames / stream.average_rate)
    if "mp4" not in formats and "matroska" not in formats:
        return 0.0
    noted = _CLOCK.match(stream.metadata.get("DURATION", ""))  # Matroska and WebM
    if noted:
        return 3600 * int(noted[1]) + 60 * int(noted[2]) + float(noted[3])
    return float((stream.duration or 0) * (stream.time_base or 0))


def _timed(container: Any) -> Iterator[tuple[Any, float]]:
    """Yield frames in the order of display, with their times; NaN if the file does not state them.

    AVI has no display times, only a sequence of ticks, some of which have a frame, in decoding order. The
    times that FFmpeg derives from them are out of order, so each frame gets the next tick that has a frame.
    """
    has_ticks = "avi" in container.format.name.split(",")
    ticks: deque[Any] = deque()
    for packet in container.demux(video=0):
        if packet.size:
            ticks.append(None if packet.dts is None else packet.dts * packet.time_base)
        for frame in packet.decode():
            tick = ticks.popleft() if ticks else None
            time = tick if has_ticks else frame.time
            yield frame, float("nan") if time is None else float(time)


def video_frames(path: str | os.PathLike[str], *, every: int = 1) -> VideoFrames:
    """Return an iterator over the frames of a video, for `KeypointRegressor.predict`.

    Frames are decoded on demand, so that a video of any length needs the memory of a few frames only.

    Parameters
    ----------
    path : path
        A video in any format of FFmpeg.
    every : int, default=1
        Yield only every n-th frame, starting with the first one.

    Returns
    -------
    VideoFrames
        Iterator over upright uint8 arrays (height, width, 3), which can be used once.

    Raises
    ------
    InvalidInputError
        There is no such file, it contains no video, or it is damaged. A file that ends much earlier than it
        says is logged.
    MissingDependencyError
        PyAV is not installed.

    See Also
    --------
    transferkit.keypoints.smooth_keypoints : Remove errors of single frames.

    Examples
    --------
    >>> frames = video_frames("mouse.mp4", every=5)              # doctest: +SKIP
    >>> points = kp.predict(frames)                              # doctest: +SKIP
    >>> frames.numbers[:3]                                       # doctest: +SKIP
    [0, 5, 10]
    """
    path = Path(path)
    check([] if is_count(every) else [f"every must be a positive integer. Got {every!r}."])
    if not path.is_file():
        raise InvalidInputError(
            f"Expected a film, but there is no file {path}. The current folder is {Path.cwd()}."
        )
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError("av", "video", "Reading films") from error
    try:
        container = av.open(str(path))
    except av.error.FFmpegError as error:
        raise InvalidInputError(f"{path} is not a film that FFmpeg can read: {error}.") from error
    if not container.streams.video:
        container.close()
        raise InvalidInputError(f"{path} has no film in it, only {len(container.streams)} other stream(s).")
    container.streams.video[0].thread_type = "AUTO"
    return VideoFrames(path, container, int(every), _seconds(container))


def _upright(frame: Any) -> npt.NDArray[np.uint8]:
    """Return the pixels of a frame as displayed: phones store the rotation separately.

    The matrix of ISO base media files is used, since it has more than FFmpeg's angle: front cameras mirror,
    too.
    """
    pixels: npt.NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    noted = getattr(frame, "side_data", {}).get("DISPLAYMATRIX")
    if noted is not None and len(bytes(noted)) >= 36:
        a, b, _, c, d = np.frombuffer(bytes(noted), np.int32)[:5].tolist()  # x' = a x + c y, y' = b x + d y
        if abs(a) + abs(d) < abs(b) + abs(c):
            pixels, a, d = pixels.swapaxes(0, 1), c, b
        return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
    turns = round(float(getattr(frame, "rotation", 0) or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns))
