"""The rivals of the loss lab in a real browser: a pair at once, a live run, stop, a phone."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from e2e.visit import SLOW, Visit

pytestmark = pytest.mark.browser


def open_section(browser, app, **options):
    visit = Visit(browser, app, path="?tab=loss-lab", **options)
    visit.page.get_by_role("tab", name="Rivals").click()
    expect(visit.page.locator("#cx-riv-cards .cxr-card").first).to_be_visible(timeout=SLOW)
    return visit


@pytest.fixture
def visit(browser, app):
    visit = open_section(browser, app, viewport={"width": 1366, "height": 900})
    yield visit
    visit.check_clean()
    visit.page.context.close()


def test_a_pair_shows_its_results_then_a_live_run_is_watched_and_stopped(visit):
    page = visit.page
    cards = page.locator("#cx-riv-cards .cxr-card")
    expect(cards).to_have_count(5)
    first = page.locator("#cx-riv-cards .cxr-note").inner_text()
    page.locator("#cx-riv-pairs button").nth(1).click()
    expect(page.locator("#cx-riv-cards .cxr-note")).not_to_have_text(first)
    expect(page.locator("#cx-riv-status")).to_contain_text("Computed before")
    expect(page.locator("#cx-riv-gif")).to_be_hidden()  # a stored result has no steps

    visit.set_number("cx-riv-size", 64)
    visit.set_number("cx-riv-num_steps", 200)
    page.locator("#cx-riv-run").click()
    expect(page.locator("#cx-riv-status")).to_contain_text("s left", timeout=SLOW)
    expect(cards.last).to_contain_text("step", timeout=SLOW)
    page.locator("#cx-riv-stop").click()
    expect(page.locator("#cx-riv-status")).to_contain_text("Stopped", timeout=SLOW)
    files = page.locator("#cx-riv-gif")  # those of this run, which writes them when it ends
    expect(files).to_be_visible(timeout=SLOW)
    with page.expect_download() as download:
        page.locator("#cx-riv-json").click()
    stored = json.loads(Path(download.value.path()).read_text())
    assert stored["config"]["size"] == 64
    assert 0 < stored["results"]["gram"]["steps"] < 200


def test_the_cards_wrap_on_a_phone(browser, app):
    visit = open_section(browser, app, viewport={"width": 1366, "height": 844})
    visit.page.set_viewport_size({"width": 390, "height": 844})  # a phone hides some tabs in a menu
    boxes = [card.bounding_box() for card in visit.page.locator(".cxr-card").all()]
    assert len({round(box["x"]) for box in boxes}) == 2
    assert all(box["x"] + box["width"] <= 390 for box in boxes)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
    visit.check_clean()
    visit.page.context.close()
