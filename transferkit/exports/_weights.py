"""The weights of Pillow's antialiasing filter, as nodes that compute them from the size of an image.

Only integers are used, which are not rounded by any runtime, and which fit into 32 bits.
"""

from __future__ import annotations

from transferkit.exports._tensor import Tensor

HALF_BITS = 2**11  # half of the 22 bits of a weight
_INT = "int32"  # type of weights, of which there are many
_STEPS = (8, 7, 7)  # the 22 bits in steps, so that remainders of up to 2**23 (sides of 30,000 pixels) fit


def weights(side: Tensor, new: Tensor, first: Tensor, n: int, taps: Tensor) -> Tensor:
    """Return Pillow's weights (..., n, m) for resizing a side, as integers in units of 2**-22.

    Parameters
    ----------
    side, new : Tensor of int64, shape (1,), or (..., 1)
        Old and new length in pixels.
    first : Tensor of int64, shape (1,), or (..., 1)
        Row i belongs to pixel ``first + i`` of the new side, and is 0 if there is no such pixel.
    n : int
        Number of rows.
    taps : Tensor of int64, shape (m,), or (..., 1, m)
        Pixels of the old side, including all that have a weight.
    """
    graph = side.graph
    place, new = (graph.count(graph.ints(n)) + first).expand(-1).cast(_INT), new.expand(-1).cast(_INT)
    side, taps = side.cast(_INT), taps.cast(_INT)
    # Distances of taps from the centre of a new pixel, in units of half a pixel of the finer side.
    gap = ((taps * 2 + 1) * new - (place * 2 + 1) * side).abs()
    tent = (side.at_least(new) * 2 - gap).at_least(0)
    inside = (place >= 0) & (place < new)
    total = inside.where(tent.sum(-1, keep=True), 1, _INT)
    share, rest = tent * 0, tent
    for bits in _STEPS:  # long division
        digit, rest = divided(rest * 2**bits, total)
        share = share * 2**bits + digit
    share = share + (rest * 2 >= total).cast(_INT)
    return inside.where(share, 0, _INT)


def divided(number: Tensor, by: Tensor | int) -> tuple[Tensor, Tensor]:
    """Return quotient and remainder of integers; some runtimes divide in float32, and are off by one."""
    quotient = number / by
    rest = number - quotient * by
    over, under = ((rest >= by).cast(number.dtype), (rest < 0).cast(number.dtype))
    quotient = quotient + over - under
    return quotient, number - quotient * by
