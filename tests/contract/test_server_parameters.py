"""Server parameters: the fake, and the real SDK against the local management API."""

from collections.abc import Iterator

import pytest

from local.vault import LocalVault
from restore.adapters.credentials import credential
from restore.adapters.server_parameters import ServerParameters as RealServerParameters
from restore.core.tuning import BY_DEFAULT, BY_USER, Setting
from restore.errors import ConflictError, InputError, NotFoundError
from restore.ports import ServerParameters
from tests.fakes import MemoryServerParameters
from tests.waiting import eventually

STORAGE = "UseDevelopmentStorage=true"
NAMES = ["autovacuum", "max_wal_size"]


@pytest.fixture(params=["fake", "local"])
def held(request: pytest.FixtureRequest) -> Iterator[tuple[ServerParameters, str]]:
    with LocalVault(None, STORAGE) as vault:
        server = vault.names.target_id
        if request.param == "fake":
            defaults = {"autovacuum": "on", "max_wal_size": "32768"}
            yield MemoryServerParameters(server, defaults), server
        else:
            yield RealServerParameters(vault.url, credential(), local=True), server


def test_they_are_read_by_name(held):
    parameters, server = held
    assert parameters.read(server, NAMES) == (
        Setting("autovacuum", "on", BY_DEFAULT),
        Setting("max_wal_size", "32768", BY_DEFAULT),
    )
    assert parameters.read(server, []) == ()


def test_what_is_written_is_read_in_the_end_and_can_be_put_back(held):
    parameters, server = held
    wanted = Setting("max_wal_size", "65536", BY_USER)
    parameters.write(server, wanted)
    assert eventually(lambda: parameters.read(server, ["max_wal_size"]) == (wanted,))
    before = Setting("max_wal_size", "32768", BY_DEFAULT)

    def put_back() -> bool:
        try:
            parameters.write(server, before)
        except ConflictError:  # the first change is still under way
            return False
        return True

    assert eventually(put_back)
    assert eventually(lambda: parameters.read(server, ["max_wal_size"]) == (before,))


def test_an_unknown_name_is_refused(held):
    parameters, server = held
    with pytest.raises(NotFoundError, match="no_such_thing"):
        parameters.read(server, ["autovacuum", "no_such_thing"])
    with pytest.raises(NotFoundError):
        parameters.write(server, Setting("no_such_thing", "1"))


def test_an_unknown_server_is_refused(held):
    parameters, server = held
    with pytest.raises(NotFoundError):
        parameters.read(server + "-other", NAMES)


def test_while_one_changes_another_is_refused(held):
    parameters, server = held
    if isinstance(parameters, MemoryServerParameters):
        parameters.busy = 1
    else:
        parameters.write(server, Setting("autovacuum", "off"))
    with pytest.raises(ConflictError):
        parameters.write(server, Setting("max_wal_size", "65536"))


def test_another_id_than_a_flexible_servers_is_refused():
    parameters = RealServerParameters("http://127.0.0.1:9", credential(), local=True)
    with pytest.raises(InputError, match="ARM id of a flexible server"):
        parameters.read("/subscriptions/x", NAMES)
