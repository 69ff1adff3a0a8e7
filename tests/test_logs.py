"""Every event carries the ids it is searched by, and nothing that a library attached."""

import json
import logging

import pytest

from restore import logs

RESTORE = "0123456789abcdef"


@pytest.fixture
def ours():
    """The logger of the project, put back as it was."""
    logger = logging.getLogger("restore")
    before = (logger.level, logger.propagate, logger.handlers)
    yield logger
    logger.level, logger.propagate, logger.handlers = before


def test_a_line_is_json_with_the_fields_of_the_event_alone():
    record = logging.makeLogRecord({"msg": "task", "restore": RESTORE, "password": "secret"})
    line = json.loads(logs.JsonFormatter().format(record))
    assert (line["event"], line["restore"]) == ("task", RESTORE)
    assert "secret" not in str(line)


def test_the_functions_host_is_handed_the_fields_in_the_message_once(ours, caplog):
    logs.through_host()
    logs.through_host()
    logging.getLogger("restore.storage").warning("left out", extra={"restore": RESTORE})
    (record,) = caplog.records
    assert record.name == "restore.storage"
    assert json.loads(record.getMessage())["restore"] == RESTORE


def test_a_traceback_is_part_of_the_message(ours, caplog):
    logs.through_host()
    try:
        raise ValueError("odd")
    except ValueError:
        ours.exception("tick", extra={"restore": RESTORE})
    (record,) = caplog.records
    assert "ValueError: odd" in json.loads(record.getMessage())["traceback"]
    assert record.exc_info is None
