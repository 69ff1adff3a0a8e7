"""The page for people: one HTML document with its style and script, which asks the API for data.

It holds no data itself, so it needs no key; it is the same for everybody.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files


@cache
def page() -> tuple[str, dict[str, str]]:
    """The document, and the headers to send it with."""
    folder = files(__name__)
    style, script = ((folder / name).read_text("utf-8") for name in ("page.css", "page.js"))
    html = (folder / "page.html").read_text("utf-8")
    html = html.replace("/*style*/", style).replace("/*script*/", script)
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        f"connect-src 'self'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"
    )
    return html, {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }


def _hash(text: str) -> str:
    """Source: w3.org/TR/CSP3, hash-source."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
