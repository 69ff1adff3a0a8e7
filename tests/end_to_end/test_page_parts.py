"""The page on canned answers, in a real Chromium: what changes, what stays, who signs in how."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from restore import ui

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: apt-get install chromium")

ID = "0123456789abcdef"
SITE = "https://app.example.com"
PAGE = f"{SITE}/api/ui/restores/{ID}"
WARNING = "database 'crm': 3 indexes use a collation the target has not"
COMMAND = "az postgres flexible-server parameter set --name max_wal_size --value 65536"
STATUS: dict[str, Any] = {
    "id": ID,
    "status": "restoring",
    "ended": False,
    "doing": "worker: database-0",
    "created": "2026-11-26T03:00:00Z",
    "updated": "2026-11-26T03:10:00Z",
    "seconds": 600,
    "target": {"host": "pg2.example.com", "port": 5432},
    "warnings": [WARNING],
    "fixes": [{"about": WARNING, "hint": "make it larger", "commands": [COMMAND]}],
    "notes": [],
    "links": {"self": "", "cancel": ""},
    "history": [{"at": "2026-11-26T03:00:00Z", "status": "restoring"}],
    "databases": [
        {
            "name": "crm",
            "target": "crm",
            "state": "sent",
            "phase": "data",
            "engine": "stream",
            "bytes": {"done": 100, "total": 1000},
            "tablesLoading": [{"table": "public.t", "bytes": {"done": 1, "total": 2}, "rows": 1}],
            "phases": [{"phase": "schema", "seconds": 4.0}, {"phase": "data", "seconds": 12.0}],
        }
    ],
}


class Site:
    """What the app answers; how often, and with which key, it was asked."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.status = copy.deepcopy(STATUS)
        self.code = 200
        self.signed_in: bool | None = None  # None: there is no sign-in here
        self.keys: list[str | None] = []
        page.route("**/*", self._answer)

    def _answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(SITE)
        if path.startswith("/api/ui"):
            html, headers = ui.page()
            route.fulfill(body=html, headers=headers, content_type="text/html")
        elif path.startswith("/.auth/me"):
            code = 404 if self.signed_in is None else 200
            route.fulfill(status=code, json=[{"user_id": "a"}] if self.signed_in else [])
        elif path.startswith("/.auth/login/aad"):
            self.signed_in = True
            route.fulfill(body="<title>Sign in</title>", content_type="text/html")
        else:
            self.keys.append(route.request.headers.get("x-functions-key"))
            key = self.keys[-1] == "key" or self.signed_in
            code = self.code if key else 401
            route.fulfill(status=code, json=self.status if code == 200 else {})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose clock stands, and that can be hidden; what its console says is an error."""
    context = browser.new_context()
    context.add_init_script(
        "Object.defineProperty(document, 'hidden', {get: () => Boolean(window.isHidden)});"
    )
    page = context.new_page()
    page.clock.install()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    yield page
    context.close()
    assert [said for said in complaints if "Failed to load resource" not in said] == []


@pytest.fixture
def site(page: Page) -> Site:
    """The page of a restore, by who has the key."""
    page.add_init_script("sessionStorage.setItem('restore-function-key', 'key')")
    site = Site(page)
    page.goto(PAGE)
    expect(page.locator("#state")).to_contain_text("Restoring")
    return site


def asked_after(site: Site, seconds: float) -> bool:
    """Whether the page asks again once so much time has gone by."""
    before = len(site.keys)
    site.page.clock.run_for(seconds * 1000)
    site.page.wait_for_timeout(50)
    return len(site.keys) > before


def test_who_has_something_open_or_is_at_a_button_stays_there(site):
    page = site.page
    page.locator("summary", has_text="Tables being loaded").focus()
    page.keyboard.press("Enter")
    crm = site.status["databases"][0]
    crm["bytes"]["done"] = 500
    crm["tablesLoading"][0]["table"] = "public.another"
    site.status["warnings"].insert(0, "another warning, before the first")
    assert asked_after(site, 3)
    expect(page.get_by_text("500 bytes of 1000 bytes")).to_be_visible()
    expect(page.get_by_text("public.another")).to_be_visible()  # so it is open still
    expect(page.locator("summary", has_text="Tables being loaded")).to_be_focused()
    page.get_by_role("button", name="Copy").focus()
    site.status["warnings"].pop(0)
    crm["bytes"]["done"] = 600
    assert asked_after(site, 3)
    expect(page.get_by_text("600 bytes of 1000 bytes")).to_be_visible()
    expect(page.get_by_role("button", name="Copy")).to_be_focused()
    expect(page.get_by_role("listitem").filter(has_text=WARNING)).to_have_count(1)


def test_each_database_is_a_bar_by_phase(site):
    page = site.page
    bars = page.locator(".phases span")
    expect(bars).to_have_count(2)
    schema, data = (bars.nth(number).bounding_box()["width"] for number in range(2))
    assert 2.5 < data / schema < 3.5
    expect(page.get_by_role("list", name="crm: time of each phase")).to_have_text(
        "tables 4.0 srows 12 s"
    )
    site.status["databases"][0]["phases"].append({"phase": "indexes", "seconds": 16.0})
    assert asked_after(site, 3)
    expect(bars).to_have_count(3)
    expect(page.locator(".phases .running")).to_have_count(1)
    assert bars.nth(2).bounding_box()["width"] > bars.nth(1).bounding_box()["width"]


def test_a_warning_has_its_cure_beside_it(site):
    warning = site.page.get_by_role("listitem").filter(has_text=WARNING)
    expect(warning.locator("pre")).to_have_text(COMMAND)
    expect(warning.get_by_role("button", name="Copy")).to_be_visible()


def test_a_hidden_tab_asks_seldom_and_a_shown_one_at_once(site):
    page = site.page
    assert asked_after(site, 3)
    page.evaluate("window.isHidden = true")
    assert asked_after(site, 3)  # that was on its way
    assert not asked_after(site, 12)
    assert asked_after(site, 4)
    asked = len(site.keys)
    page.evaluate("window.isHidden = false")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(50)
    assert len(site.keys) > asked


def test_a_lost_connection_is_asked_for_less_and_less(site):
    site.code = 503
    assert asked_after(site, 3)
    expect(site.page.locator("#connection")).to_contain_text("Connection lost")
    assert not asked_after(site, 3)
    assert asked_after(site, 2)
    assert not asked_after(site, 7)
    site.code = 200
    assert asked_after(site, 2)
    expect(site.page.locator("#connection")).to_be_empty()


def test_who_signs_in_with_microsoft_needs_no_key(page):
    site = Site(page)
    site.signed_in = False
    page.goto(PAGE)
    expect(page.get_by_label("Function key")).to_be_visible()
    page.get_by_role("link", name="Or sign in with Microsoft").click()
    assert (
        page.url == f"{SITE}/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Fui%2Frestores%2F{ID}"
    )
    page.goto(PAGE)
    expect(page.locator("#state")).to_contain_text("Restoring")
    expect(page.get_by_label("Function key")).to_have_count(0)
    assert set(site.keys) == {None}


def test_without_a_sign_in_only_the_key_is_asked_for(page):
    Site(page)
    page.goto(PAGE)
    expect(page.get_by_label("Function key")).to_be_visible()
    expect(page.get_by_role("link", name="Or sign in with Microsoft")).to_have_count(0)
    page.get_by_label("Function key").fill("key")
    page.get_by_role("button", name="Show the restores").click()
    expect(page.locator("#state")).to_contain_text("Restoring")
    assert "key" not in page.url.removeprefix(SITE)
