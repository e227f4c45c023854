"""The rivals as the page sees them: cards, progress, stored results, files."""

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from cxdemo import images
from cxdemo.gallery.rivals import FOLDER, PAIRS, finished_pairs, make_result, open_result
from cxdemo.pipelines.style_rivals import RIVAL_LAYERS, RIVALS, RivalsConfig
from cxdemo.runs.rivals import RivalsRun
from cxdemo.ui.lab.rivals.view import show_rivals, tell_progress

FAST = RivalsConfig(size=64, num_steps=2, rivals=("gram", "cx"))


def load_toy(backbone, layers, *, pooling):
    """Colours and their negatives at the strides of VGG16."""

    def extract(image):
        pooled = {n: F.avg_pool2d(image, 2 ** (int(n[4]) - 1)) for n in RIVAL_LAYERS}
        return {n: torch.cat([maps, 1 - maps], dim=1) for n, maps in pooled.items()}

    return extract


@pytest.fixture
def toy(ctx):
    return replace(ctx, load_features=load_toy)


@pytest.fixture
def run(toy, content, style):
    run = RivalsRun(content=content, style=style, config=FAST, note="eyes <here>")
    for _ in run.steps(toy):
        pass
    return run


def test_cards_say_who_where_and_what_to_look_for(run):
    page = show_rivals(run)
    assert page.count("<figure") == 2
    assert "step 2 of 2" in page
    assert "Gatys, Ecker, Bethge" in page
    assert "eyes &lt;here&gt;" in page
    for stand in run.last.values():
        assert f"width:{100 * min(1, stand.loss):.1f}%" in page


def test_before_the_first_step_all_show_the_content(content, style):
    run = RivalsRun(content=content, style=style, config=FAST)
    assert show_rivals(run).count("of the start · at the start") == 2
    assert "Preparing" in tell_progress(run)
    assert "About to begin" in tell_progress(None)


def test_a_stopped_run_keeps_its_steps_and_says_so(toy, content, style):
    run = RivalsRun(content=content, style=style, config=FAST)
    for _ in run.steps(toy):
        run.stopped = run.taken == 3
    assert {name: stand.index for name, stand in run.last.items()} == {"gram": 2, "cx": 1}
    assert "<b>Stopped</b>" in tell_progress(run)
    assert not run.finished


def test_files_hold_settings_figure_and_one_frame_a_step(run):
    files = run.export()
    stored = json.loads(files["json"].read_text())
    assert stored["config"] == FAST.as_dict()
    assert stored["results"]["cx"]["loss"] == round(run.last["cx"].loss, 4)
    assert json.loads(images.read_png_metadata(files["png"])["cxdemo"]) == stored
    with Image.open(files["png"]) as sheet, Image.open(files["gif"]) as clip:
        # Content 96 x 64 (as 192 x 128), style a square of 192, and the two results.
        assert sheet.size == (6 + 4 * (192 + 6), 24 + 192 + 8)
        assert clip.size == sheet.size
        lasting = 0
        for index in range(clip.n_frames):
            clip.seek(index)
            lasting += clip.info["duration"]
        # Two steps, and the end for two seconds; GIF counts in hundredths.
        assert lasting == pytest.approx(1000 * (2 + 16) / 8, abs=100)
    assert files["mp4"].read_bytes()[4:8] == b"ftyp"


def test_a_stored_result_opens_as_it_was_made(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("cxdemo.gallery.rivals.RivalsConfig", lambda: FAST)
    pair = PAIRS[0]
    made = make_result(pair, toy, folder=tmp_path)
    monkeypatch.undo()
    opened = open_result(pair, folder=tmp_path)
    assert opened.last.keys() == set(RIVALS)
    for name, stand in opened.last.items():
        assert stand.loss == round(made.last[name].loss, 4)
        before, after = (images.to_tensor(p.picture) for p in (made.last[name], stand))
        assert float((before - after).abs().mean()) < 0.02  # JPEG
    assert set(opened.export()) == {"json", "png"}


def test_every_shipped_pair_has_all_rivals_a_note_and_little_weight():
    pairs = finished_pairs()
    assert pairs
    for pair in pairs:
        run = open_result(pair)
        assert run.finished
        assert set(run.last) == set(RIVALS)
        assert len(pair.note) > 40
        assert "Computed before" in tell_progress(run, stored=True)
    assert sum(path.stat().st_size for path in FOLDER.glob("rivals_*")) < 250_000


def test_a_pair_without_a_result_is_said(tmp_path):
    with pytest.raises(ValueError, match="compute it first"):
        open_result(PAIRS[0], folder=tmp_path)
