"""A page of HTML in one file that loads nothing from elsewhere."""

from __future__ import annotations

from html import escape


def document(title: str, style: str, body: str) -> str:
    """Return a whole page.

    Args:
        title: Plain text.
        style: CSS.
        body: HTML, whose values are escaped already.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>\n{body}"
        "</body></html>\n"
    )
