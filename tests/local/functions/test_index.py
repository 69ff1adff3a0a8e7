"""Odd apps: in Azure each of them has no functions at all, or could not be served here."""

from __future__ import annotations

import asyncio
import importlib.util
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from local.functions import index
from local.functions.errors import FunctionAppError

HEAD = """
import functools
from typing import List, Optional
import azure.functions as func
app = func.FunctionApp()
"""
BUS = '@app.service_bus_queue_trigger(arg_name="msg", queue_name="q", connection="BUS")\n'
OUT = '@app.service_bus_queue_output(arg_name="out", queue_name="q", connection="BUS")\n'
HTTP = '@app.route(route="x")\n'
TIMER = '@app.timer_trigger(arg_name="timer", schedule="0 * * * * *")\n'
EVENT = '@app.event_grid_trigger(arg_name="event")\n'

REFUSED = {
    "a parameter that is not the binding's": BUS + "def f(message: func.ServiceBusMessage): pass",
    "an extra parameter with a default": BUS + "def f(msg: func.ServiceBusMessage, svc=None): pass",
    "a parameter that is missing": BUS + "def f(): pass",
    "the annotation of another trigger": TIMER + "def f(timer: func.HttpRequest): pass",
    "a message as dict": BUS + "def f(msg: dict): pass",
    "an optional message": BUS + "def f(msg: Optional[func.ServiceBusMessage]): pass",
    "an event as dict": EVENT + "def f(event: dict): pass",
    "an event of either type": EVENT + "def f(event: func.EventGridEvent | func.CloudEvent): pass",
    "a context of another type": TIMER + "def f(timer: func.TimerRequest, context: str): pass",
    "two function apps": TIMER
    + "def f(timer: func.TimerRequest): pass\nother = func.FunctionApp()",
    "no function app": "del app",
    "an output that is not Out": BUS + OUT + "def f(msg: func.ServiceBusMessage, out: str): pass",
    "an Out of a message": BUS
    + OUT
    + "def f(msg: func.ServiceBusMessage, out: func.Out[func.ServiceBusMessage]): pass",
    "an Out of a list": BUS
    + OUT
    + "def f(msg: func.ServiceBusMessage, out: func.Out[List[str]]): pass",
    "an optional response": HTTP + "def f(req: func.HttpRequest) -> func.HttpResponse | None: pass",
    "a response as dict": HTTP + "def f(req: func.HttpRequest) -> dict: pass",
    "the same name twice": 2 * (TIMER + "def f(timer: func.TimerRequest): pass\n"),
    "no trigger": OUT + "def f(out: func.Out[str]): pass",
    "no function": "",
    "a syntax error": "def f(:",
    "an error at import": "import there_is_no_such_module",
}
ACCEPTED = {
    "a text result on a timer": TIMER + "def f(timer: func.TimerRequest) -> str: return ''",
    "no annotations": BUS + "def f(msg): pass",
    "an event as text": EVENT + "def f(event: str): pass",
    "an event as bytes": EVENT + "def f(event: bytes): pass",
    "an event as CloudEvent": EVENT + "def f(event: func.CloudEvent): pass",
    "a context": TIMER + "def f(timer: func.TimerRequest, context: func.Context): pass",
    "a text response": HTTP + "def f(req: func.HttpRequest) -> str: return ''",
    "a wrapped function": "def twice(g):\n"
    "    @functools.wraps(g)\n"
    "    def wrapper(*args, **kwargs): return g(*args, **kwargs)\n"
    "    return wrapper\n" + TIMER + "@twice\ndef f(timer: func.TimerRequest): pass",
    "an asynchronous function": HTTP
    + "async def f(req: func.HttpRequest) -> func.HttpResponse: pass",
}
NOT_SERVED_HERE = {
    "a blob trigger": '@app.blob_trigger(arg_name="b", path="c/{n}", connection="BUS")\n'
    "def f(b: func.InputStream): pass",
    "a good output": BUS + OUT + "def f(msg: func.ServiceBusMessage, out: func.Out[str]): pass",
    "a topic": '@app.service_bus_topic_trigger(arg_name="msg", topic_name="t", connection="BUS",'
    ' subscription_name="s")\ndef f(msg: func.ServiceBusMessage): pass',
    "batches": '@app.service_bus_queue_trigger(arg_name="msg", queue_name="q", connection="BUS",'
    ' cardinality="many")\ndef f(msg: List[func.ServiceBusMessage]): pass',
    "a setting that is missing": '@app.timer_trigger(arg_name="timer", schedule="%NONE%")\n'
    "def f(timer: func.TimerRequest): pass",
}

HAS_RUNTIME = importlib.util.find_spec("azure_functions_runtime") is not None
INVOKERS = ["runtime", "library"] if HAS_RUNTIME else ["library"]


def indexed(by: str, directory: Path) -> list[str] | str:
    """The functions' names, or the refusal; runs in a process of its own, as a host does."""
    module = importlib.import_module(f"local.functions.{by}")
    invoker = module.RuntimeInvoker() if by == "runtime" else module.LibraryInvoker()
    try:
        return sorted(index.functions(asyncio.run(invoker.index(directory)), {"BUS": "given"}))
    except FunctionAppError as error:
        return error.message
    finally:
        invoker.close()


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """A fresh process per app, forked from one that has imported everything already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", *(f"local.functions.{by}" for by in INVOKERS)])
    with ProcessPoolExecutor(1, mp_context=context, max_tasks_per_child=1) as pool:
        yield pool


def answer(
    processes: ProcessPoolExecutor, by: str, source: str, directory: Path
) -> list[str] | str:
    (directory / "function_app.py").write_text(HEAD + source + "\n")
    return processes.submit(indexed, by, directory).result(60)


@pytest.mark.parametrize("by", INVOKERS)
@pytest.mark.parametrize("case", REFUSED)
def test_an_odd_app_is_refused_as_in_azure(
    case: str, by: str, processes: ProcessPoolExecutor, tmp_path: Path
) -> None:
    assert "expected" in str(answer(processes, by, REFUSED[case], tmp_path))


@pytest.mark.parametrize("by", INVOKERS)
@pytest.mark.parametrize("case", ACCEPTED)
def test_an_app_that_only_looks_odd_is_indexed(
    case: str, by: str, processes: ProcessPoolExecutor, tmp_path: Path
) -> None:
    assert answer(processes, by, ACCEPTED[case], tmp_path) == ["f"]


@pytest.mark.parametrize("by", INVOKERS)
@pytest.mark.parametrize("case", NOT_SERVED_HERE)
def test_what_this_host_cannot_serve_is_said_at_the_start(
    case: str, by: str, processes: ProcessPoolExecutor, tmp_path: Path
) -> None:
    message = answer(processes, by, NOT_SERVED_HERE[case], tmp_path)
    assert isinstance(message, str)
    assert "function 'f'" in message
    assert "expected" in message


@pytest.mark.parametrize("by", INVOKERS)
def test_annotations_may_be_texts(by: str, processes: ProcessPoolExecutor, tmp_path: Path) -> None:
    source = "from __future__ import annotations\n" + HEAD + BUS
    (tmp_path / "function_app.py").write_text(source + "def f(msg: func.ServiceBusMessage): pass\n")
    assert processes.submit(indexed, by, tmp_path).result(60) == ["f"]


@pytest.mark.parametrize("by", INVOKERS)
def test_a_folder_without_an_app_is_refused(
    by: str, processes: ProcessPoolExecutor, tmp_path: Path
) -> None:
    assert "found none" in str(processes.submit(indexed, by, tmp_path).result(60))
