"""The exemplar section in a real browser: a finished pair, its matches, a run that is stopped."""

import pytest
from playwright.sync_api import expect

from e2e.visit import SLOW, Visit

pytestmark = pytest.mark.browser


@pytest.fixture
def visit(browser, app):
    visit = Visit(browser, app, path="?tab=face-to-face", viewport={"width": 1366, "height": 900})
    yield visit
    visit.check_clean()
    visit.page.context.close()


def pick_first_pair(page):
    page.locator("#cx-exemplar-pairs button").first.click()
    expect(page.locator("#cx-exemplar-status")).to_contain_text("finished example", timeout=SLOW)


def test_a_finished_pair_shows_its_result_and_its_matches(visit):
    page = visit.page
    pick_first_pair(page)
    expect(page.locator("#cx-exemplar-live img")).to_be_visible(timeout=SLOW)
    expect(page.locator("#cx-exemplar-losses polyline")).to_have_count(4)
    for side in ("source", "target"):  # the pickers hold the pair, to be changed
        expect(page.locator(f"#cx-exemplar-{side}-picture img")).to_be_visible()
        expect(page.locator(f"#cx-exemplar-{side}-view")).to_contain_text("This is used")
    page.get_by_role("tab", name="Eyes to eyes?").click()
    expect(page.locator("#cx-exemplar-result img")).to_be_visible()
    before = visit.source("cx-exemplar-matched")
    visit.click_picture("cx-exemplar-result", 0.36, 0.42)
    visit.wait_for_new("cx-exemplar-matched", before, timeout=SLOW)
    expect(page.locator("#cx-exemplar-told li")).to_have_count(5)


def test_a_run_can_be_stopped_and_keeps_what_there_is(visit):
    page = visit.page
    pick_first_pair(page)
    page.locator("#cx-exemplar-run").click()
    expect(page.locator("#cx-exemplar-status")).to_contain_text("left", timeout=SLOW)
    page.locator("#cx-exemplar-stop").click()
    expect(page.locator("#cx-exemplar-status")).to_contain_text("Stopped after", timeout=SLOW)
    expect(page.locator("#cx-exemplar-crop")).to_be_visible()


def test_without_faces_it_is_a_sentence(visit):
    page = visit.page
    page.locator("#cx-exemplar-run").click()
    expect(page.get_by_text("Choose a picture for the source face first")).to_be_visible()
