"""The loss lab in a real browser: bet, run, stop, change, measure, export."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from e2e.visit import SLOW, Visit

pytestmark = pytest.mark.browser


@pytest.fixture
def visit(browser, app):
    visit = Visit(browser, app, path="?tab=loss-lab", viewport={"width": 1366, "height": 900})
    yield visit
    visit.check_clean()
    visit.page.context.close()


def make_it_short(visit, steps):
    visit.page.get_by_role("button", name="Advanced").last.click()
    visit.set_number("cx-mis-num_steps", steps)
    visit.set_number("cx-mis-crop", 48)


def test_a_class_bets_runs_and_takes_the_frames_home(visit):
    page = visit.page
    race = page.locator("#cx-mis-race")
    expect(race.locator(".cxl-scene")).to_be_visible()
    expect(race.get_by_text("shown at the end")).to_be_visible()
    make_it_short(visit, 24)
    page.locator("#cx-mis-bet").get_by_label("Contextual", exact=True).check()
    expect(race.get_by_text("your bet")).to_be_visible()
    expect(page.locator("#cx-mis-num_steps input[type=number]")).to_have_value("24")
    page.locator("#cx-mis-run").click()
    expect(race.locator(".cxl-verdict")).to_contain_text("nearest to the answer", timeout=SLOW)
    expect(page.locator("#cx-mis-table tbody tr")).to_have_count(3)
    expect(page.locator("#cx-mis-curves polyline")).to_have_count(6)
    with page.expect_download() as download:
        page.locator("#cx-mis-json").click()
    stored = json.loads(Path(download.value.path()).read_text())
    assert stored["bet"] == "cx"
    assert stored["steps"] == 24
    with page.expect_download() as download:
        page.locator("#cx-mis-gif").click()
    assert Path(download.value.path()).read_bytes()[:6] == b"GIF89a"


def test_a_race_can_be_stopped_while_another_tab_works(visit):
    page = visit.page
    page.get_by_role("button", name="Advanced").last.click()
    visit.set_number("cx-mis-num_steps", 400)  # enough to outlast the look at the other tab
    page.locator("#cx-mis-run").click()
    expect(page.locator("#cx-mis-status")).to_contain_text("left", timeout=SLOW)
    page.get_by_role("tab", name="Patch similarity").click()
    table = page.locator(".cxm-table, #cx-match table").first
    expect(table).to_be_visible(timeout=SLOW)  # a click's answer does not wait for the race
    page.get_by_role("tab", name="Loss lab").click()
    page.locator("#cx-mis-stop").click()
    expect(page.locator("#cx-mis-status")).to_contain_text("Stopped at step")
    expect(page.locator("#cx-mis-run")).to_be_enabled(timeout=SLOW)  # its files are written
    expect(page.locator("#cx-mis-race .cxl-verdict")).to_be_visible()


def test_another_scene_shows_at_once_and_what_cannot_be_is_said(visit):
    page = visit.page
    noisy = page.locator("#cx-mis-race .cxl-big img").first
    expect(noisy).to_be_visible()
    old = noisy.get_attribute("src")
    page.locator("#cx-mis-strip button").nth(1).click()
    expect(noisy).not_to_have_attribute("src", old)
    visit.set_number("cx-mis-num_targets", 3)
    expect(page.locator("#cx-mis-race .cxl-targets img")).to_have_count(3)
    for label in ("L1", "L2", "Contextual"):
        page.locator("#cx-mis-losses").get_by_label(label, exact=True).uncheck()
    expect(page.locator("#cx-mis-status")).to_contain_text("Choose at least one loss.")


def test_the_meter_opens_with_its_curves_measures_and_shuffles(visit):
    page = visit.page
    page.get_by_role("tab", name="Misalignment meter").click()
    view = page.locator("#cx-meter-view")
    expect(view.locator("polyline")).to_have_count(5)
    expect(view).to_contain_text("Shift by 4 pixels")
    visit.set_number("cx-meter-place", 9)
    expect(view).to_contain_text("Shift by 9 pixels")
    for label in ("Perceptual", "Contextual"):
        page.locator("#cx-meter-losses").get_by_label(label, exact=True).uncheck()
    page.locator("#cx-meter-change").get_by_label("Blur", exact=True).check()
    page.locator("#cx-meter-run").click()
    expect(page.locator("#cx-meter-status")).to_contain_text("Measured", timeout=SLOW)
    expect(view.locator("polyline")).to_have_count(3)
    page.locator("#cx-meter-shuffle").click()
    expect(view).to_contain_text("Patches shuffled", timeout=SLOW)
    row = view.locator(".cxl-bars tr", has_text="Gram")
    expect(row).to_contain_text("0.000")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_lab_fits_a_phone(browser, app, scheme):
    visit = Visit(
        browser, app, path="?tab=loss-lab", viewport={"width": 390, "height": 844},
        has_touch=True, is_mobile=True, color_scheme=scheme,
    )  # fmt: skip
    page = visit.page
    expect(page.locator("#cx-mis-race .cxl-scene")).to_be_visible()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 391
    visit.check_clean()
    page.context.close()
