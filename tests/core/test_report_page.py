"""The page tells all that the report tells, needs nothing from elsewhere, and runs nothing."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from restore.core.facts import Finding
from restore.core.messages import Check
from restore.core.options import Approval, Level
from restore.core.report_page import page
from restore.core.state import Phase, Undo, UndoState
from tests.core.test_life import BROKEN, NOW, REQUEST, database, prepared
from tests.core.test_report import ended, told

SIGNATURE = {"algorithm": "Ed25519", "keyId": "0a1b", "publicKey": "", "value": "dmFsdWU="}


class Reader(HTMLParser):
    """The text of a page; every tag closes what it opens."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.links, self.tags = [], "", [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "action")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + " "


def read(restore, signature=None):
    reader = Reader()
    reader.feed(page({"report": told(restore), "signature": signature}))
    assert reader.open == []
    assert reader.links == []
    assert "script" not in reader.tags
    return " ".join(reader.text.split())


def test_a_page_says_how_it_ended_and_what_was_compared():
    text = read(ended())
    for said in (
        "Restore 0123456789abcdef",
        "succeeded",
        "10 of 10 expected",
        "counts 3 tables all equal",
        "Not checked by catalog: 2 × COMMENT",
        "RTO 1 h 0 min",
        "RPO 0.0 s",
        "This report is not signed",
    ):
        assert said in text


def test_a_signed_page_says_how_to_check_it():
    text = read(ended(), SIGNATURE)
    assert "Key 0a1b" in text
    assert "python -m restore verify-report 0123456789abcdef.json" in text


def test_what_went_wrong_stands_in_front():
    story = prepared("crm").done("roles").failed("database-0", BROKEN).done("cleanup")
    text = read(story.restore)
    assert text.index(BROKEN.message) < text.index("Databases")
    assert "crm not published" in text
    assert "not counted" in text
    assert "counts – – not done: it was not reached" in text
    assert "RTO unknown" in text
    hinted = replace(BROKEN, hint="look at the log")
    assert "look at the log" in read(replace(story.restore, failure=hinted))


def test_what_was_lost_differs_or_was_left_out_is_listed():
    differing = Check(Level.CATALOG, 6, "objects", different=("INDEX i: not on the server",))
    content = Check(Level.CONTENT, 3, "tables", hash="ff" * 32)
    result = database("crm", lost=("INDEX i: not on the server",), checks=(differing, content))
    note = Finding("left-out", "PUBLICATION p", "a managed server refuses it")
    asked = replace(REQUEST, verify=Level.CONTENT)
    restore = ended(result, asked, notes=(note,))
    restore = replace(restore, warnings=("<b>careful</b>",), debts=("a membership",))
    text = read(restore)
    for said in (
        "partial",
        "catalog 6 objects 1 differ",
        "Lost: INDEX i: not on the server",
        "Left out on purpose PUBLICATION p",
        "<b>careful</b>",
        "a membership",
        "Hash of all rows: " + "ff" * 32,
    ):
        assert said in text
    assert "<b>careful" not in page({"report": told(restore), "signature": None})


def test_decisions_of_people_are_told():
    asked = replace(ended(), request=replace(REQUEST, approval=Approval.REQUIRED))
    assert "Plan approved no" in read(asked)
    history = (
        replace(asked.history[0], phase=Phase.AWAITING_APPROVAL),
        *asked.history[1:],
    )
    agreed = replace(asked, approved=asked.plan.hash, history=history)
    assert "Plan approved 2026-11-20T03:00:00Z" in read(agreed)
    undone = replace(asked, undo=Undo(UndoState.DONE, NOW, undone=True))
    assert "Undone what was replaced has its name again" in read(undone)


@pytest.mark.parametrize("changes", [{"point": None}, {"files": ()}, {"data_as_of": "x"}])
def test_what_is_not_known_is_left_open(changes):
    assert "Data as of" in read(replace(ended(), **changes))


def test_rows_that_nobody_expected_a_number_of_are_told_as_they_are():
    uncounted = replace(database("crm"), rows_expected=None)
    assert "Rows 10 By" not in read(ended(uncounted))
    assert "Rows 10 Level" in read(ended(uncounted))


def test_a_wait_of_minutes_is_told_in_minutes():
    restore = ended()
    later = replace(restore, created=restore.created.replace(hour=3, minute=57))
    assert "RTO 3 min 10 s" in read(later)
