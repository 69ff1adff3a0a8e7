"""Secrets, in memory and from a folder."""

import pytest

from restore.adapters.secrets import FolderSecrets, SecretError
from restore.errors import InputError, NotFoundError
from tests.contract.conftest import SECRETS


def test_a_secret_is_read_as_it_was_stored(safe_of_secrets):
    assert safe_of_secrets.get("pg-target") == SECRETS["pg-target"]


def test_a_secret_that_is_not_there_is_not_found(safe_of_secrets):
    with pytest.raises(NotFoundError, match="pg-other"):
        safe_of_secrets.get("pg-other")


def test_no_secret_is_ever_shown_by_its_keeper(safe_of_secrets):
    assert SECRETS["pg-target"] not in repr(safe_of_secrets)


@pytest.mark.parametrize("name", ["", "..", "../up", "a/b", "a.b", "a b", "a\n", "x" * 128, "ä"])
def test_what_is_no_key_vault_name_is_never_looked_for(tmp_path, name):
    (tmp_path / "up").write_text("no")
    folder = tmp_path / "mount"
    folder.mkdir()
    with pytest.raises(SecretError):
        FolderSecrets(folder).get(name)


def test_the_line_break_an_editor_left_is_not_part_of_the_secret(tmp_path):
    (tmp_path / "pg").write_text("p w \n")
    assert FolderSecrets(tmp_path).get("pg") == "p w "


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\x00"])
def test_a_secret_that_cannot_be_a_password_is_refused_without_showing_it(tmp_path, content):
    (tmp_path / "pg").write_bytes(content)
    with pytest.raises(InputError) as caught:
        FolderSecrets(tmp_path).get("pg")
    assert "ff" not in str(caught.value)
