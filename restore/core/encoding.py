"""Text of databases in any of PostgreSQL's encodings."""

from __future__ import annotations

from collections.abc import Callable

_CODECS = {
    "BIG5": "big5",
    "EUC_CN": "gb2312",
    "EUC_JP": "euc_jp",
    "EUC_KR": "euc_kr",
    "GB18030": "gb18030",
    "GBK": "gbk",
    "JOHAB": "johab",
    "KOI8R": "koi8_r",
    "KOI8U": "koi8_u",
    "SHIFT_JIS_2004": "shift_jis_2004",
    "SJIS": "cp932",
    "UHC": "cp949",
    "WIN866": "cp866",
    "WIN874": "cp874",
    "ISO_8859_5": "iso8859_5",
    "ISO_8859_6": "iso8859_6",
    "ISO_8859_7": "iso8859_7",
    "ISO_8859_8": "iso8859_8",
    **{
        f"WIN{page}": f"cp{page}" for page in (1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258)
    },
    **{f"LATIN{n}": f"iso8859_{p}" for n, p in enumerate((1, 2, 3, 4, 9, 10, 13, 14, 15, 16), 1)},
}
"""Encodings by PostgreSQL's names; the others (UTF8, SQL_ASCII, …) are read as UTF-8."""


def reader(encoding: str) -> Callable[[bytes | None], str]:
    """Reads bytes of PostgreSQL's `encoding` as text; none is the empty text.

    What is not of that encoding is read as UTF-8, and survives as surrogates if it is not that.
    """
    codec = _CODECS.get(encoding.upper(), "utf-8")

    def decode(text: bytes | None) -> str:
        if not text:
            return ""
        try:
            return text.decode(codec)
        except UnicodeDecodeError:
            return text.decode("utf-8", "surrogateescape")

    return decode
