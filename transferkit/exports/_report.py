"""What an export wrote, and how closely it answers."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    path: str
    format: str
    n_bytes: int
    kind: str
    difference: float
    tolerance: float
    n_probes: int
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return the report as a few lines."""
        unit = " px" if self.kind == "keypoints" else ""
        lines = [
            f"{self.path}: {self.format}, {self.n_bytes / 1e6:.1f} MB",
            f"{self.kind} of {self.n_probes} probe images differ by {self.difference:.2g}{unit} at most "
            f"({self.tolerance:.2g}{unit} allowed)",
            *self.notes,
        ]
        return "\n".join(lines)
