"""Labels of Microsoft Entra principals, and what makes a role one again."""

from __future__ import annotations

import pytest

from restore.core.entra import Principal, creation, labelling, principal
from restore.core.role_script import SecurityLabel

OID = "0a1b2c3d-0000-4000-8000-123456789abc"


@pytest.mark.parametrize(
    ("words", "admin", "mfa"),
    [
        ("", False, False),
        (",admin", True, False),
        (",mfa", False, True),
        (",admin,mfa", True, True),
    ],
)
@pytest.mark.parametrize("kind", ["user", "group", "service"])
def test_a_label_says_who_is_behind_a_role(kind, words, admin, mfa):
    text = f"aadauth,oid={OID},type={kind}{words}"
    who = principal(SecurityLabel("pgaadauth", "r", text))
    assert who == Principal("r", OID, kind, admin, mfa)
    assert labelling(who) == f"SECURITY LABEL FOR pgaadauth ON ROLE \"r\" IS '{text}';"


@pytest.mark.parametrize(
    ("provider", "label"),
    [
        ("selinux", f"aadauth,oid={OID},type=user"),
        ("pgaadauth", f"aadauth,oid={OID},type=device"),
        ("pgaadauth", f"aadauth,oid={OID},type=user,magic"),
        ("pgaadauth", "aadauth,oid=',type=user"),
        ("pgaadauth", ""),
    ],
)
def test_a_label_of_another_form_says_nothing(provider, label):
    assert principal(SecurityLabel(provider, "r", label)) is None


def test_names_and_literals_are_quoted():
    who = Principal('o\'Brien "x"', OID, "user", admin=True)
    assert creation(who) == (
        "SELECT * FROM pgaadauth_create_principal_with_oid("
        f"'o''Brien \"x\"', '{OID}', 'user', true, false);"
    )
    assert 'ON ROLE "o\'Brien ""x""" IS' in labelling(who)
