from __future__ import annotations

import threading

import pytest

from restore.core import archive
from restore.core.facts import Locale
from restore.core.toc import Head
from restore.engine.meter import Meter
from restore.worker import fence, properties, public
from restore.worker.database import create_statement
from restore.worker.stop import Reason, Stop, StoppedError
from restore.worker.verify.names import name_of
from restore.worker.watch import Departure
from tests.worker.bench import DATA


def wait_and_fail(stop, ended):
    with stop.ending(ended.set):
        threading.Thread(target=stop.order, args=(Reason.CANCELLED,)).start()
        ended.wait(10)
        raise ValueError("what was ended early looks like a failure")


def test_a_stop_ends_what_is_waited_for_and_what_comes_later():
    stop, ended = Stop(), threading.Event()
    with pytest.raises(StoppedError) as caught:
        wait_and_fail(stop, ended)
    assert caught.value.reason is Reason.CANCELLED
    with pytest.raises(StoppedError), stop.ending(ended.set):
        raise AssertionError("never entered")


def test_the_first_reason_to_stop_counts():
    stop = Stop()
    stop.order(Reason.LEAVING)
    stop.order(Reason.CANCELLED)
    assert stop.reason is Reason.LEAVING


def test_an_error_without_an_order_to_stop_stays_what_it_is():
    with pytest.raises(ValueError, match="own"), Stop().ending(lambda: None):
        raise ValueError("its own")


def test_a_departure_without_a_task_is_remembered():
    departure = Departure()
    departure.ask(15, None)
    assert departure.asked


def test_the_rate_is_that_of_the_last_seconds():
    now = [0.0]
    meter = Meter(lambda: now[0])
    meter.enter("reading", 1000)
    assert meter.bytes_per_second() == 0
    for second in range(1, 60):
        now[0] = float(second)
        meter.add(100 if second < 30 else 10)
        rate = meter.bytes_per_second()
    assert rate == 10
    meter.enter("counting", 0)
    assert (meter.phase, meter.done_bytes, meter.total_bytes) == ("counting", 0, 0)


def test_each_phase_that_is_over_is_told_with_its_times():
    told = []
    meter = Meter(told=lambda *phase: told.append(phase))
    meter.enter("reading")
    meter.enter("counting")
    meter.leave()
    names, begins, ends = zip(*told, strict=True)
    assert names == ("starting", "reading", "counting")
    assert begins[1:] == ends[:-1]
    assert all(began <= ended for began, ended in zip(begins, ends, strict=True))


def test_fences_are_positive_and_differ_by_staging_name():
    keys = {fence.key_of(f"db__restoring_{n:08x}") for n in range(200)}
    assert len(keys) == 200
    assert all(0 <= key < 2**63 for key in keys)


@pytest.mark.parametrize(
    ("table", "name"),
    [
        (("public", "t"), "public.t"),
        (("Sch ema", 'x"y'), '"Sch ema"."x""y"'),
        (("public", "1st"), 'public."1st"'),
    ],
)
def test_a_table_is_named_as_sql_would(table, name):
    assert name_of(table) == name


@pytest.mark.parametrize(
    ("locale", "version", "expected"),
    [
        (Locale(), 180000, 'CREATE DATABASE "d" TEMPLATE template0'),
        (
            Locale("UTF8", "libc", "en_US.utf8", "C"),
            180000,
            "CREATE DATABASE \"d\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'en_US.utf8'"
            " LC_CTYPE 'C' LOCALE_PROVIDER 'libc'",
        ),
        (
            Locale("UTF8", "", "C", "C"),
            140000,
            "CREATE DATABASE \"d\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
        ),
        (
            Locale("UTF8", "icu", "C", "C", "de-DE"),
            160000,
            "CREATE DATABASE \"d\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
            " LOCALE_PROVIDER 'icu' ICU_LOCALE 'de-DE'",
        ),
        (
            Locale("UTF8", "builtin", "C", "C", "C.UTF-8"),
            180000,
            "CREATE DATABASE \"d\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
            " LOCALE_PROVIDER 'builtin' BUILTIN_LOCALE 'C.UTF-8'",
        ),
    ],
)
def test_a_database_is_created_as_the_server_can_say_it(locale, version, expected):
    assert create_statement("d", locale, version).as_string() == expected


def head_of(name) -> Head:
    content = (DATA / name).read_bytes()
    head = archive.read_head(content, len(content))
    assert isinstance(head, Head)
    return head


def test_what_is_said_about_a_database_is_said_about_its_staging_name():
    found = list(properties.statements(head_of("crm-pg16.dump"), 'st"aging'))
    assert found == ['ALTER DATABASE "st""aging" SET work_mem TO \'8MB\';']


@pytest.mark.parametrize(
    ("statement", "opens"),
    [
        ("GRANT ALL ON SCHEMA public TO PUBLIC;", True),
        ("REVOKE USAGE ON SCHEMA public FROM PUBLIC;\nGRANT ALL ON SCHEMA public TO PUBLIC;", True),
        ("GRANT USAGE,CREATE ON SCHEMA public TO PUBLIC;", True),
        ("GRANT USAGE ON SCHEMA public TO PUBLIC;", False),
        ("GRANT ALL ON SCHEMA public TO app;", False),
        ("GRANT ALL ON SCHEMA public2 TO PUBLIC;", False),
        ("GRANT ALL ON TABLE public.t TO PUBLIC;", False),
    ],
)
def test_a_dump_may_itself_open_schema_public(statement, opens):
    assert public.is_opened_by(statement) is opens
