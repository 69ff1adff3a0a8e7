from datetime import timedelta

import pytest

from local.functions import timespan
from local.functions.errors import FunctionAppError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:00:30", timedelta(seconds=30)),
        ("00:05:00", timedelta(minutes=5)),
        ("00:00:00.25", timedelta(milliseconds=250)),
        ("23:59:59", timedelta(hours=23, minutes=59, seconds=59)),
        ("01:30", timedelta(hours=1, minutes=30)),
        ("2.03:00:00", timedelta(days=2, hours=3)),
        ("24:00:00", timedelta(days=24)),
        ("99:00:00", timedelta(days=99)),
    ],
)
def test_a_time_span_is_read_as_dotnet_reads_it(text: str, expected: timedelta) -> None:
    assert timespan.parse(text) == expected


@pytest.mark.parametrize("text", ["", "30", "00:61:00", "00:00:75", "1.24:00:00", "one hour"])
def test_what_is_no_time_span_is_refused_with_the_format(text: str) -> None:
    with pytest.raises(FunctionAppError, match="time span: expected") as caught:
        timespan.parse(text)
    assert "hh:mm:ss" in caught.value.hint
