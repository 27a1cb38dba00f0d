"""``FeatureExtractor``: feature extraction as a transformer of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone

from transferkit import images
from transferkit.extraction._extraction import Extraction
from transferkit.foundation.scratch import memory_limit


class FeatureExtractor(Extraction, TransformerMixin, BaseEstimator):
    """Compute features of images with a frozen backbone; cached features are never computed again.

    Parameters
    ----------
    backbone : str, Backbone, keras.Model or callable, default="mobilenet"
        Name in the registry (see :func:`transferkit.list_backbones`), or a network of your own (see
        :class:`Backbone`).
    weights : "imagenet", path or None, default="imagenet"
        ImageNet weights, a weights file, or (None) seeded random weights.
    image_size : int, optional
        Side in pixels of the square that the backbone sees; by default the one that it was trained at.
    layers : str or sequence of str, optional
        Layers to take features from: ``"last"`` is the output of the backbone, ``"auto"`` stands for all
        layers recommended for it; :func:`transferkit.list_layers` lists all names. By default the second to
        last recommended layer (for a transformer, the summary); within an estimator, the head chooses.
    grid : int, "full" or sequence of these, optional
        Number of cells per side over which each feature map is averaged (1 is global average pooling): one
        number for all layers, or one for each. "full" keeps whole maps. By default 1, or with
        ``layers="auto"`` the grid recommended for these layers; within an estimator, the head chooses.
    resize : {"stretch", "pad"}, default="stretch"
        "stretch" fills the square; "pad" keeps the aspect ratio and pads with black.
    precision : {"float32", "bfloat16", "float16"}, default="float32"
        Number format in which the backbone computes. "bfloat16" is faster on processors (with OpenVINO) and
        GPUs that support it, "float16" on any GPU. Features differ between precisions, so a model only works
        with the one that it was trained with.
    value_range : (float, float), optional
        Values of black and white in float arrays, such as ``(0, 1)``. By default ``fit`` infers one range
        from all its arrays. For DICOM files, the window in their own units, such as ``(-1000, 400)``; by
        default the window stored in each file.
    frame : int, optional
        Which frame or page of a file to use, counted from 0. By default the first one of an animation or a
        TIFF, with a note in the report; required for DICOM files with several frames. A Pillow image is used
        as it is displayed.
    channels : sequence of int, optional
        Which channels of files and arrays are red, green and blue, such as ``(3, 2, 1)``, or which one is
        grey, such as ``(0,)``; counted from 0 along the last axis. Required unless there are 1, 3 or 4
        channels.
    on_error : {"raise", "skip"}, optional
        What to do with an image that cannot be read. By default "raise", but "skip" in ``fit`` and ``score``
        of an estimator. ``transform`` and ``predict`` always raise, so that their rows always match the
        images.
    engine : {"auto", "keras", "openvino", "onnxruntime", "python"}, optional
        Library that runs the backbone. "auto" is Keras if it has a GPU; else OpenVINO, if it is installed and
        reproduces the features of Keras on a few probe images; else Keras. For an ONNX file, "auto" is
        OpenVINO or "onnxruntime"; for a function, "python". The defaults of this parameter and of those below
        are set with :func:`transferkit.set_config` or :func:`transferkit.config_context`; initially "auto".
    batch_size : int, optional
        Number of images per call of the backbone, initially 32. Features do not depend on it.
    memory_limit : float, optional
        Bytes of memory for features and for what a linear head computes from them. Larger arrays are kept in
        temporary files (in ``TMPDIR``), with the same results. Initially there is no limit.
    cache : bool, path or FeatureCache, optional
        Where features are kept. True (initially) is the folder in ``TRANSFERKIT_CACHE``, or else the usual
        cache folder of the system. False keeps features only in the memory of this object: all of them for
        calls with more than ``batch_size`` images, and the latest 4 MB for smaller calls.
    isolate : bool or float, optional
        Decode files in helper processes, for untrusted images: if a decoder crashes, or takes longer than
        this many seconds (True: 30), only that image is lost. Arrays and Pillow images are decoded in this
        process. Initially False.
    retry_failed : bool, optional
        Try again to decode images that the cache lists as undecodable by this version. Initially False.
    progress : bool, optional
        Show a progress bar on stderr if the work takes longer than a second. Initially True.

    Attributes
    ----------
    image_size_ : int
        Side in pixels of the square that the backbone sees, set by ``fit``.
    layers_ : tuple of str
        Layers that features are taken from, set by ``fit``.
    array_ranges_ : dict
        Values of black and white in the arrays that ``fit`` saw, for each of "float", "integer", "uint16".
    report_ : ExtractionReport
        Report of the last extraction.

    Examples
    --------
    >>> from transferkit import FeatureExtractor
    >>> from transferkit.datasets import make_faces
    >>> extractor = FeatureExtractor("scattering", cache=False)
    >>> extractor.transform(make_faces(2).images).shape  # doctest: +SKIP
    (2, 219)
    """

    def fit(self, X: Any = None, y: Any = None) -> FeatureExtractor:
        """Check the parameters, and infer which values of arrays are black and white.

        Parameters
        ----------
        X : sequence of images, optional
            The range of arrays that are not uint8 or bool is inferred from all of them together: 0..1 or
            0..255, or 0..65535 for uint16. ``transform`` then uses it for every array, so that the features
            of an image do not depend on other images.
        y : ignored

        Returns
        -------
        FeatureExtractor

        Raises
        ------
        InvalidInputError
            A parameter cannot be used, or the range of the arrays is ambiguous.
        MissingDependencyError
            The engine is not installed.
        WeightsError
            The weights are missing or damaged.
        """
        self._forget_backbone()
        settings = self.settings()
        of_arrays = X is not None and self.value_range is None
        chosen = settings.selection.channels
        self.settle(images.array_ranges(images.as_image_list(X), chosen) if of_arrays else {})
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the features of each image as one row, layer after layer.

        Parameters
        ----------
        X : image or sequence of images
            Paths, bytes, file objects, PIL images or arrays.

        Returns
        -------
        ndarray of float32, shape (n, n_features)
            By default the average of one layer over the image. A memory map if it exceeds an eighth of
            ``memory_limit``.

        Raises
        ------
        BadImageError
            An image cannot be read; ``.index`` says which.
        WeightsError
            Weights or backbone have changed since ``fit`` or the first use.
        """
        features = self.extract(X, on_error="raise")
        self._known_shapes = self.settings(), features.shapes
        with memory_limit(self.settings().memory_limit):
            return features.flat()

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns of ``transform``, such as "last_17", or "last_0_6_17" on a grid.

        A name consists of the layer, the row and column of the cell if there are several, and the channel.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        ndarray of str objects, shape (n_features,)

        Raises
        ------
        InvalidInputError, MissingDependencyError, WeightsError
            As for ``fit``.
        """
        settings = self.settings()
        known = self.__dict__.get("_known_shapes")
        if known is None or known[0] is not settings:  # running the network tells how many channels it has
            black = np.zeros((settings.image_size, settings.image_size, 3), np.uint8)
            of_any = clone(self).set_params(frame=None, channels=None)
            known = self._known_shapes = settings, of_any.extract([black]).shapes
        names: list[str] = []
        for layer, shape in zip(settings.layers, known[1], strict=True):
            axes = shape if shape[:-1] != (1, 1) else shape[-1:]
            names += [f"{layer}_{'_'.join(map(str, place))}" for place in np.ndindex(*axes)]
        return np.array(names, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn that there is nothing to learn."""
        return True
