"""The parameters of a fine-tuning, and their checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from transferkit.foundation.arguments import check, choice, is_count, is_number

PRECISIONS = ("auto", "float32", "float16")


@dataclass(frozen=True)
class Options:
    """Parameters of :func:`transferkit.fine_tune`, checked together when created."""

    layers: str = "all"
    epochs: int = 20
    learning_rate: float = 3e-4
    batch_size: int = 32
    validation_fraction: float = 0.15
    precision: str = "auto"

    def __post_init__(self) -> None:
        check(self._problems())

    def _problems(self) -> Iterator[str]:
        if not (isinstance(self.layers, str) and (self.layers == "all" or self.layers[:-1])):
            yield (
                "layers must be 'all', or the first layer to train with a colon, such as 'block_12:'. "
                f"Got {self.layers!r}."
            )
        elif self.layers != "all" and not self.layers.endswith(":"):
            yield (
                f"layers must end with a colon: {self.layers + ':'!r} trains this layer and all after it. "
                f"Got {self.layers!r}."
            )
        for name in ("epochs", "batch_size"):
            if not is_count(getattr(self, name)):
                yield f"{name} must be a positive integer. Got {getattr(self, name)!r}."
        if not is_number(self.learning_rate, above=0):
            yield f"learning_rate must be positive. Got {self.learning_rate!r}."
        fraction = self.validation_fraction
        if not is_number(fraction, above=0) or fraction > 0.5:
            yield f"validation_fraction must be in (0, 0.5]. Got {fraction!r}."
        yield from choice("precision", self.precision, PRECISIONS)

    def to_dict(self) -> dict[str, object]:
        """Return the parameters by name."""
        return asdict(self)
