"""The names of secrets that hold generated passwords."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from restore.core.password import secret_name
from tests.core.role_scripts import steady


def test_a_name_tells_a_person_which_server_and_role():
    found = secret_name("pg-prod.postgres.database.azure.com:5432", "app_user")
    assert re.fullmatch("pg-pg-prod-app-user-[0-9a-f]{16}", found)
    assert re.fullmatch("pg-h-[0-9a-f]{16}", secret_name("h:5432", "漢字"))


def test_names_that_look_alike_are_told_apart():
    hosts = ("pg.example.com:5432", "pg.example.com:5433", "pg.example.org:5432")
    roles = ("a_b", "a-b", "A_b", "a b", "a" * 63, "a" * 62)
    names = {secret_name(host, role).lower() for host in hosts for role in roles}
    assert len(names) == len(hosts) * len(roles)


@steady
@given(st.text(max_size=300), st.text(max_size=63))
def test_every_name_is_one_of_key_vaults_and_always_the_same(address, role):
    name = secret_name(address, role)
    assert re.fullmatch("[0-9A-Za-z-]{1,127}", name)
    assert secret_name(address, role) == name
