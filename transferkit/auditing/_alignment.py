"""Similarity of two small grey pictures after aligning one with the other.

A copy may be cropped, slightly rotated, resized or lighter. So one picture is aligned with the other by an
affine map, from a coarse scale to a fine one (Baker and Matthews 2004, "Lucas-Kanade 20 years on", the
inverse compositional form, with gain and offset projected out). Then their detail, the difference from a
blurred picture, is correlated: two faces or two X-rays may have the same coarse light, but never the same
detail. The parts that differ most are ignored, so that a watermark does not conceal a copy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SIDE = 64  # side of a rendering in pixels
_COARSE, _STEPS = 16, 8  # side in pixels, and Gauss-Newton steps from no movement; other starts find no more
_FINE = {32: 5, 64: 4}  # steps at finer scales
_DETAIL = 1.5  # scale of detail in pixels; coarser structure is similar in any two faces or X-rays
_MOST_MOVED = 0.3  # fraction of the side; fits that move a corner further are rejected
_LEAST_COMMON = 0.5  # share of the picture that both must show
_LEAST_ALIKE = 0.8  # correlation of coarse pictures below which finer ones are not fitted
_LEAST_DETAIL = 0.3  # the same for the detail at the middle scale
_BLOCKS = 8  # blocks per side, of which those that differ most are left out
_KEPT = 0.75
_LEAST_LEFT = 0.2  # fraction of the detail that must remain
_BLOCK = 256  # pairs at a time


class Fit(NamedTuple):
    """How well n pairs of pictures fit.

    Attributes
    ----------
    detail : ndarray of float32, shape (n,)
        Correlation of the detail, -1 to 1, where both show the same part; 0 if they could not be aligned.
    moved : ndarray of float32, shape (n,)
        How far the corners were moved, as a share of the side, on average.
    """

    detail: Floats
    moved: Floats


def fit_pairs(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Fit:
    """Align each of n pictures with another one; both are uint8 (n, 64, 64)."""
    parts = [
        _fit(first[i : i + _BLOCK].astype(np.float32), second[i : i + _BLOCK].astype(np.float32))
        for i in range(0, len(first), _BLOCK)
    ]
    if not parts:
        return Fit(np.zeros(0, np.float32), np.zeros(0, np.float32))
    return Fit(
        np.concatenate([part.detail for part in parts]), np.concatenate([part.moved for part in parts])
    )


def _fit(first: Floats, second: Floats) -> Fit:
    """Align coarse renderings, then finer ones of those pairs that may still show the same."""
    n = len(first)
    warp, alike = _coarse(first, second)
    detail, left = np.zeros(n, np.float32), np.flatnonzero(alike > _LEAST_ALIKE)
    for side, steps in _FINE.items():
        if not len(left):
            break
        moving, still = _shrunk(first[left], side), _shrunk(second[left], side)
        warp[left] = _approach(_smooth(moving, 1.0), _smooth(still, 1.0), warp[left], steps)
        width = _DETAIL * side / SIDE
        laid, inside = _sampled(moving - _smooth(moving, width), warp[left])
        detail[left] = _most_alike(laid, still - _smooth(still, width), inside)
        detail[left[_is_lost(warp[left], inside)]] = 0
        if side < SIDE:
            kept = detail[left] > _LEAST_DETAIL
            detail[left[~kept]] = 0
            left = left[kept]
    return Fit(detail, _away(warp).mean(axis=1))


def _coarse(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Return affine maps fitted to coarse pictures, and the correlation of these pictures after alignment."""
    moving, still = (_smooth(_shrunk(each, _COARSE), 1.0) for each in (first, second))
    warp = _approach(moving, still, np.tile(np.eye(2, 3, dtype=np.float32), (len(first), 1, 1)), _STEPS)
    laid, inside = _sampled(moving, warp)
    return warp, np.where(_is_lost(warp, inside), -1, _correlation(laid, still, inside)).astype(np.float32)


def _is_lost(warp: Floats, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which alignments diverged or overlap too little to be used."""
    lost: NDArray[np.bool_] = (_away(warp).max(axis=1) > _MOST_MOVED) | (
        inside.mean(axis=(1, 2)) < _LEAST_COMMON
    )
    return lost


def _away(warp: Floats) -> Floats:
    """Return by how much each corner is moved (n, 4), as a share of the side."""
    corners = np.array([[-1, -1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, 1]], np.float32)
    away: Floats = np.abs(corners @ warp.transpose(0, 2, 1) - corners[:, :2]).max(axis=2) / 2
    return away


def _approach(moving: Floats, still: Floats, warp: Floats, steps: int) -> Floats:
    """Return the affine maps (n, 2, 3) from the still picture to the moving one after some steps."""
    n, side = len(still), still.shape[1]
    x, y = _grid(side)
    down, right = np.gradient(still, axis=(1, 2))
    down, right = (each.reshape(n, -1) * (side / 2) for each in (down, right))
    x, y = x.ravel(), y.ravel()
    jacobian = np.stack([right * x, right * y, right, down * x, down * y, down], axis=1)
    # Project out gain and offset of the light, which are not movement.
    light = np.stack([still.reshape(n, -1), np.ones_like(down)], axis=1)
    light = np.linalg.qr(light.transpose(0, 2, 1))[0].transpose(0, 2, 1)
    jacobian -= (jacobian @ light.transpose(0, 2, 1)) @ light
    hessian = jacobian @ jacobian.transpose(0, 2, 1)
    hessian += np.eye(6, dtype=np.float32) * (
        1e-3 * np.trace(hessian, axis1=1, axis2=2)[:, None, None] + 1e-3
    )
    target = still.reshape(n, -1)
    spread = target.std(axis=1, keepdims=True)
    target = target - target.mean(axis=1, keepdims=True)
    for _ in range(steps):
        laid, inside = _sampled(moving, warp)
        laid, inside = laid.reshape(n, -1), inside.reshape(n, -1)
        share = np.maximum(inside.sum(axis=1, keepdims=True), 1)
        laid = laid - (laid * inside).sum(axis=1, keepdims=True) / share
        own = np.sqrt((laid**2 * inside).sum(axis=1, keepdims=True) / share)
        error = (laid * spread / np.maximum(own, 1e-3) - target) * inside
        step = np.linalg.solve(hessian, jacobian @ error[..., None])[..., 0]
        change = np.zeros((n, 3, 3), np.float32)
        change[:, :2] = step.reshape(n, 2, 3) + np.eye(2, 3, dtype=np.float32)
        change[:, 2, 2] = 1
        turned = np.linalg.det(change[:, :2, :2])
        sound = (turned > 0.5) & (turned < 2) & np.isfinite(step).all(axis=1)
        change[~sound] = np.eye(3)
        whole = np.concatenate([warp, np.tile(np.array([[[0, 0, 1]]], np.float32), (n, 1, 1))], axis=1)
        warp = (whole @ np.linalg.inv(change))[:, :2].astype(np.float32)
        warp = np.clip(warp, -2, 2)
    return warp


def _sampled(pictures: Floats, warp: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the pictures as seen through the maps, and where they were inside."""
    n, side = len(pictures), pictures.shape[1]
    x, y = _grid(side)
    points = warp @ np.stack([x.ravel(), y.ravel(), np.ones(side * side, np.float32)])
    u, v = ((points[:, i] * side + side - 1) / 2 for i in (0, 1))
    inside = (u >= -0.5) & (u <= side - 0.5) & (v >= -0.5) & (v <= side - 0.5)
    u, v = np.clip(u, 0, side - 1), np.clip(v, 0, side - 1)
    left, top = np.minimum(u.astype(np.int32), side - 2), np.minimum(v.astype(np.int32), side - 2)
    u, v = u - left, v - top
    flat = pictures.reshape(-1)
    place = top * side + left + (np.arange(n, dtype=np.int32) * (side * side))[:, None]
    upper = flat[place] * (1 - u) + flat[place + 1] * u
    lower = flat[place + side] * (1 - u) + flat[place + side + 1] * u
    shape = (n, side, side)
    return (upper * (1 - v) + lower * v).reshape(shape).astype(np.float32), inside.reshape(shape)


def _grid(side: int) -> tuple[Floats, Floats]:
    """Return coordinates of pixels, -1 to 1 from edge to edge."""
    along = ((2 * np.arange(side) + 1) / side - 1).astype(np.float32)
    x, y = np.meshgrid(along, along)
    return x, y


def _correlation(first: Floats, second: Floats, inside: NDArray[np.bool_]) -> Floats:
    """Return the correlation of each pair of pictures where both are inside."""
    products, squares, others = _blocks(first, second, inside)
    return _ratio(products.sum(axis=1), squares.sum(axis=1), others.sum(axis=1))


def _most_alike(first: Floats, second: Floats, inside: NDArray[np.bool_]) -> Floats:
    """Return the correlation without the quarter of the blocks that differ most, such as a watermark.

    If these contain nearly all of the detail, as with a small subject on a plain background, no block is left
    out.
    """
    sums = _blocks(first, second, inside)
    products, squares, others = sums
    # The residual of two pictures of length 1.
    lengths = [np.maximum(each.sum(axis=1, keepdims=True), 1e-6) for each in (squares, others)]
    residual = squares / lengths[0] + others / lengths[1] - 2 * products / np.sqrt(lengths[0] * lengths[1])
    kept = np.argsort(residual, axis=1)[:, : round(_KEPT * residual.shape[1])]
    some = [np.take_along_axis(each, kept, axis=1).sum(axis=1) for each in sums]
    left = (some[1] / lengths[0][:, 0] + some[2] / lengths[1][:, 0]) / 2
    whole = _ratio(*(each.sum(axis=1) for each in sums))
    return np.where(left > _LEAST_LEFT, _ratio(*some), whole).astype(np.float32)


def _blocks(first: Floats, second: Floats, inside: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Return sums of products and of both squares in each block (n, blocks), where both are inside."""
    n, side = first.shape[:2]
    count = np.maximum(inside.sum(axis=(1, 2), keepdims=True), 1)
    first, second = (
        (each - (each * inside).sum(axis=(1, 2), keepdims=True) / count) * inside for each in (first, second)
    )
    shape = (n, _BLOCKS, side // _BLOCKS, _BLOCKS, side // _BLOCKS)
    sums = [
        product.reshape(shape).sum(axis=(2, 4)).reshape(n, -1)
        for product in (first * second, first * first, second * second)
    ]
    return sums[0], sums[1], sums[2]


def _ratio(product: Floats, square: Floats, other: Floats) -> Floats:
    length = np.sqrt(square * other)
    return np.divide(product, length, out=np.zeros_like(product), where=length > 1e-3)


def _shrunk(pictures: Floats, side: int) -> Floats:
    step = pictures.shape[1] // side
    return pictures.reshape(len(pictures), side, step, side, step).mean(axis=(2, 4))


def _smooth(pictures: Floats, sigma: float) -> Floats:
    from scipy.ndimage import gaussian_filter

    smooth: Floats = gaussian_filter(pictures, (0, sigma, sigma), mode="nearest", truncate=3)
    return smooth
