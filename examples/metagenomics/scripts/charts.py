"""Charts as SVG, for the report."""

from html import escape

BEFORE, AFTER, UNKNOWN = "#b8c4cf", "#1f6f8b", "#e3e8ed"
COLOURS = ("#1f6f8b", "#e09f3e", "#3fa796", "#9e2a2b", "#6a4c93", "#540b0e", "#8ac926")
WORST, BEST = 0, 42  # Phred quality
POINTS = 40  # of a curve
# of a chart with curves, in its own units
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 280, 130, 26, 20, 8


def curves(before: list[float], after: list[float]) -> str:
    """The mean quality along a read, before and after trimming."""
    longest = max(len(before), len(after))

    def x(position: float) -> float:
        return LEFT + (WIDTH - LEFT - 4) * position / max(longest - 1, 1)

    def y(quality: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (quality - WORST) / (BEST - WORST)

    def line(values: list[float], colour: str) -> str:
        points = " ".join(f"{x(n):.1f},{y(value):.1f}" for n, value in _thinned(values))
        return f"<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='2'/>"

    grid = "".join(
        f"<line x1='{LEFT}' x2='{WIDTH - 4}' y1='{y(q):.1f}' y2='{y(q):.1f}' stroke='#eef1f4'/>"
        f"<text x='{LEFT - 5}' y='{y(q) + 3:.1f}' text-anchor='end'>{q}</text>"
        for q in (0, 10, 20, 30, 40)
    )
    ends = (
        f"<text x='{LEFT}' y='{HEIGHT - 5}'>1</text>"
        f"<text x='{WIDTH - 4}' y='{HEIGHT - 5}' text-anchor='end'>{longest} bases</text>"
    )
    return _svg(WIDTH, HEIGHT, grid + ends + line(before, BEFORE) + line(after, AFTER))


def _thinned(values: list[float]) -> list[tuple[float, float]]:
    """Means of stretches, with the middle of each: far along a read a mean is of few reads, and jumps."""
    step = max(1, -(-len(values) // POINTS))
    stretches = [(start, values[start : start + step]) for start in range(0, len(values), step)]
    return [(start + (len(stretch) - 1) / 2, sum(stretch) / len(stretch)) for start, stretch in stretches]


def bars(lengths: list[int]) -> str:
    """A bar for each contig, the longest first."""
    width, height, most = 150, 30, 60
    shown = lengths[:most]
    step = width / max(len(shown), 12)
    columns = "".join(
        f"<rect x='{n * step:.1f}' y='{height * (1 - length / shown[0]):.1f}' width='{step * 0.8:.1f}' "
        f"height='{height * length / shown[0]:.1f}' fill='{AFTER}'/>"
        for n, length in enumerate(shown)
    )
    return _svg(width, height, columns)


def stacked(shares: dict[str, list[tuple[str, float]]]) -> str:
    """A bar for each sample, of the genomes in it; what is left is explained by none. And a key to the colours."""
    names = list(dict.fromkeys(name for found in shares.values() for name, _ in found))
    colours = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(names)}
    left, row, width = 90, 30, 760
    parts = []
    for n, (sample, found) in enumerate(shares.items()):
        at, y = float(left), n * row + 4
        parts.append(
            f"<text x='{left - 10}' y='{y + 15}' text-anchor='end' class='big'>{escape(sample)}</text>"
        )
        parts.append(
            f"<rect x='{left}' y='{y}' width='{width - left}' height='{row - 10}' fill='{UNKNOWN}' rx='3'/>"
        )
        for name, share in found:
            size = (width - left) * share
            parts.append(
                f"<rect x='{at:.1f}' y='{y}' width='{size:.1f}' height='{row - 10}' fill='{colours[name]}'>"
                f"<title>{escape(name)}: {share:.1%}</title></rect>"
            )
            at += size
    key = "".join(
        f"<span style='display:inline-block;margin-right:1.2rem'><span style='color:{colour}'>&#9632;</span> "
        f"{escape(name)}</span>"
        for name, colour in [*colours.items(), ("in no genome of the reference", UNKNOWN)]
    )
    return f"{_svg(width, len(shares) * row, ''.join(parts))}<p style='margin:.4rem 0 1.2rem'>{key}</p>"


def _svg(width: int, height: int, content: str) -> str:
    style = (
        "text{font:10px system-ui,'DejaVu Sans',sans-serif;fill:#5d6b7a}text.big{font-size:13px;fill:#1d2733}"
    )
    return f"<svg viewBox='0 0 {width} {height}' role='img'><style>{style}</style>{content}</svg>"
