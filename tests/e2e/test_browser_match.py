"""The patch similarity tab in a real browser, with the real network."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from e2e.visit import SLOW, SOON, Visit

pytestmark = pytest.mark.browser

EXAMPLES = Path(__file__).resolve().parents[2] / "cxdemo" / "examples"
LINK = "?tab=patch-similarity&example="
PIXELS = """(name) => {
  const canvas = document.querySelector(`.cxm canvas[data-map='${name}']`)
    ?? document.querySelector('.cxm-asker canvas');
  return canvas.toDataURL();
}"""
CHANGED = f"([name, old]) => ({PIXELS})(name) !== old"
QUERY = "#cx-match-viewer .cxm-asker canvas"


class MatchVisit(Visit):
    """The tab, with an example's patch answered."""

    def __init__(self, browser, app, example="faces", **options):
        super().__init__(browser, app, path=LINK + example, **options)
        self.page.wait_for_selector(".cxm-ready", timeout=SLOW)
        self.wait_for_survey()

    def wait_for_survey(self):
        expect(self.page.locator(".cxm-told")).to_contain_text("wins", timeout=SLOW)

    def pixels(self, name):
        return self.page.evaluate(PIXELS, name)

    def wait_for_drawing(self, name, old):
        self.page.wait_for_function(CHANGED, arg=[name, old], timeout=SOON)
        return self.pixels(name)

    def click(self, x, y):
        canvas = self.page.locator(QUERY)
        area = canvas.bounding_box()
        canvas.click(position={"x": x * area["width"], "y": y * area["height"]})

    def value(self, name):
        return float(self.page.locator(f"#cx-match-{name} input[type=number]").input_value())


@pytest.fixture(params=["light", "dark"])
def visit(request, browser, app):
    size = {"width": 1366, "height": 900}
    visit = MatchVisit(browser, app, viewport=size, color_scheme=request.param)
    yield visit
    visit.page.context.close()


def test_click_keys_slider_layer_direction_and_example_each_change_the_picture(visit):
    page = visit.page
    told, numbers = page.locator(".cxm-told"), page.locator("#cx-match-numbers")
    page.get_by_role("button", name="Coordinates, size, files").click()

    # A click asks the patch under it.
    old = visit.pixels("affinity")
    visit.click(0.4, 0.3)
    old = visit.wait_for_drawing("affinity", old)
    assert visit.value("x") == pytest.approx(40, abs=2)
    assert visit.value("y") == pytest.approx(30, abs=2)

    # The arrow keys move by one cell, with Shift by four.
    across = visit.value("x")
    page.locator(QUERY).press("ArrowRight")
    old = visit.wait_for_drawing("affinity", old)
    assert visit.value("x") - across == pytest.approx(100 / 16, abs=0.02)
    page.locator(QUERY).press("Shift+ArrowDown")
    old = visit.wait_for_drawing("affinity", old)

    # Typed coordinates do the same.
    field = page.locator("#cx-match-x input[type=number]")
    field.fill("75")
    field.press("Tab")
    old = visit.wait_for_drawing("affinity", old)

    # A larger bandwidth redraws the map and the numbers; the distances stay.
    distances, text = visit.pixels("distance"), numbers.inner_text()
    slider = page.locator("#cx-match-bandwidth input[type=range]")
    slider.focus()
    for _ in range(20):
        slider.press("ArrowRight")
    old = visit.wait_for_drawing("affinity", old)
    expect(told).to_contain_text("With h = 0.3 ")
    assert visit.pixels("distance") == distances
    assert numbers.inner_text() != text
    visit.wait_for_survey()

    # Another layer has another grid.
    page.locator("#cx-match-layer input").click()
    page.get_by_role("option", name="conv3_1", exact=True).click()
    old = visit.wait_for_drawing("affinity", old)
    visit.wait_for_survey()

    # The other direction swaps the pictures.
    source = visit.pixels("asker")
    page.get_by_label("Target asks source").check()
    visit.wait_for_drawing("asker", source)
    expect(page.locator(".cxm-asker figcaption")).to_contain_text("Target asks")
    expect(page.locator("#cx-match-figures")).to_contain_text("CX(target, source)", timeout=SLOW)

    # An example brings its pictures, settings and lesson, and its address.
    old = visit.pixels("pair")
    page.locator("#cx-match-examples button").nth(3).click()
    visit.wait_for_drawing("pair", old)
    expect(page.locator("#cx-match-lesson")).to_contain_text("moved by 16 pixels")
    expect(page.get_by_label("Source asks target")).to_be_checked()
    expect(page).to_have_url(re.compile("example=shifted"))
    visit.check_clean()


def test_pointing_at_a_target_tells_its_numbers_and_its_winner(visit):
    page = visit.page
    old = visit.pixels("asker")
    page.locator("canvas[data-map='affinity']").hover()
    told = page.locator(".cxm-told")
    for part in ("Target, row", "d ", "r ", "CX", "wants it most"):
        expect(told).to_contain_text(part)
    assert visit.pixels("asker") != old  # the winner is framed in the source
    page.mouse.move(2, 2)
    expect(told).to_contain_text("this patch gives its vote")
    page.locator("canvas[data-map='pair']").press("ArrowDown")  # and by keyboard
    expect(told).to_contain_text("Target, row")
    visit.check_clean()


def test_every_view_of_all_patches_has_its_pictures(visit, tmp_path):
    page = visit.page
    for title, count in (
        ("Where it looks", 2), ("Claimed and hubs", 3), ("Redrawn", 3),
        ("Place and the perceptual loss", 2),
    ):  # fmt: skip
        page.get_by_role("tab", name=title).click()
        pictures = page.locator("#cx-match-views .cxm-row:visible img")
        expect(pictures).to_have_count(count, timeout=SLOW)
    page.get_by_role("tab", name="Strongest matches").click()
    expect(page.locator(".cxm-lines circle").first).to_be_visible()

    with page.expect_download() as download:
        page.get_by_role("button", name="Save numbers (JSON)").click()
    saved = tmp_path / "match.json"
    download.value.save_as(saved)
    stored = json.loads(saved.read_text())
    assert stored["config"]["layer"] == "conv5_1"
    assert 0 < stored["contextual_similarity"] < 1
    with page.expect_download() as download:
        page.locator("[data-save='affinity']").click()
    download.value.save_as(tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    visit.check_clean()


def test_own_picture_and_a_file_that_is_none(visit, tmp_path):
    page = visit.page
    old = visit.pixels("asker")
    visit.upload("cx-match-source", EXAMPLES / "photo_dog.jpg")
    visit.wait_for_drawing("asker", old)
    expect(page.locator("#cx-match-lesson")).to_contain_text("Your own pictures")
    (tmp_path / "holiday.png").write_text("no picture at all")
    visit.upload("cx-match-target", tmp_path / "holiday.png")
    expect(page.locator(".toast-body")).to_contain_text("is a text file")
    visit.check_clean()


def test_phone_shows_pictures_first_and_keeps_h_at_hand(browser, app):
    visit = MatchVisit(
        browser, app, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = visit.page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    slider = page.locator("#cx-match-bandwidth input[type=range]")
    expect(slider).to_be_in_viewport()
    area = page.locator(QUERY).bounding_box()
    assert area["y"] < 844
    page.locator(QUERY).scroll_into_view_if_needed()
    area = page.locator(QUERY).bounding_box()
    old = visit.pixels("affinity")
    page.touchscreen.tap(area["x"] + 0.3 * area["width"], area["y"] + 0.6 * area["height"])
    visit.wait_for_drawing("affinity", old)
    visit.check_clean()
    page.context.close()
