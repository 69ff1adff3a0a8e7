"""The broker as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage

from tests.local.servicebus.bench import QUEUE, THE_SDK_LEAKS

pytestmark = [THE_SDK_LEAKS, pytest.mark.usefixtures("tidy")]
COMMAND = [sys.executable, "-W", "error", "-m", "local.servicebus", "--queue", QUEUE]


def start(*options: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_messages_outlive_the_process(how, tmp_path):
    database = str(tmp_path / "bus.db")
    process, connection_string = start("--db", database)
    with (
        ServiceBusClient.from_connection_string(connection_string) as client,
        client.get_queue_sender(QUEUE) as sender,
    ):
        sender.send_messages(ServiceBusMessage("kept"))
        process.send_signal(how)
        out, errors = process.communicate(timeout=20)
    assert (out, errors) == ("", "")
    assert process.returncode == (-how if how is signal.SIGKILL else 0)
    process, connection_string = start("--db", database)
    with (
        ServiceBusClient.from_connection_string(connection_string) as client,
        client.get_queue_receiver(QUEUE) as receiver,
    ):
        (message,) = receiver.receive_messages(max_wait_time=5)
        assert str(message) == "kept"
    process.terminate()
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 0
