"""A face in a real browser: found, chosen, corrected; and what goes wrong said in a sentence."""

import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from e2e.visit import SLOW, Visit

pytestmark = pytest.mark.browser
NAME = "cx-translate-source"


@pytest.fixture
def visit(browser, app):
    visit = Visit(browser, app, viewport={"width": 1366, "height": 900}, permissions=[])
    visit.page.get_by_role("tab", name="Face to face").click()
    visit.page.get_by_role("tab", name="Translate").click()
    yield visit
    visit.page.context.close()


def said(visit, text):
    view = visit.page.locator(f"#{NAME}-view [role=status]")
    expect(view).to_have_text(re.compile(text), timeout=SLOW)


def test_several_faces_one_is_picked_and_corrected(visit):
    page = visit.page
    page.locator(f"#{NAME}-strip button[title^=Einstein]").click()
    said(visit, "2 faces were found; number 1 is used")
    first = visit.source(f"{NAME}-view .cx-face-crop")
    page.locator(f"#{NAME}-view .cx-face-thumbs button").nth(1).click()
    said(visit, "number 2 is used")
    second = visit.wait_for_new(f"{NAME}-view .cx-face-crop", first)
    page.locator(f"#{NAME}-correction button").first.click()
    field = page.locator(f"#{NAME}-turn input[type=number]")
    field.fill("30")
    field.press("Tab")
    third = visit.wait_for_new(f"{NAME}-view .cx-face-crop", second)
    page.locator(f"#{NAME}-reset").click()
    assert visit.wait_for_new(f"{NAME}-view .cx-face-crop", third) == second


def test_no_face_a_broken_file_and_a_huge_picture(visit, tmp_path):
    picture = f"{NAME}-picture"
    visit.upload(picture, "cxdemo/examples/photo_mountain.jpg")
    said(visit, "No face was found here")
    expect(visit.page.locator(f"#{NAME}-right")).to_be_visible()
    results = visit.page.locator("#cx-translate-results")
    expect(visit.page.locator("#cx-translate")).to_contain_text("Place the crop on one by hand")
    expect(results).to_be_hidden()
    visit.set_number(f"{NAME}-right", 20)
    expect(results).to_be_visible(timeout=SLOW)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"hello")
    visit.upload(picture, broken)
    said(visit, "is a text file, but an image was expected")
    huge = tmp_path / "huge.png"
    Image.new("L", (9000, 5000)).save(huge)
    visit.upload(picture, huge)
    said(visit, "45 megapixels, but at most 40 are accepted")
    face = Image.open("cxdemo/examples/portrait_monalisa.jpg").resize((3000, 3000))
    face.save(tmp_path / "large.jpg")
    visit.upload(picture, tmp_path / "large.jpg")
    said(visit, "One face was found")


def test_a_camera_that_is_missing_or_refused_is_said_in_a_sentence(visit):
    page = visit.page
    picker = page.locator(f"#{NAME}-picture")
    picker.get_by_label("camera", exact=False).first.click()
    picker.get_by_text("Click to Access Webcam").click()
    alert = page.locator(f"#{NAME} .cx-face-limits [role=alert]")
    expect(alert).to_contain_text(re.compile("No camera was found|does not let this page"))
    page.get_by_role("tab", name="Exemplar").click()
    expect(page.locator("#cx-exemplar-source .cx-face-limits [role=alert]")).to_be_hidden()
