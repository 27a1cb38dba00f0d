"""Near duplicates: what an audit finds of copies that were changed, and what it takes for one wrongly.

    python benchmarks/near_duplicates.py --data DATA --weights WEIGHTS [--show PICTURE] [--seed 0]

DATA has cats_dogs, gender/train, chest_xray and keypoints/training; WEIGHTS has mobilenet.weights.h5. From
each set, 500 pictures are taken (of the films in keypoints one frame of each person), and 200 of them are
changed in six ways in turn. A pair is found if the audit names it; every other pair is a false alarm. Beside
it, the perceptual hashes of the package imagehash (extra ``benchmarks``), as imagededup compares them: a pair
is named if at most 10 of 64 bits differ, and at the largest distance that gives no more false alarms than the
audit.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from transferkit import audit, set_config

N, N_CHANGED = 500, 200
HASH_BITS = 10  # of 64: the default of imagededup


def saved_again(picture, rng):
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=50)
    return Image.open(stream).convert("RGB")


def resized(picture, rng):
    return picture.resize([max(8, round(0.6 * side)) for side in picture.size])


def cropped(picture, rng):
    lost = rng.uniform(0.05, 0.10)  # of each side
    left, top = rng.uniform(0, lost, 2)
    width, height = picture.size
    return picture.crop(
        [
            round(left * width),
            round(top * height),
            round((1 - lost + left) * width),
            round((1 - lost + top) * height),
        ]
    )


def mirrored(picture, rng):
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def brighter(picture, rng):
    return picture.point(lambda value: min(255, int(1.25 * value + 10)))


def marked(picture, rng):
    """Turned by 2 to 4 degrees, with a watermark."""
    picture = picture.rotate(rng.choice([-1, 1]) * rng.uniform(2, 4), resample=Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture)
    draw.text((0.1 * picture.width, 0.75 * picture.height), "SAMPLE", "white", font_size=picture.width // 8)
    return picture


CHANGES = {
    "JPEG quality 50": saved_again, "60 % of the size": resized, "5-10 % cropped": cropped,
    "mirrored": mirrored, "brighter": brighter, "turned, watermark": marked,
}  # fmt: skip


def pictures_of(data: Path) -> dict[str, list[Path]]:
    """Return files of different pictures."""
    films = {
        path.name.rsplit("_", 1)[0]: path for path in sorted((data / "keypoints/training").glob("*.jpg"))
    }
    folders = {"cats_dogs": "cats_dogs", "gender": "gender/train", "chest_xray": "chest_xray"}
    sets = {
        name: [path for path in sorted((data / folder).rglob("*")) if path.is_file()]
        for name, folder in folders.items()
    }
    return {**sets, "keypoints": list(films.values())}


def make_set(paths: list[Path], folder: Path, rng) -> tuple[list[Path], dict[tuple[int, int], str]]:
    """Write pictures and changed ones; return files, and the kind of each pair."""
    chosen = [paths[i] for i in rng.permutation(len(paths))[:N]]
    pairs = {}
    for i in range(min(N_CHANGED, len(chosen))):
        name = list(CHANGES)[i % len(CHANGES)]
        picture = CHANGES[name](Image.open(chosen[i]).convert("RGB"), rng)
        picture.save(folder / f"{i}.jpg", quality=90)
        pairs[i, len(chosen) + i] = name
    return [*chosen, *(folder / f"{i}.jpg" for i in range(len(pairs)))], pairs


def by_audit(paths, weights, least: float = 0.0) -> set[tuple[int, int]]:
    """Return the pairs that the audit names, with this agreement or more."""
    found = audit(paths, weights=weights / "mobilenet.weights.h5", checks=["duplicates"]).pairs
    columns = np.stack([found.first, found.second], 1)[found.score >= least]
    return {(i, j) for i, j in columns.tolist()}


def hash_distances(paths, kind: str) -> np.ndarray:
    import imagehash

    bits = np.stack([getattr(imagehash, kind)(Image.open(path)).hash.ravel() for path in paths]).astype(
        np.int64
    )
    return (bits[:, None] != bits[None]).sum(axis=2)


def by_hash(distances: np.ndarray, most: int) -> set[tuple[int, int]]:
    return {(i, j) for i, j in np.argwhere(distances <= most).tolist() if i < j}


def row(name: str, found, pairs) -> str:
    shares = []
    for kind in CHANGES:
        made = {pair for pair, how in pairs.items() if how == kind}
        shares.append(f"{len(made & found) / len(made):>8.0%}")
    whole = f"{len(pairs.keys() & found) / len(pairs):8.1%}{len(found - pairs.keys()):8}"
    return f"  {name:34}{''.join(shares)}{whole}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--only", nargs="+", help="sets")
    parser.add_argument("--show", type=Path, help="draw false alarms to this folder")
    parser.add_argument("--cache", default=True, help="folder of the cache; by default the usual one")
    parser.add_argument("--least", type=float, nargs="*", default=[], help="other thresholds of the audit")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    set_config(progress=False, cache=options.cache)
    print("found of the pairs: " + ", ".join(CHANGES) + ", all; false alarms")
    for name, paths in pictures_of(options.data).items():
        if options.only and name not in options.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            files, pairs = make_set(paths, Path(folder), np.random.default_rng(options.seed))
            print(f"{name}, {len(files) - len(pairs)} pictures and {len(pairs)} changed")
            ours = by_audit(files, options.weights)
            wrong = ours - pairs.keys()
            print(row("audit", ours, pairs), flush=True)
            for least in options.least:
                found = by_audit(files, options.weights, least)
                print(row(f"audit, agreement of {least:g} or more", found, pairs), flush=True)
            for kind in ("phash", "dhash"):
                distances = hash_distances(files, kind)
                found = [by_hash(distances, most) for most in range(33)]
                print(row(f"{kind}, at most {HASH_BITS} bits", found[HASH_BITS], pairs))
                quiet = max((m for m in range(33) if len(found[m] - pairs.keys()) <= len(wrong)), default=0)
                print(row(f"{kind}, at most {quiet} bits", found[quiet], pairs), flush=True)
            if options.show:
                draw(files, sorted(wrong), options.show / f"false_{name}.png")


def draw(files, pairs, path) -> None:
    sheet = Image.new("RGB", (12 * 132, -(-len(pairs) // 6) * 134 or 1), "white")
    for i, pair in enumerate(pairs):
        for side in (0, 1):
            at = (i % 6 * 264 + side * 130, i // 6 * 134)
            sheet.paste(Image.open(files[pair[side]]).convert("RGB").resize((128, 128)), at)
    sheet.save(path)


if __name__ == "__main__":
    main()
