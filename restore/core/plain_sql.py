"""SQL of a request that runs in one transaction: statements, and nothing that would end it.

No client interprets it, so it holds no meta-command of psql and no rows of COPY.
"""

from __future__ import annotations

import re

from restore.core.psql import Comment, Statement, pieces
from restore.core.request_error import wrong
from restore.errors import ScriptError

_CONTROL = re.compile(
    rb"(?:ABORT|BEGIN|COMMIT|END|PREPARE\s+TRANSACTION|RELEASE|ROLLBACK|SAVEPOINT|START)\b",
    re.IGNORECASE,
)


def plain_sql(text: str) -> str:
    """`text` itself; the semicolon of its last statement may be left out.

    Raises what a check of a field raises: a mistake is told before anything is restored.
    """
    try:
        found = [*pieces([text.encode(), b"\n;"])]
    except UnicodeEncodeError:
        raise wrong("characters that UTF-8 has", "half a character") from None
    except ScriptError as exc:
        _, _, rest = exc.message.partition(": expected ")
        expected, _, seen = rest.partition(", found ")
        raise wrong(expected, seen) from None
    statements = []
    for piece in found:
        if isinstance(piece, Statement):
            statements.append(piece.text)
        elif not isinstance(piece, Comment):
            raise wrong("SQL statements", "a meta-command of psql, or rows of COPY")
    for statement in statements:
        if _CONTROL.match(statement):
            word = statement.split()[0].decode("ascii", "replace").rstrip(";").upper()
            raise wrong("no transaction control: all of it is one transaction", word)
    if set(statements) <= {b";"}:
        raise wrong("a statement", "none")
    return text
