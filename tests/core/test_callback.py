"""Who wanted to be told of the end is told, or a warning says that it was given up."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from restore.core import callback
from restore.core.events import Called, CancelAsked, Stumbled
from restore.core.messages import Failure
from restore.core.request import parse
from restore.core.request_error import RequestError
from restore.core.state import Do
from tests.core.test_life import Story


def asking(url):
    return json.dumps(
        {
            "source": {"container": "https://a.blob.core.windows.net/files"},
            "target": {"host": "pg2.example.com", "user": "admin"},
            "callback": {"url": url},
        }
    ).encode()


def ended():
    return Story(parse(asking("https://hooks.example.com/r"))).on(CancelAsked())


def test_the_end_is_told_once():
    story = ended()
    assert Do.CALL in story.todo
    assert json.loads(callback.body(story.restore))["status"] == "Canceled"
    assert Do.CALL not in story.on(Called()).todo
    assert story.on(Called()).restore is story.restore


def test_it_is_given_up_with_a_warning():
    story = ended()
    failure = Failure("transient", "callback to x: expected an answer, found none", transient=True)
    for _ in range(10):
        command = next(c for c in story.outbox if c.do is Do.CALL)
        story.on(Stumbled(command, failure), after=300)
    assert Do.CALL not in story.todo
    assert "callback: expected to tell the end" in story.restore.warnings[-1]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://2130706433/",
        "https://a@hooks.example.com/",
        "https://hooks.example.com/?key=1",
        "https://hooks.example.com/#a",
        "https://hooks.example.com\\@10.0.0.1/",
        "https://hooks.example.com",
        "https://localhost/",
    ],
)
def test_a_url_that_hides_something_is_refused(url):
    with pytest.raises(RequestError) as caught:
        parse(asking(url))
    assert url not in str(caught.value)


def test_the_usual_port_needs_no_mention():
    assert callback.host("https://Hooks.example.com:443/a") == "hooks.example.com"
    assert callback.host("https://hooks.example.com:8443/a") == "hooks.example.com:8443"


def test_the_documented_check_knows_ours_from_others():
    text = (Path(__file__).parents[2] / "docs" / "callbacks.md").read_text()
    known: dict[str, object] = {}
    exec(re.search(r"```python\n(.+?)```", text, re.DOTALL)[1], known)
    is_ours = known["is_ours"]
    sent = callback.headers("key", b"{}", datetime.now(UTC))
    assert is_ours("key", sent, b"{}")
    assert not is_ours("key", sent, b"{} ")
    assert not is_ours("other", sent, b"{}")
    old = callback.headers("key", b"{}", datetime(2020, 1, 1, tzinfo=UTC))
    assert not is_ours("key", old, b"{}")
