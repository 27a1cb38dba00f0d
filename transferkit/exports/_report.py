"""What an export wrote, and how closely it answers."""

from __future__ import annotations

from dataclasses import dataclass

from transferkit.exports._int8 import Loss


@dataclass(frozen=True, repr=False)
class ExportReport:
    """A file that was written, and the proof that it answers as the model does.

    Attributes
    ----------
    path : str
    format : {"onnx", "openvino"}
    n_bytes : int
        Size of the file, or of both files of OpenVINO.
    kind : str
        Name of the output: "probabilities", "values" or "keypoints".
    difference : float
        The largest absolute difference between answers of the file and of the model, on all probes: of
        probabilities, of values in their own unit, or of coordinates in pixels.
    tolerance : float
        What was allowed.
    n_probes : int
        Images, of as many sizes, that both were asked.
    notes : tuple of str
        What users of the file should know.
    loss : Loss or None
        With ``precision="int8"``, what it costs: ``before``, ``after``, ``loss``, ``ms_before``,
        ``ms_after``, ``n`` images, and whether they were ``labelled``. The tolerance
        holds for the file before its numbers were rounded, and ``difference`` is that of the rounded one.
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
        """Return the report as a few lines."""
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
