"""Encodings and locales: databases that cannot be as they were, since the server cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator

from restore.core.facts import DumpFacts, Finding, Locale, TargetFacts
from restore.core.preflight.case import Case

# Source: postgresql.org/docs/18/locale.html, "Locale Providers"; builtin ones since 17.
_BUILTIN = {"C": 17, "C.UTF-8": 17, "PG_UNICODE_FAST": 18}
_ANY_ENCODING = frozenset({"c", "posix"})
_OPTIONS_SINCE = {"icu": 15, "builtin": 17}  # as a database's provider


def warnings(case: Case) -> Iterator[Finding]:
    for fact in case.chosen:
        if reason := _why_not(fact.locale, case.target):
            yield _by_default(fact, case.target, reason)


def _by_default(fact: DumpFacts, target: TargetFacts, reason: str) -> Finding:
    default = target.default_locale
    keeps = _takes(default.collate, fact.locale.encoding, target)
    encoding = fact.locale.encoding if keeps else default.encoding
    return Finding(
        "locale-default",
        f"database {fact.database!r}",
        f"{reason}: it gets the server's default, {default.collate or 'the same for all'}, and "
        f"encoding {encoding or default.encoding}; text may be sorted in another order",
        "indexes are built in the new order; to keep the old one, restore to a server that has it",
        ("SELECT DISTINCT collcollate FROM pg_collation WHERE collprovider = 'c' ORDER BY 1;",),
    )


def _why_not(locale: Locale, target: TargetFacts) -> str:
    """Why CREATE DATABASE would refuse it; "" where it would not, or nothing is known."""
    if target.major < _OPTIONS_SINCE.get(locale.provider, 0):
        return f"expected locale provider {locale.provider}, found PostgreSQL {target.major}"
    if locale.provider == "builtin":
        since = _BUILTIN.get(locale.locale, 0)
        if not since or since > target.major:
            return f"expected builtin locale {locale.locale!r}, found PostgreSQL {target.major}"
    if locale.provider == "icu" and not target.has_icu:
        return f"expected ICU locale {locale.locale!r}, found a server without ICU"
    for name in dict.fromkeys((locale.collate, locale.ctype)):
        if not _known(name, target):
            return f"expected locale {name!r}, found a server that does not have it"
        if not _takes(name, locale.encoding, target):
            return f"expected encoding {locale.encoding}, found that locale {name!r} is not in it"
    return ""


def _known(name: str, target: TargetFacts) -> bool:
    return not (name and target.locales) or _encoding(name, target) is not None


def _takes(name: str, encoding: str, target: TargetFacts) -> bool:
    """Can a database of that locale have that encoding?

    Source: check_encoding_locale_matches in dbcommands.c, PostgreSQL 18: SQL_ASCII is for
    superusers.
    """
    own = _encoding(name, target)
    if not own or not encoding or (encoding == "SQL_ASCII" and target.superuser):
        return True
    return encoding == own


def _encoding(name: str, target: TargetFacts) -> str | None:
    """The encoding of a libc locale, "" for any, None where the server does not have it."""
    wanted = _plain(name)
    if wanted in _ANY_ENCODING:
        return ""
    return next((own for known, own in target.locales.items() if _plain(known) == wanted), None)


def _plain(name: str) -> str:
    """The same for all spellings of a locale: en_US.UTF-8 is en_US.utf8."""
    place, dot, codeset = name.lower().partition(".")
    return place + dot + re.sub(r"[^a-z0-9@]", "", codeset)
