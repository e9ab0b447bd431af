"""The table as Markdown, which is also what a terminal shows."""

HEADINGS = ["", "nginx", "HAProxy", "Envoy", "Lockgate", "target"]


def render(lines):
    """`lines` holds one (title, cells by peer, target) a row."""
    cells = [HEADINGS] + [
        [title, *(found.get(peer, "") for peer in ("nginx", "haproxy", "envoy", "lockgate")), target]
        for title, found, target in lines
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADINGS))]
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text) + "\n"
