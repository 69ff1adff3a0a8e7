"""Roles scripts for tests: real ones, and any that pg_dumpall could write."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from restore.core.dumps import SYSTEM_ROLES
from restore.core.membership import GrantRole
from restore.core.role_script import (
    FLAGS,
    AlterRole,
    Attribute,
    CommentOnRole,
    CreateRole,
    GrantOnParameter,
    RoleStatement,
    SecurityLabel,
    SetParameter,
    parse,
)

DATA = Path(__file__).parent.parent / "data"
OPEN = b"--\n-- PostgreSQL database cluster dump\n--\n"
CLOSE = b"\n--\n-- PostgreSQL database cluster dump complete\n--\n"
ADMIN = "restoreadmin"
steady = settings(deadline=None, derandomize=True)
versions = pytest.mark.parametrize("major", [15, 16, 18])


def read(sql: str) -> tuple[RoleStatement, ...]:
    return parse([OPEN + sql.encode("utf-8", "surrogateescape") + CLOSE])


def real(major: int) -> tuple[RoleStatement, ...]:
    return parse([(DATA / f"roles-pg{major}.sql").read_bytes()])


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
role_names = st.one_of(
    st.sampled_from([*sorted(SYSTEM_ROLES), ADMIN, "pg_monitor", "not_azuresu_user", "Azuresu"]),
    st.sampled_from(["a", "b", r"\connect x", "x'; DROP ROLE a; --", '"', "SUPERUSER", "set"]),
    texts.filter(bool),
)
attributes = st.one_of(
    st.sampled_from(sorted(FLAGS)).map(Attribute),
    st.builds(Attribute, st.sampled_from(["PASSWORD", "VALID UNTIL"]), texts),
    st.builds(Attribute, st.just("CONNECTION LIMIT"), st.integers(-1, 99).map(str)),
)
options = st.sampled_from([None, True, False])
parameters = st.sampled_from(["work_mem", "log_statement", "a.b"])
statements = st.one_of(
    st.builds(CreateRole, role_names),
    st.builds(AlterRole, role_names, st.lists(attributes, min_size=1).map(tuple)),
    st.builds(
        SetParameter,
        role_names,
        parameters,
        st.lists(texts, min_size=1).map(tuple),
        st.one_of(st.just(""), role_names),
    ),
    st.builds(
        GrantRole,
        role_names,
        role_names,
        st.booleans(),
        options,
        options,
        st.one_of(st.just(""), role_names),
    ),
    st.builds(CommentOnRole, role_names, texts),
    st.builds(SecurityLabel, st.one_of(st.just("pgaadauth"), role_names), role_names, texts),
    st.builds(
        GrantOnParameter,
        st.lists(st.sampled_from(["SET", "ALTER SYSTEM", "ALL"]), min_size=1).map(tuple),
        parameters,
        role_names,
        st.booleans(),
    ),
)
scripts = st.lists(statements, max_size=8).map(tuple)
