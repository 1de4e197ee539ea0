"""Pictures of many values: small PNG images below the axes of a drawing, in colours that work on light and dark."""

import base64
import struct
import zlib

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from numpy import ndarray

LEVELS = 63
MOST_PIXELS = 500
"""Rows or columns of an image; more are averaged."""
SHARP_TO = 250
"""Pixels a side up to which an image is drawn in squares when it is made larger."""
Palette = UInt8[ndarray, "level 4"]
BLUISH, GREYISH = (70, 130, 210, 80), (128, 128, 128, 70)


def grey() -> Palette:
    """Dark to bright, opaque, the same on paper and on screen; what is not known (last) has a blue veil."""
    steps = np.linspace(12, 243, LEVELS).round()
    return np.vstack([np.column_stack([steps, steps, steps, np.full(LEVELS, 255)]), BLUISH]).astype(np.uint8)


def diverging() -> Palette:
    """Blue below zero, orange above, at zero the colour of the page; what is not known (last) has a grey veil."""
    signed = np.linspace(-1, 1, LEVELS)
    blue, orange = np.array([46, 116, 208]), np.array([214, 104, 20])
    paint = np.where(signed[:, None] < 0, blue, orange)
    return np.vstack([np.column_stack([paint, np.abs(signed) * 255]), GREYISH]).round().astype(np.uint8)


def levels(values: Float[ndarray, "row column"], limit: float) -> UInt8[ndarray, "row column"]:
    """Number the steps of a palette from -limit to limit; NaN is the entry after the last step."""
    steps = np.nan_to_num((values / limit + 1) / 2 * (LEVELS - 1), nan=0.0)
    numbered = np.clip(steps.round(), 0, LEVELS - 1).astype(np.uint8)
    return np.where(np.isfinite(values), numbered, np.uint8(LEVELS)).astype(np.uint8)


def shrink(values: Float[ndarray, "row column"], most: int = MOST_PIXELS) -> Float[ndarray, "less_row less_column"]:
    """Average neighbours until no side is longer than ``most``; NaN where none of them is known."""
    for axis in (0, 1):
        length = values.shape[axis]
        if length > most:
            edges = np.linspace(0, length, most + 1).astype(int)[:-1]
            known = np.isfinite(values)
            total = np.add.reduceat(np.where(known, values, 0.0), edges, axis=axis)
            count = np.add.reduceat(known.astype(int), edges, axis=axis)
            values = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return values


def png(numbered: UInt8[ndarray, "row column"], palette: Palette) -> bytes:
    """Write an image with a palette (PNG, 8 bits a pixel)."""
    rows, columns = numbered.shape
    lines = np.hstack([np.zeros((rows, 1), dtype=np.uint8), numbered]).tobytes()
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0),
        b"PLTE": palette[:, :3].tobytes(),
        b"tRNS": palette[:, 3].tobytes(),
        b"IDAT": zlib.compress(lines, 9),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )


def lay_below(
    svg: str, axes: Axes, values: Float[ndarray, "row column"], palette: Palette, *, limit: float = 1.0
) -> str:
    """Put an image of values (-limit to limit, first row on top) where the axes are, below all that is drawn there."""
    small = shrink(values)
    image = base64.b64encode(png(levels(small, limit), palette)).decode()
    inch, box = axes.figure.dpi, axes.get_position()
    width, height = axes.figure.bbox.width * 72 / inch, axes.figure.bbox.height * 72 / inch
    place = f'x="{box.x0 * width:.1f}" y="{(1 - box.y1) * height:.1f}"'
    size = f'width="{box.width * width:.1f}" height="{box.height * height:.1f}" preserveAspectRatio="none"'
    sharp = ' style="image-rendering: pixelated"' if max(small.shape) <= SHARP_TO else ""
    head, tag, rest = svg.partition(">")
    return f'{head}{tag}\n<image {place} {size}{sharp} href="data:image/png;base64,{image}"/>{rest}'
