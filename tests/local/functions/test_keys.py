import pytest

from local.functions import keys
from local.functions.errors import FunctionAppError
from local.functions.keys import AuthLevel, Keys

SOME = Keys(default="d", master="m", event_grid="e")


@pytest.mark.parametrize(
    ("level", "opened_by"),
    [
        (AuthLevel.ANONYMOUS, {"", "d", "m", "e", "wrong", "schlüssel"}),
        (AuthLevel.FUNCTION, {"d", "m"}),
        (AuthLevel.ADMIN, {"m"}),
    ],
)
def test_each_level_opens_to_its_keys_only(level: AuthLevel, opened_by: set[str]) -> None:
    given = {"", "d", "m", "e", "wrong", "schlüssel"}
    assert {key for key in given if SOME.allow(level, key)} == opened_by


def test_the_webhook_opens_to_the_system_key_and_the_master_key() -> None:
    assert [SOME.allow_event_grid(key) for key in ("e", "m", "d", "")] == [True, True, False, False]


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ({"x-functions-key": "h"}, {"code": "q"}, "h"),
        ({}, {"code": "q"}, "q"),
        ({"x-functions-key": "h"}, {}, "h"),
        ({}, {}, ""),
    ],
)
def test_the_header_comes_before_the_query(
    headers: dict[str, str], query: dict[str, str], expected: str
) -> None:
    assert keys.presented(headers, query) == expected


def test_keys_that_are_not_given_are_random_and_all_survive_json() -> None:
    made = Keys.from_json('{"default": "mine"}')
    assert made.default == "mine"
    assert len({made.default, made.master, made.event_grid}) == 3
    assert made.master != Keys.from_json("{}").master


def test_keys_do_not_show_when_printed() -> None:
    assert "secret" not in repr(Keys("secret", "secret", "secret"))


@pytest.mark.parametrize("text", ["", "[]", '{"default": 5}', '{"default": ""}', '{"other": "x"}'])
def test_what_are_no_keys_is_refused(text: str) -> None:
    with pytest.raises(FunctionAppError, match="function keys: expected"):
        Keys.from_json(text)
