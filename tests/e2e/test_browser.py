"""The page in a real browser, with the real pipeline at a small size."""

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from e2e.visit import SLOW, SOON, Visit

pytestmark = pytest.mark.browser

EXAMPLES = Path(__file__).resolve().parents[2] / "cxdemo" / "examples"
HANDLE = "document.querySelector('#cx-compare .inner')"
MOVED_LEFT = f"(old) => {HANDLE}.getBoundingClientRect().x < old - 9"


def open_style(browser, app, **options):
    """The style transfer tab, with its example in place."""
    visit = Visit(browser, app, **options)
    expect(visit.page.locator("#cx-run")).to_be_visible(timeout=SLOW)
    expect(visit.page.locator("#cx-live img")).to_be_visible(timeout=SLOW)
    return visit


@pytest.fixture
def visit(browser, app):
    visit = open_style(browser, app, viewport={"width": 1366, "height": 768}, color_scheme="light")
    yield visit
    visit.page.context.close()


def test_run_stop_run_again_compare_and_explain(visit, tmp_path):
    page = visit.page
    for elem_id, name in (("cx-content", "photo_dog"), ("cx-style-picture", "painting_great_wave")):
        small = tmp_path / f"{name}.png"
        picture = Image.open(EXAMPLES / f"{name}.jpg")
        picture.thumbnail((128, 128))
        picture.save(small)
        old = visit.source(elem_id)
        visit.upload(elem_id, small)
        visit.wait_for_new(elem_id, old)
    page.get_by_role("button", name="Advanced").click()
    visit.type_option("size", 64)
    visit.type_option("num_steps", 600)
    expect(page.locator("#cx-estimate")).to_contain_text("600 steps to 64 px")

    # Run: the preview moves, with step, times and loss.
    old = visit.source("cx-live")
    page.locator("#cx-run").click()
    old = visit.wait_for_new("cx-live", old)
    expect(page.locator("#cx-progress")).to_contain_text("of 600", timeout=SLOW)
    for part in ("s elapsed", "s left", "loss"):
        expect(page.locator("#cx-progress")).to_contain_text(part)
    visit.wait_for_new("cx-live", old, timeout=SLOW)
    expect(page.locator("#cx-losses polyline").first).to_be_visible(timeout=SLOW)

    # Stop: what is there stays, and can be downloaded.
    page.locator("#cx-stop").click()
    expect(page.locator("#cx-progress")).to_contain_text("Stopped at step")
    expect(page.locator("#cx-stop")).to_be_disabled()
    expect(page.locator("#cx-run")).to_be_enabled(timeout=SLOW)  # the step at hand is done
    stopped_at = page.locator("#cx-progress .cx-progress").inner_text()
    expect(page.locator("#cx-png")).to_be_enabled()

    # Run again, to the end.
    visit.type_option("num_steps", 15)
    expect(page.locator("#cx-estimate")).to_contain_text("15 steps")
    assert page.locator("#cx-progress .cx-progress").inner_text() == stopped_at
    page.locator("#cx-run").click()
    expect(page.locator("#cx-progress")).to_contain_text("15 steps in", timeout=SLOW)

    # Before and after, by keyboard.
    page.get_by_role("tab", name="Before / after").click()
    expect(page.locator("#cx-compare img").first).to_be_visible()
    slider = page.locator("#cx-position input[type=range]")
    handle = page.locator("#cx-compare .inner")
    place = handle.bounding_box()["x"]
    slider.focus()
    for _ in range(20):
        slider.press("ArrowLeft")
    page.wait_for_function(MOVED_LEFT, arg=place)

    # Why: a click, then the keyboard.
    page.get_by_role("tab", name="Why like this?").click()
    expect(page.locator("#cx-why-result img")).to_be_visible()
    old = visit.source("cx-why-style")
    visit.click_picture("cx-why-result", 0.5, 0.25)
    expect(page.locator(".cx-matches li")).to_have_count(5, timeout=SLOW)
    old = visit.wait_for_new("cx-why-style", old)
    expect(page.locator("#cx-y input[type=number]")).to_have_value("25")
    across = page.locator("#cx-x input[type=range]")
    across.focus()
    for _ in range(30):
        across.press("ArrowRight")
    visit.wait_for_new("cx-why-style", old)
    visit.check_clean()


def test_example_is_finished_at_once(visit):
    page = visit.page
    expect(page.locator("#cx-progress")).to_contain_text("Stored result", timeout=SOON)
    old_result, old_content = visit.source("cx-live"), visit.source("cx-content")
    page.locator("#cx-examples button").nth(1).click()
    visit.wait_for_new("cx-live", old_result, timeout=5_000)
    visit.wait_for_new("cx-content", old_content, timeout=5_000)
    expect(page.locator("#cx-progress")).to_contain_text("Stored result")
    expect(page.locator("#cx-result-of")).not_to_contain_text("have changed")
    expect(page.locator("#cx-png")).to_be_enabled()
    expect(page.locator("#cx-live img")).to_be_in_viewport()
    visit.check_clean()


def test_bad_file_is_refused_in_a_sentence(visit, tmp_path):
    (tmp_path / "holiday.png").write_text("no picture at all")
    visit.upload("cx-content", tmp_path / "holiday.png")
    toast = visit.page.locator(".toast-body")
    said = "“holiday.png” is a text file, but an image was expected"
    expect(toast).to_contain_text(said, timeout=SOON)
    expect(visit.page.locator("#cx-content img")).to_have_count(0)
    visit.page.locator("#cx-run").click()
    refused = visit.page.locator(".toast-body", has_text="Choose a content picture")
    expect(refused).to_be_visible(timeout=SOON)
    expect(visit.page.locator("#cx-run")).to_be_enabled()
    visit.check_clean()


def test_phone_has_one_column_and_no_sideways_scroll(browser, app):
    visit = open_style(browser, app, viewport={"width": 390, "height": 844}, has_touch=True)
    page = visit.page
    for tab in ("Before / after", "Why like this?", "Result"):
        page.get_by_role("tab", name=tab).click()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab
    inputs, outputs = (page.locator(i).bounding_box() for i in ("#cx-inputs", "#cx-outputs"))
    assert outputs["y"] > inputs["y"] + inputs["height"] - 1
    expect(page.locator("#cx-run")).to_be_enabled()
    visit.check_clean()
    page.context.close()


def test_dark_mode_follows_the_system_and_the_switch(browser, app):
    visit = open_style(browser, app, viewport={"width": 1366, "height": 768}, color_scheme="dark")
    brightness = "parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"
    assert visit.page.evaluate(brightness) < 60
    visit.page.get_by_role("button", name="Light or dark").click()
    visit.page.wait_for_function(f"{brightness} > 200")
    visit.check_clean()
    visit.page.context.close()
