"""A realistic server to back up, and a fingerprint to compare what came of it."""

from local.sample.fill import DATABASES, SMALL_DATABASES, fill, fill_small
from local.sample.fingerprint import differences, fingerprint, fingerprint_roles

__all__ = [
    "DATABASES",
    "SMALL_DATABASES",
    "differences",
    "fill",
    "fill_small",
    "fingerprint",
    "fingerprint_roles",
]
