from datetime import timedelta
from pathlib import Path

import pytest

from local.functions import settings
from local.functions.errors import FunctionAppError


def test_host_json_is_read_with_the_defaults_of_azure(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    config = settings.read_host_config(tmp_path)
    assert config.route_prefix == "api"
    assert config.max_concurrent_calls % 16 == 0
    assert config.max_lock_renewal == timedelta(minutes=5)


def test_what_host_json_says_is_obeyed(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text(
        '{"extensions": {"http": {"routePrefix": ""}, "serviceBus":'
        ' {"maxConcurrentCalls": 3, "maxAutoLockRenewalDuration": "00:30:00"}}}'
    )
    assert settings.read_host_config(tmp_path) == settings.HostConfig("", 3, timedelta(minutes=30))


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"extensions": 5}', '{"extensions": {"serviceBus": {"maxConcurrentCalls": "x"}}}'],
)
def test_a_broken_host_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "host.json").write_text(text)
    with pytest.raises(FunctionAppError, match=r"host\.json: expected"):
        settings.read_host_config(tmp_path)


def test_a_missing_host_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FunctionAppError, match="found none"):
        settings.read_host_config(tmp_path)


def test_settings_are_put_into_the_texts_of_a_binding() -> None:
    binding = {"queueName": "%A%-%B%", "schedule": "100%", "count": 5}
    resolved = settings.resolve(binding, {"A": "x", "B": "y"}, "f")
    assert resolved == {"queueName": "x-y", "schedule": "100%", "count": 5}


def test_a_missing_setting_is_named_together_with_who_needs_it() -> None:
    with pytest.raises(FunctionAppError, match="setting 'A' of function 'tick'") as caught:
        settings.resolve({"schedule": "%A%"}, {}, "function 'tick'")
    assert "set A" in caught.value.hint
