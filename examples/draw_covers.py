"""Draw a tune: hills shaped by its notes, or the notes as rings or lanterns."""

import colorsys
import io

import numpy as np
from PIL import Image, ImageDraw


def colour(hue: float, light: float, strength: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb(hue % 1, light, strength)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw(
    style: str, hue: float, notes: list[tuple[float, int, float]], size: int, kind: str
) -> bytes:
    """Return the encoded image, `size` pixels square; a note is beat, scale degree, length."""
    side, end = 4 * size, notes[-1][0] + notes[-1][2]
    top, bottom = {
        "waves": (colour(0.6, 0.3, 0.5), colour(hue, 0.8, 0.85)),
        "rings": (colour(hue + 0.92, 0.15, 0.5), colour(hue + 0.8, 0.24, 0.45)),
        "lanterns": (colour(hue + 0.04, 0.3, 0.55), colour(hue - 0.06, 0.13, 0.55)),
    }[style]
    column = np.linspace(top, bottom, side).round().astype(np.uint8)
    picture = Image.fromarray(np.repeat(column[:, None], side, axis=1))
    pen = ImageDraw.Draw(picture, "RGBA")
    if style == "waves":
        for grow, alpha in ((0.25, 40), (0.2, 40), (0.155, 40), (0.12, 235)):
            pen.circle((side * 0.62, side * 0.36), side * grow, fill=(255, 244, 220, alpha))
        x = np.linspace(0, 1, 400)
        for layer in range(7):
            y = np.full_like(x, 0.46 + 0.085 * layer)
            for k, (_, degree, _) in enumerate(notes[layer + round(7 * hue) :][:4]):
                turns = (1.1 + k) * x * (1 + degree / 9)
                y += 0.028 / (k + 1) * np.sin(np.pi * turns + 2.4 * degree + k)
            hill = [(side * a, side * b) for a, b in zip(x, y, strict=True)]
            shade = colour(hue + 0.03 - 0.065 * layer, 0.68 - 0.088 * layer, 0.6 - 0.02 * layer)
            pen.polygon([*hill, (side, side), (0, side)], fill=shade)
    for index, (beat, degree, beats) in enumerate(notes):
        if style == "rings":
            radius, width, middle = side * (0.455 - 0.021 * index), side // 74, side / 2
            turn, sweep = 47 * degree + 20 * index, 100 + 100 * beats
            shade = colour(hue + 0.045 * degree, 0.5 + 0.025 * degree, 0.75)
            box = (middle - radius, middle - radius, middle + radius, middle + radius)
            pen.arc(box, turn, turn + sweep, fill=shade, width=width)
            for angle in np.radians([turn, turn + sweep]):  # round ends
                across, down = (radius - width / 2) * np.array([np.cos(angle), np.sin(angle)])
                pen.circle((middle + across, middle + down), width / 2, fill=shade)
        elif style == "lanterns":
            across = side * (0.1 + 0.8 * (beat + beats / 2) / end)
            down = side * (0.84 - 0.075 * degree)
            shade = colour(hue + 0.37 + 0.015 * degree, 0.6 + 0.015 * degree, 0.85)
            pen.line([(across, 0), (across, down)], fill=(*shade, 70), width=side // 250)
            for grow, alpha in ((2.6, 22), (1.8, 36), (1.25, 70), (1.0, 235)):
                radius = side * grow * (0.016 + 0.021 * beats)
                pen.circle((across, down), radius, fill=(*shade, alpha))
    picture = picture.resize((size, size), Image.Resampling.LANCZOS)
    if kind == "PNG":
        picture = picture.quantize(128, dither=Image.Dither.NONE)
    picture.save(out := io.BytesIO(), kind, quality=88, optimize=True)
    return out.getvalue()
