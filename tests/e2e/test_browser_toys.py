"""The toys and the special cases in a real browser."""

import json
import re

import pytest
from playwright.sync_api import expect

from e2e.visit import SLOW, Visit

pytestmark = pytest.mark.browser


def open_section(visit, name):
    visit.page.get_by_role("tab", name="Loss lab", exact=True).click()
    visit.page.get_by_role("tab", name=name, exact=True).click()


def test_a_visitor_drags_a_point_and_the_keys_do_it_too(app, browser):
    visit = Visit(browser, app)
    open_section(visit, "Toys")
    toy = visit.page.locator("#cx-toys-row")
    told = toy.locator(".cxt-told")
    # What arrives late moves what stands below it: drag when all of the section is there.
    expect(visit.page.locator("#cx-toys-points .cxt-told")).to_contain_text("Chamfer", timeout=SLOW)
    toy.get_by_role("button", name="among three").click()
    expect(told).to_contain_text("undecided", timeout=SLOW)
    plane = toy.locator("canvas").first
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    visit.page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.92 * box["height"])
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + 0.22 * box["width"], box["y"] + 0.3 * box["height"], steps=4)
    visit.page.mouse.up()
    expect(told).to_contain_text("clearly for y1")
    before = plane.get_attribute("aria-label")
    plane.press("Shift+ArrowRight")
    expect(plane).not_to_have_attribute("aria-label", before)
    visit.check_clean()


def test_points_play_and_are_saved_and_the_marker_moves(app, browser):
    visit = Visit(browser, app, viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    page = visit.page
    # At phone width the tabs are in menus; the section itself is the same.
    page.set_viewport_size({"width": 1000, "height": 844})
    open_section(visit, "Toys")
    page.set_viewport_size({"width": 390, "height": 844})
    points = page.locator("#cx-toys-points")
    expect(points.locator(".cxt-told")).to_contain_text("Chamfer", timeout=SLOW)
    expect(points.locator(".cxt-scrub output")).to_have_text("step 300")
    with page.expect_download() as saved:
        points.get_by_role("button", name="settings and numbers").click()
    told = json.loads(saved.value.path().read_text())
    assert told["frames"][-1]["cx"]["distinct"] > told["frames"][-1]["nearest"]["distinct"]
    gaussians = page.locator("#cx-toys-gaussians")
    gaussians.get_by_role("button", name="a blur").click()
    expect(gaussians.locator(".cxt-told")).to_contain_text("L2 likes this best", timeout=SLOW)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    visit.check_clean()


def test_the_weight_of_the_place_makes_cx_blind(app, browser):
    visit = Visit(browser, app)
    open_section(visit, "Special cases")
    place = visit.page.locator("#cx-cases-place")
    told = place.locator(".cxt-told")
    expect(told).to_contain_text("At w = 0", timeout=SLOW)
    place.locator("input[type=range]").press("End")
    expect(told).to_contain_text("At w = 100")
    numbers = [
        float(n)
        for n in re.findall(r"= ?(\d+\.\d+)|is (\d+\.\d+)", told.inner_text())
        for n in n
        if n
    ]
    voted, perceptual, loss = numbers
    assert voted == pytest.approx(perceptual, rel=0.01)
    assert loss < 0.01
    kl = visit.page.locator("#cx-cases-kl .cxt-told")
    expect(kl).to_contain_text("the correlation is", timeout=SLOW)
    visit.check_clean()
