"""Ways to make life hard for a running stack, each undone at the end of its context."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from local.stack import SECRET, Stack


@contextmanager
def settings_changed(stack: Stack, settings: Mapping[str, str]) -> Iterator[None]:
    """Function app and workers run with other settings."""
    with worker_settings(stack, settings):
        stack.host.restart()
        yield
    stack.host.restart()


@contextmanager
def worker_settings(stack: Stack, settings: Mapping[str, str]) -> Iterator[None]:
    """The workers run with other settings; the function app does not."""
    before = dict(stack.environment)
    stack.environment.update(settings)
    replace_workers(stack)
    try:
        yield
    finally:
        stack.environment.clear()
        stack.environment.update(before)
        replace_workers(stack)


def replace_workers(stack: Stack, count: int = 2) -> None:
    stop_workers(stack)
    for _ in range(count):
        stack.add_worker()


def stop_workers(stack: Stack) -> None:
    for worker in stack.workers:
        worker.terminate()
        worker.wait()


@contextmanager
def secret(stack: Stack, text: str) -> Iterator[None]:
    """The secret with the target's password holds something else."""
    (stack.secrets / SECRET).write_text(text)
    try:
        yield
    finally:
        (stack.secrets / SECRET).write_text(stack.target.admin_password)


@contextmanager
def slow_target(stack: Stack) -> Iterator[None]:
    """Every new session waits a second, so that there is a middle to be killed in."""
    _set(stack, "post_auth_delay = '1s'")
    try:
        yield
    finally:
        _set(stack, "post_auth_delay = 0")


def _set(stack: Stack, parameter: str) -> None:
    with psycopg.connect(stack.target.superuser_conninfo(), autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET {parameter}")  # type: ignore[call-overload]
        connection.execute("SELECT pg_reload_conf()")
