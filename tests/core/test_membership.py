"""One membership beside another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from restore.core.membership import GrantRole, either, lacking, why_not_without_options
from tests.core.role_scripts import steady

options = st.sampled_from([None, True, False])
memberships = st.builds(GrantRole, st.just("a"), st.just("b"), st.booleans(), options, options)


def ranks(grant: GrantRole) -> tuple[int, int, int]:
    rank = {False: 0, None: 1, True: 2}
    return int(grant.admin), rank[grant.inherit], rank[grant.settable]


@steady
@given(memberships, memberships)
def test_both_together_are_never_less_than_either(one, other):
    both = ranks(either(one, other))
    assert both == tuple(map(max, ranks(one), ranks(other)))


@steady
@given(memberships, st.none() | memberships)
def test_what_is_granted_is_never_less_than_what_is_there(grant, found):
    more = lacking(grant, found)
    if found is None:
        assert more == grant
    elif more is None:
        assert either(grant, found) == found
    else:
        assert all(a >= b for a, b in zip(ranks(more), ranks(found), strict=True))


def test_what_cannot_be_said_is_named():
    plain = GrantRole("a", "b")
    assert why_not_without_options(plain, member_inherits=False) == ""
    limited = GrantRole("a", "b", inherit=False, settable=False)
    assert why_not_without_options(limited, True) == "SET FALSE and INHERIT FALSE"
