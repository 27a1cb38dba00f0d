"""Generate the table of backbones from the registry."""

from __future__ import annotations

from pathlib import Path

from transferkit import get_backbone, list_backbones


def backbone_table() -> str:
    """Return a Markdown table with a row for each backbone."""
    lines = [
        "| name | side | smallest | M parameters | GFLOP | width | ImageNet % | "
        'layers that `"auto"` taps | grid |',
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for facts in list_backbones(details=True):
        name = facts["name"]
        row = get_backbone(name)
        names = ("parameters", "gflop", "width", "imagenet")
        figures = " | ".join("" if facts[each] is None else str(facts[each]) for each in names)
        grids = row.grid if isinstance(row.grid, tuple) else (row.grid,)
        grid = ", ".join("whole map" if cells is None else str(cells) for cells in grids)
        layers = ", ".join(f"`{layer}`" for layer in row.layers)
        lines.append(f"| `{name}` | {row.image_size} | {row.min_size} | {figures} | {layers} | {grid} |")
    return "\n".join(lines) + "\n"


def write_backbone_table(path: Path) -> None:
    """Write the table to the file that the page includes, unless it is unchanged."""
    path.parent.mkdir(exist_ok=True)
    table = backbone_table()
    if not path.exists() or path.read_text() != table:
        path.write_text(table)
