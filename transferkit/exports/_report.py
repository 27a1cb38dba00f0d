"""Report of an export: the file, and how closely its predictions agree with the model's."""

from __future__ import annotations

from dataclasses import dataclass

from transferkit.exports._int8 import Loss


@dataclass(frozen=True, repr=False)
class ExportReport:
    """Report of an exported file and of its verification.

    Attributes
    ----------
    path : str
    format : {"onnx", "openvino", "litert"}
    n_bytes : int
        Size of the file, or of both files of OpenVINO.
    kind : str
        Name of the output: "probabilities", "values" or "keypoints".
    difference : float
        Largest absolute difference between predictions of the file and of the model over all probes: of
        probabilities, of values in their own unit, or of coordinates in pixels. Of several values, it is that
        of the output that is nearest to its own tolerance.
    tolerance : float
        Largest difference that was allowed (for this output).
    n_probes : int
        Number of images on which both were compared.
    notes : tuple of str
        What users of the file should know.
    loss : Loss or None
        Only with ``precision="int8"``, the cost of quantization: accuracy or mean error ``before`` and
        ``after``, the ``loss``, ``ms_before`` and ``ms_after`` per image, the number ``n`` of images, and
        whether they were ``labelled``. The tolerance then holds for the file before quantization, while
        ``difference`` is that of the quantized file.
    """

    path: str
    format: str
    n_bytes: int
    kind: str
    difference: float
    tolerance: float
    n_probes: int
    notes: tuple[str, ...] = ()
    loss: Loss | None = None

    def __repr__(self) -> str:
        """Return the report in a few lines."""
        unit = " px" if self.kind == "keypoints" else ""
        allowed = "" if self.loss is None else "before rounding, "
        lines = [
            f"{self.path}: {self.format}, {self.n_bytes / 1e6:.1f} MB",
            f"{self.kind} of {self.n_probes} probe images differ by {self.difference:.2g}{unit} at most "
            f"({allowed}{self.tolerance:.2g}{unit} allowed)",
            *([] if self.loss is None else [str(self.loss)]),
            *self.notes,
        ]
        return "\n".join(lines)
