"""What every Caller has to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from restore.adapters.callback import HttpsCaller
from restore.errors import TransientError
from restore.ports import Caller
from tests.fakes import MemoryCaller
from tests.listener import HttpsListener

NOW = datetime(2026, 11, 26, tzinfo=UTC)


@dataclass
class Line:
    """A caller, whom it calls, what arrived there, and how to break that."""

    caller: Caller
    url: str
    arrived: Callable[[], list[bytes]]
    out_of_order: Callable[[bool], None]


@pytest.fixture(params=["memory", "https"])
def line(request: pytest.FixtureRequest, tmp_path) -> Iterator[Line]:
    if request.param == "memory":
        fake = MemoryCaller()
        yield Line(
            fake,
            "https://ops.example.com/end",
            lambda: [content for _, content in fake.called],
            lambda broken: setattr(fake, "failures", 10**6 if broken else 0),
        )
        return
    with HttpsListener(tmp_path) as listener:
        yield Line(
            HttpsCaller(lambda: "key", listener.trusted, lambda address: True),
            f"{listener.url}/end",
            lambda: [body for _, _, body in listener.received],
            lambda broken: listener.answers.update({"/end": 503 if broken else 204}),
        )


def test_what_is_told_arrives_each_time(line):
    line.caller.call(line.url, b'{"status": "succeeded"}', NOW)
    line.caller.call(line.url, b'{"status": "succeeded"}', NOW)
    assert line.arrived() == [b'{"status": "succeeded"}'] * 2


def test_a_service_that_is_out_of_order_is_to_be_called_again(line):
    line.out_of_order(True)
    with pytest.raises(TransientError, match="callback to"):
        line.caller.call(line.url, b"{}", NOW)
    line.out_of_order(False)
    line.caller.call(line.url, b"{}", NOW)
    assert line.arrived()[-1] == b"{}"
