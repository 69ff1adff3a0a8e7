from restore.core.tuning import BY_DEFAULT, BY_USER, Setting, before, differing

WAL = Setting("max_wal_size", "32768", BY_DEFAULT)
VACUUM = Setting("autovacuum", "on", BY_USER)


def test_what_will_be_changed_is_remembered_as_it_was():
    wanted = {"max_wal_size": "65536", "autovacuum": "on"}
    assert before(wanted, (WAL, VACUUM)) == (WAL,)


def test_only_what_differs_is_written():
    assert list(differing([WAL, VACUUM], (WAL, VACUUM))) == []
    changed = Setting("max_wal_size", "65536", BY_USER)
    assert list(differing([WAL, VACUUM], (changed, VACUUM))) == [WAL]


def test_a_value_of_the_users_own_is_not_the_default_that_equals_it():
    assert list(differing([WAL], (Setting("max_wal_size", "32768", BY_USER),))) == [WAL]


def test_what_is_not_there_cannot_be_written():
    assert list(differing([WAL], (VACUUM,))) == []
