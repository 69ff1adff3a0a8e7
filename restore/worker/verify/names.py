"""Names of tables as a person reads them."""

from __future__ import annotations

import re

from restore.core.sql import quote_identifier

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def name_of(table: tuple[str, str]) -> str:
    """Schema and name, in quotes where SQL wants them."""
    parts = (part if _PLAIN.fullmatch(part) else quote_identifier(part) for part in table)
    return ".".join(parts)
