"""The extractor as a transformer of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone

from transferkit import images
from transferkit.extraction._extraction import Extraction
from transferkit.foundation.scratch import memory_limit


class FeatureExtractor(Extraction, TransformerMixin, BaseEstimator):
    """Turn images into features of a frozen backbone; the backbone sees each image only once.

    Parameters
    ----------
    backbone : str or Backbone, default="mobilenet"
        Name in the registry; see :func:`transferkit.list_backbones`.
    weights : "imagenet", path or None, default="imagenet"
        ImageNet weights, a weights file, or seeded random weights.
    image_size : int, optional
        Side in pixels of the square that the backbone sees; by default what it was trained at.
    layers : str or sequence of str, optional
        Layers to tap: ``"last"`` is the output of the backbone, ``"auto"`` the layers recommended for it; see
        :func:`transferkit.list_layers` for all names. By default the last but one of those recommended (of a
        transformer the summary), or within an estimator the choice of its head.
    grid : int, "full" or sequence of these, optional
        Average each map over a grid of this many cells a side (1 is global average pooling), the same for
        all layers or one number for each; "full" keeps maps as they are. By default 1, with ``layers="auto"``
        what is recommended with these layers, or within an estimator the choice of its head.
    resize : {"stretch", "pad"}, default="stretch"
        Fill the square, or keep the aspect on a black ground.
    precision : {"float32", "bfloat16", "float16"}, default="float32"
        What the backbone computes in. "bfloat16" is faster on processors (with OpenVINO) and GPUs that have
        it, "float16" on any GPU; both give other features: models trained on one do not run on the other.
    value_range : (float, float), optional
        Black and white of float arrays, such as ``(0, 1)``. By default ``fit`` finds out for all its arrays.
        Of DICOM files, the window in their own units, such as ``(-1000, 400)``; by default that of each file.
    frame : int, optional
        Which frame or page of a file is the image, counted from 0. By default the first of an animation or
        a TIFF, with a note; of several frames in a DICOM file, one must be chosen. A Pillow image is taken as
        it is displayed.
    channels : sequence of int, optional
        Which channels of files and arrays are red, green and blue, such as ``(3, 2, 1)``, or the one that is
        grey, such as ``(0,)``; counted from 0, on the last axis. Needed unless there are 1, 3 or 4.
    on_error : {"raise", "skip"}, optional
        What to do with an image that cannot be read. By default "raise", or "skip" in the ``fit`` and
        ``score`` of an estimator. ``transform`` and ``predict`` always raise: a row must not go missing
        between its neighbours.
    engine : {"auto", "keras", "openvino"}, optional
        What runs the backbone: "auto" is Keras where it has a GPU, else OpenVINO if it is installed and gives
        the features of Keras on a few probe images, else Keras. This parameter and those below are by default
        what :func:`transferkit.set_config` and :func:`transferkit.config_context` say, at first "auto".
    batch_size : int, optional
        Images in one call of the backbone, 32 if not configured. Features do not depend on it.
    memory_limit : float, optional
        Bytes of memory for features, and for what a linear head makes of them; the rest lies in temporary
        files (where ``TMPDIR`` says), with the same results. If not configured, all is held in memory.
    cache : bool, path or FeatureCache, optional
        Where features are kept: True (if not configured) is the folder named by ``TRANSFERKIT_CACHE`` or the
        usual one of the system; False keeps them in memory only, for this object: all those of calls with
        more than ``batch_size`` images, and of smaller calls the latest, up to 4 MB.
    isolate : bool or float, optional
        Decode files in helper processes, for untrusted images: a decoder that crashes, or takes longer
        than so many seconds (True: 30), costs one image. Arrays and Pillow images are decoded here.
        False if not configured.
    retry_failed : bool, optional
        Try images again that this version could not decode before; the cache remembers them. False if not
        configured.
    progress : bool, optional
        Show a bar on stderr when the work takes longer than a second. True if not configured.

    Attributes
    ----------
    image_size_ : int
        Side in pixels of what the backbone sees, set by ``fit``.
    layers_ : tuple of str
        Layers that are tapped, set by ``fit``.
    array_ranges_ : dict
        Black and white of the arrays that ``fit`` saw, by family of dtypes: "float", "integer", "uint16".
    report_ : ExtractionReport
        What the last extraction did.

    Examples
    --------
    >>> from transferkit import FeatureExtractor
    >>> from transferkit.datasets import make_faces
    >>> extractor = FeatureExtractor("scattering", cache=False)
    >>> extractor.transform(make_faces(2).images).shape  # doctest: +SKIP
    (2, 219)
    """

    def fit(self, X: Any = None, y: Any = None) -> FeatureExtractor:
        """Check the parameters, and settle which value of arrays is black and which is white.

        Parameters
        ----------
        X : sequence of images, optional
            Arrays among them that are not uint8 or bool have one range, 0..1 or 0..255, or 0..65535 for
            uint16. ``transform`` keeps it, so that a row does not depend on others.
        y : ignored

        Returns
        -------
        FeatureExtractor

        Raises
        ------
        InvalidInputError
            A parameter that cannot be used, or arrays whose largest value leaves doubt.
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
        """Return the features of images as one row each, layer after layer.

        Parameters
        ----------
        X : image or sequence of images
            Paths, bytes, file objects, PIL images or arrays.

        Returns
        -------
        ndarray of float32, shape (n, n_features)
            By default one averaged vector; a memory map if it is larger than ``memory_limit``.

        Raises
        ------
        BadImageError
            An image cannot be read; ``.index`` says which.
        WeightsError
            Weights or backbone are not those of ``fit`` or of the first use.
        """
        features = self.extract(X, on_error="raise")
        self._known_shapes = self.settings(), features.shapes
        with memory_limit(self.settings().memory_limit):
            return features.flat()

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns of ``transform``, such as "last_17", or "last_0_6_17" on a grid.

        A name has the layer, the row and the column of the cell where there are several, and the channel.

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
        if known is None or known[0] is not settings:  # only a network knows how many channels it has
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
