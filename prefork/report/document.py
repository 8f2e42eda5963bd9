"""The frame of every page: one file, without a word that a browser would fetch."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 78em; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .2em .8em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child { text-align: left; font-weight: normal; }
.wide { overflow-x: auto; }
.holds { color: #17692a; } .fails { color: #b3261e; font-weight: bold; } .note { color: #666; }
"""


def document(title: str, told: Iterable[str], parts: Iterable[str]) -> str:
    """Return a whole page; `told` are lines of text, `parts` are markup."""
    lines = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(line)}</p>" for line in told),
        *parts,
        "</body>\n</html>\n",
    ]
    return "\n".join(lines)


def plots(figure: Any) -> str:  # noqa: ANN401 - plotly has no types
    """Return the markup of a figure of plotly's, with the script that draws it."""
    from plotly.io import to_html  # noqa: PLC0415 - only whoever draws pays for it

    markup: str = to_html(figure, include_plotlyjs=True, full_html=False, config={"displaylogo": False})
    return markup
