"""Secrets, in memory, from a folder and from a Key Vault."""

import stat

import pytest

from restore.adapters.azure_errors import AccessError
from restore.adapters.secrets import FolderSecrets, NoSecrets, SecretError
from restore.errors import InputError, NotFoundError
from tests.contract.conftest import SECRETS
from tests.contract.key_vault import MemoryVault, key_vault


def test_a_secret_is_read_as_it_was_stored(safe_of_secrets):
    assert safe_of_secrets.get("pg-target") == SECRETS["pg-target"]


def test_a_secret_that_is_not_there_is_not_found(safe_of_secrets):
    with pytest.raises(NotFoundError, match="pg-other"):
        safe_of_secrets.get("pg-other")


def test_no_secret_is_ever_shown_by_its_keeper(safe_of_secrets):
    assert SECRETS["pg-target"] not in repr(safe_of_secrets)


@pytest.mark.parametrize("value", ["n3w", "ends with a line\n", "ü" * 40])
def test_what_is_put_is_what_is_got_from_then_on(safe_of_secrets, value):
    assert safe_of_secrets.can_put
    for name in ("pg-new", "pg-target", "pg-new"):
        safe_of_secrets.put(name, value)
    assert safe_of_secrets.get("pg-new") == safe_of_secrets.get("pg-target") == value


def test_nobody_else_may_read_a_file_that_was_put(tmp_path):
    FolderSecrets(tmp_path).put("pg-new", "n3w")
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_folder_that_is_not_there_takes_none(tmp_path):
    nowhere = FolderSecrets(tmp_path / "none")
    assert not nowhere.can_put
    with pytest.raises(SecretError, match="expected to put it") as caught:
        nowhere.put("pg-new", "n3w")
    assert "n3w" not in caught.value.message + caught.value.hint


def test_without_a_place_none_is_put_and_none_is_found():
    assert not NoSecrets().can_put
    with pytest.raises(NotFoundError, match="a place to put it"):
        NoSecrets().put("pg-new", "n3w")


def test_a_vault_that_does_not_let_us_in_is_named_with_the_role_that_is_missing():
    vault = MemoryVault({})
    vault.refused = 403
    keeper = key_vault({}, vault)
    with pytest.raises(AccessError, match="pg-new") as caught:
        keeper.put("pg-new", "n3w")
    assert "Secrets Officer" in caught.value.hint
    assert "n3w" not in caught.value.message + caught.value.hint
    keeper.close()


def test_a_deleted_secret_of_that_name_is_to_be_recovered_first():
    vault = MemoryVault({})
    vault.refused = 409
    keeper = key_vault({}, vault)
    with pytest.raises(SecretError, match="deleted") as caught:
        keeper.put("pg-new", "n3w")
    assert "az keyvault secret recover" in caught.value.hint
    keeper.close()


@pytest.mark.parametrize("name", ["", "..", "../up", "a/b", "a.b", "a b", "a\n", "x" * 128, "ä"])
def test_what_is_no_key_vault_name_is_never_looked_for(tmp_path, name):
    (tmp_path / "up").write_text("no")
    folder = tmp_path / "mount"
    folder.mkdir()
    with pytest.raises(SecretError):
        FolderSecrets(folder).get(name)
    with pytest.raises(SecretError):
        FolderSecrets(folder).put(name, "x")


def test_the_line_break_an_editor_left_is_not_part_of_the_secret(tmp_path):
    (tmp_path / "pg").write_text("p w \n")
    assert FolderSecrets(tmp_path).get("pg") == "p w "


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe\x00"])
def test_a_secret_that_cannot_be_a_password_is_refused_without_showing_it(tmp_path, content):
    (tmp_path / "pg").write_bytes(content)
    with pytest.raises(InputError) as caught:
        FolderSecrets(tmp_path).get("pg")
    assert "ff" not in str(caught.value)
