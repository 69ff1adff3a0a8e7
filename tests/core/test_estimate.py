"""How long and how large, as ranges: for a person to know whether to wait or to go to bed."""

from restore.core.estimate import Estimate, Load, estimate

MB = 1_000_000


def test_nothing_to_load_takes_the_time_of_the_tasks():
    assert estimate([]) == estimate([Load("schema", 10**9)]) == Estimate(10, 10)


def test_the_range_holds_what_was_measured():
    """Source: bench/results/engine.json; `tiny` has 25,000 tables and 100,000 large objects."""
    for engine, size_mb, tables, seconds in (
        ("stream", 207.3, 1, 11.7),
        ("stream", 124.2, 1, 20.1),
        ("stream", 125.5, 300, 14.5),
        ("stream", 32.7, 25_000, 36.5),
        ("pg_restore", 209.9, 300, 23.1),
        ("pg_restore", 125.5, 300, 69.5),
        ("pg_restore", 32.7, 25_000, 67.1),
    ):
        expected = estimate([Load(engine, int(size_mb * MB), tables)])
        assert expected.least_seconds <= seconds + 10 <= expected.most_seconds  # with the tasks


def test_the_range_of_sizes_holds_what_was_measured():
    for size_bytes, tables, found_bytes in (
        (12_319_362, 10, 44_531_712),
        (13_224_068, 300, 109_428_736),
        (8_493_651, 5, 39_133_184),
        (1_286_240, 1000, 71_712_768),
    ):
        expected = estimate([Load("stream", size_bytes, tables)])
        assert expected.least_bytes <= found_bytes <= expected.most_bytes


def test_databases_share_one_server_so_their_times_add_up():
    one, two = Load("psql", 100 * MB), Load("pg_restore", 100 * MB)
    both = estimate([one, two], replaced_bytes=7)
    assert both.most_seconds == sum(estimate([load]).most_seconds for load in (one, two)) - 10
    assert both.replaced_bytes == 7
    assert not estimate([Load("stream", 100 * MB)]).is_large
    assert estimate([Load("stream", 1000 * MB)]).is_large
