import pytest

from local.functions import routes
from local.functions.errors import FunctionAppError

GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize(
    ("template", "path", "params"),
    [
        ("health", "/api/health", {}),
        ("health", "/API/Health/", {}),
        ("health", "/health", None),
        ("health", "/api/health/x", None),
        ("health", "/api//health", None),
        ("restores/{id}", "/api/restores/a b", {"id": "a b"}),
        ("restores/{id}", "/api/restores/a%2Fb", {"id": "a%2Fb"}),
        ("restores/{id}", "/api/restores/", None),
        ("restores/{id}/cancel", "/api/restores/7/CANCEL", {"id": "7"}),
        ("n/{id:int}", "/api/n/-12", {"id": "-12"}),
        ("n/{id:int}", "/api/n/12a", None),
        ("n/{id:guid}", f"/api/n/{GUID.upper()}", {"id": GUID.upper()}),
        ("n/{id:guid}", f"/api/n/{GUID.replace('-', '')}", {"id": GUID.replace("-", "")}),
        ("n/{id:guid}", "/api/n/1234", None),
        ("n/{ok:bool}", "/api/n/True", {"ok": "True"}),
        ("n/{word:alpha}", "/api/n/ab1", None),
        ("n/{id?}", "/api/n", {}),
        ("n/{id?}", "/api/n/5", {"id": "5"}),
        ("files/{*rest}", "/api/files/a/b/c", {"rest": "a/b/c"}),
        ("files/{**rest}", "/api/files", {}),
        ("f/{name}.{ext}", "/api/f/a.b.c", {"name": "a.b", "ext": "c"}),
        ("f/v{major}", "/api/f/v2", {"major": "2"}),
        ("dots.and+signs", "/api/dots.and+signs", {}),
        ("dots.and+signs", "/api/dotsxand+signs", None),
    ],
)
def test_a_route_matches_as_in_aspnet(
    template: str, path: str, params: dict[str, str] | None
) -> None:
    assert routes.compile_route(template, "api").match(path) == params


def test_an_empty_prefix_serves_at_the_root() -> None:
    assert routes.compile_route("health", "").match("/health") == {}


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        ("restores/newest", "restores/{id}"),
        ("restores/{id:int}", "restores/{id}"),
        ("restores/v{n}", "restores/{id}"),
        ("restores/{id}", "restores/{*rest}"),
        ("restores/{id}/cancel", "{area}/{id}/cancel"),
        ("restores", "restores/{id?}"),
    ],
)
def test_the_more_exact_route_wins(winner: str, loser: str) -> None:
    assert routes.compile_route(winner).precedence < routes.compile_route(loser).precedence


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("/a%20b", "/a b"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a%2fb", "/a%2Fb"),
        ("/%C3%A9", "/é"),
        ("/%25", "/%"),
    ],
)
def test_a_path_is_decoded_once_and_keeps_its_escaped_slashes(raw: str, decoded: str) -> None:
    assert routes.decode(raw) == decoded


@pytest.mark.parametrize(
    "template",
    [
        "{id:regex(x)}",
        "{id:even}",
        "{id",
        "a}",
        "{*rest}/tail",
        "{id?}/tail",
        "{x}/{x}",
        "a{*rest}",
    ],
)
def test_a_template_this_host_cannot_serve_is_refused(template: str) -> None:
    with pytest.raises(FunctionAppError, match="route template: expected"):
        routes.compile_route(template)
