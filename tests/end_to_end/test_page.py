"""The page in a real Chromium, on the running app: watch, approve, cancel, undo, by anybody."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from local.stack import ROOT, Stack

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs Chromium: apt-get install chromium")

AXE = ROOT / "local/node_modules/axe-core/axe.min.js"
IMAGES = ROOT / "docs/images"
PHONE = {"width": 375, "height": 760}
QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update")
HOSTILE = "<img src=x onerror=\"document.title='gone'\"><script>document.title='gone'</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync", *QUIET],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A page that knows the key; whatever its console complains of is an error."""
    context = browser.new_context(color_scheme="light")
    context.add_init_script(
        f"sessionStorage.setItem('restore-function-key', {json.dumps(stack.client.key)})"
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    yield page
    context.close()
    assert [said for said in complaints if "Failed to load resource" not in said] == []


def address(stack: Stack, restore_id: str = "") -> str:
    return f"{stack.client.url}/api/ui" + (f"/restores/{restore_id}" if restore_id else "")


def started(stack: Stack, **changes: object) -> str:
    return str(stack.client.start(stack.request(**changes)).body["id"])


def accessible(page: Page) -> None:
    """No violation that axe-core knows, in light and in dark, and nothing wider than a phone."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found["violations"]] == []
    before = page.viewport_size
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.set_viewport_size(before)
    page.emulate_media(color_scheme="light")


def pictured(page: Page, name: str) -> None:
    """For the documents, when somebody asks for them."""
    if os.environ.get("RESTORE_SCREENSHOTS"):
        IMAGES.mkdir(exist_ok=True)
        page.screenshot(path=str(IMAGES / f"{name}.png"), full_page=True)


def test_a_plan_is_approved_by_keyboard_and_watched_to_its_end_and_undone(page, stack: Stack):
    stack.wait(started(stack))
    restore_id = started(stack, approval="required", onExisting="swap")
    page.goto(address(stack))
    page.get_by_role("link", name=stack.target.host).first.wait_for()
    accessible(page)
    pictured(page, "list")
    page.goto(address(stack, restore_id))
    expect(page.get_by_text("Waits for your approval")).to_have_count(2)
    page.locator("#approve").wait_for()
    expect(page.get_by_text("on this server")).to_be_visible()  # the first one foretells it
    accessible(page)
    pictured(page, "approval")
    page.set_viewport_size(PHONE)
    pictured(page, "approval-phone")
    page.set_viewport_size({"width": 1280, "height": 800})

    page.locator("#approve").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    accessible(page)
    page.keyboard.type("another server")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Approve", exact=True)).to_be_disabled()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("Enter")
    page.keyboard.type(stack.target.host)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_hidden()

    expect(page.locator("p.now").first).to_contain_text("Succeeded")
    expect(page.locator(".phases")).to_have_count(3)
    accessible(page)
    page.emulate_media(color_scheme="dark")
    pictured(page, "succeeded-dark")
    page.emulate_media(color_scheme="light")
    with page.expect_download() as saved:
        page.locator("#report").click()
    report = json.loads(Path(saved.value.path()).read_text(encoding="utf-8"))
    assert report["report"]["id"] == restore_id

    page.locator("#undo").click()
    page.get_by_role("textbox").fill(stack.target.host)
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_text("It was undone")).to_be_visible()
    assert stack.client.show(restore_id).body["undo"]["state"] == "done"


def test_a_restore_is_cancelled(page, stack: Stack):
    restore_id = started(stack, approval="required")
    page.goto(address(stack, restore_id))
    page.locator("#approve").wait_for()
    page.locator("#cancel").click()
    page.get_by_role("button", name="Not now").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.locator("#cancel").click()
    page.get_by_role("button", name="Cancel the restore").click()
    expect(page.locator("p.now").first).to_contain_text("Cancelled")
    assert stack.client.show(restore_id).body["status"] == "cancelled"


def test_without_a_key_there_is_no_data_and_the_key_is_in_no_address(browser, stack: Stack):
    restore_id = started(stack, dryRun=True)
    context = browser.new_context()
    page = context.new_page()
    page.goto(address(stack, restore_id))
    page.get_by_label("Function key").fill("wrong")
    assert stack.target.host not in page.content()
    page.keyboard.press("Enter")
    expect(page.get_by_text("This key was not accepted.")).to_be_visible()
    page.get_by_label("Function key").fill(stack.client.key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=stack.target.host)).to_be_visible()
    assert stack.client.key not in page.url
    assert stack.client.key not in page.content()
    assert page.evaluate("localStorage.length + document.cookie.length") == 0
    context.close()


def test_nothing_from_a_database_is_taken_for_html(page, stack: Stack):
    restore_id = started(stack, dryRun=True)
    stack.wait(restore_id)
    status = stack.client.show(restore_id).body
    plan = stack.client.plan(restore_id).body
    status.update(warnings=[HOSTILE], doing=HOSTILE, stuck=HOSTILE, dataAsOf=HOSTILE)
    eta = {"seconds": 300, "least": 60, "most": 7200, "late": True, "basis": HOSTILE}
    status.update(ended=False, eta=eta)
    status["error"] = {"code": HOSTILE, "message": HOSTILE, "hint": HOSTILE}
    for one in status["databases"]:
        one.update(name=HOSTILE, target=HOSTILE, phase=HOSTILE, lost=[HOSTILE])
        one["failures"] = [{"code": HOSTILE, "message": HOSTILE}]
    for finding in plan["findings"]:
        finding.update(object=HOSTILE, message=HOSTILE, hint=HOSTILE, fix=[HOSTILE])
    for one in plan["databases"]:
        one.update(target=HOSTILE, beforePublish=[HOSTILE])
    page.route(f"**/api/restores/{restore_id}", lambda route: route.fulfill(json=status))
    page.route(f"**/api/restores/{restore_id}/plan", lambda route: route.fulfill(json=plan))
    page.goto(address(stack, restore_id))
    expect(page.get_by_text(HOSTILE).first).to_be_visible()
    expect(page.locator("#doing")).to_contain_text(
        "longer than expected, about 5 min left (60 s to 2 h"
    )
    assert page.locator("main img, main script").count() == 0
    assert "gone" not in page.title()
    accessible(page)


def test_a_plan_that_could_not_be_read_at_once_is_asked_for_again(page, stack: Stack):
    """The status does not change while it waits for an approval: it must not count as shown."""
    restore_id = started(stack, approval="required")
    stack.wait(restore_id, lambda status: status["status"] == "awaiting_approval")
    plan = f"**/api/restores/{restore_id}/plan"
    page.route(plan, lambda route: route.fulfill(status=503, json={}))
    page.goto(address(stack, restore_id))
    expect(page.get_by_text("Connection lost")).to_be_visible()
    page.unroute(plan)
    page.locator("#approve").wait_for()
    stack.client.cancel(restore_id)
    stack.wait(restore_id)


def test_a_lost_connection_is_said_and_found_again(page, stack: Stack):
    restore_id = started(stack, approval="required")
    page.goto(address(stack, restore_id))
    page.locator("#approve").wait_for()
    page.route("**/api/restores/**", lambda route: route.fulfill(status=503, json={}))
    expect(page.get_by_text("Connection lost")).to_be_visible()
    page.unroute("**/api/restores/**")
    expect(page.get_by_text("Connection lost")).to_be_hidden()
    stack.client.cancel(restore_id)
    stack.wait(restore_id)
