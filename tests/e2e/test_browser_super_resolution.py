"""The super-resolution tab in a real browser, with the real networks on small pictures."""

import pytest
from PIL import Image
from playwright.sync_api import expect

from e2e.visit import SLOW, Visit

pytestmark = pytest.mark.browser

FACE = 6  # the smallest of the examples
PLACE = "(id) => getComputedStyle(document.querySelector(id)).backgroundPosition"
PLACE_CHANGED = (
    "([id, old]) => getComputedStyle(document.querySelector(id)).backgroundPosition !== old"
)
FIRST_VIEW = ".cx-lens-view"


def open_tab(browser, app, **options):
    visit = Visit(browser, app, path="?tab=super-resolution", **options)
    expect(visit.page.locator("#cx-sr-picture img")).to_be_visible(timeout=SLOW)
    return visit


@pytest.fixture
def visit(browser, app):
    visit = open_tab(browser, app, viewport={"width": 1366, "height": 768}, color_scheme="light")
    yield visit
    visit.page.context.close()


def sources(page):
    return [image.get_attribute("src") for image in page.locator("#cx-sr-compare img").all()]


def test_example_slider_magnifier_and_test_me(visit):
    page = visit.page

    # An example starts at once; its line says what to look at.
    page.locator("#cx-sr-strip button").nth(FACE).click()
    expect(page.locator("#cx-sr-progress")).to_contain_text("Done", timeout=SLOW)
    expect(page.locator("#cx-sr-progress")).to_contain_text("296 × 296 px · 4 methods")
    expect(page.locator("#cx-sr-progress")).to_contain_text("cannot do: know a face")
    expect(page.locator("#cx-sr-live")).to_be_hidden()

    # Any two results, at their true size.
    image = page.locator("#cx-sr-compare img").first
    expect(image).to_be_visible()
    assert image.bounding_box()["width"] <= 297
    before = sources(page)
    page.locator("#cx-sr-left").get_by_text("Squared error").click()
    page.wait_for_function(
        "(old) => ![...document.querySelectorAll('#cx-sr-compare img')].some(i => i.src === old)",
        arg=before[0],
    )
    assert before[1] in sources(page)
    expect(page.locator("#cx-sr-png-cx")).to_be_enabled()

    # The magnifier: five views of one place; mouse and keys move it.
    expect(page.locator(FIRST_VIEW)).to_have_count(5)
    lens = page.locator(".cx-lens-map")
    lens.scroll_into_view_if_needed()
    old = page.evaluate(PLACE, FIRST_VIEW)
    lens.click(position={"x": 30, "y": 40})
    page.wait_for_function(PLACE_CHANGED, arg=[FIRST_VIEW, old])
    places = page.locator(FIRST_VIEW).evaluate_all(
        "views => views.map(v => getComputedStyle(v).backgroundPosition)"
    )
    assert len(set(places)) == 1
    lens.focus()
    old = page.evaluate(PLACE, FIRST_VIEW)
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(PLACE_CHANGED, arg=[FIRST_VIEW, old])
    page.get_by_role("button", name="8×").click()
    expect(page.get_by_role("button", name="8×")).to_have_attribute("aria-pressed", "true")

    # Test me: the example becomes sharp, and every method gets its scores.
    page.locator("#cx-sr-test input").check()
    expect(page.locator("#cx-sr-estimate")).to_contain_text("is shrunk to 55 × 55")
    page.locator("#cx-sr-run").click()
    expect(page.locator(".cx-scores tbody tr")).to_have_count(4, timeout=SLOW)
    expect(page.locator(".cx-scores")).to_contain_text("loses PSNR to bicubic")
    expect(page.locator(FIRST_VIEW)).to_have_count(6)
    visit.check_clean()


def test_bad_and_large_files_are_refused_in_a_sentence(visit, tmp_path):
    page = visit.page
    (tmp_path / "holiday.png").write_bytes(b"\x89PNG\r\n\x1a\n0000")
    visit.upload("cx-sr-picture", tmp_path / "holiday.png")
    toast = page.locator(".toast-body", has_text="“holiday.png” is a PNG file that is damaged")
    expect(toast).to_be_visible()
    expect(page.locator("#cx-sr-picture img")).to_have_count(0)
    page.locator("#cx-sr-run").click()
    refused = page.locator(".toast-body", has_text="Choose a small picture first")
    expect(refused).to_be_visible()

    frames = [Image.new("RGB", (40, 30), color) for color in ("red", "green")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    visit.upload("cx-sr-picture", tmp_path / "moving.gif")
    expect(page.locator(".toast-body", has_text="is an animation")).to_be_visible()
    Image.new("L", (12, 40)).save(tmp_path / "small.png")
    visit.upload("cx-sr-picture", tmp_path / "small.png")
    expect(page.locator(".toast-body", has_text="at least 16")).to_be_visible()
    expect(page.locator("#cx-sr-picture img")).to_have_count(0)

    Image.new("L", (1500, 1000)).save(tmp_path / "large.png")
    visit.upload("cx-sr-picture", tmp_path / "large.png")
    expect(page.locator("#cx-sr-estimate")).to_contain_text("at most 1.2 can be enlarged")
    page.locator("#cx-sr-run").click()
    refused = page.locator(".toast-body", has_text="1500 × 1000 pixels")
    expect(refused).to_be_visible()
    expect(page.locator("#cx-sr-run")).to_be_enabled()
    visit.check_clean()


def test_stop_keeps_what_is_finished(visit, tmp_path):
    page = visit.page
    Image.effect_noise((560, 420), 60).save(tmp_path / "wide.png")
    old = visit.source("cx-sr-picture")
    visit.upload("cx-sr-picture", tmp_path / "wide.png")
    visit.wait_for_new("cx-sr-picture", old)
    page.locator("#cx-sr-run").click()
    expect(page.locator("#cx-sr-progress")).to_contain_text("Squared error, tile", timeout=SLOW)
    expect(page.locator("#cx-sr-live img")).to_be_visible()
    page.locator("#cx-sr-stop").click()
    expect(page.locator("#cx-sr-progress")).to_contain_text("Stopped after")
    expect(page.locator("#cx-sr-run")).to_be_enabled()
    expect(page.locator("#cx-sr-png-bicubic")).to_be_enabled()
    visit.check_clean()


def test_phone_has_one_column_and_no_sideways_scroll(browser, app):
    visit = open_tab(
        browser, app, viewport={"width": 375, "height": 812}, has_touch=True, color_scheme="dark"
    )
    page = visit.page
    page.locator("#cx-sr-strip button").nth(FACE).click()
    expect(page.locator("#cx-sr-progress")).to_contain_text("Done", timeout=SLOW)
    lens = page.locator(".cx-lens-map")
    lens.scroll_into_view_if_needed()
    old = page.evaluate(PLACE, FIRST_VIEW)
    lens.tap(position={"x": 20, "y": 20})
    page.wait_for_function(PLACE_CHANGED, arg=[FIRST_VIEW, old])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    visit.check_clean()
    page.context.close()
