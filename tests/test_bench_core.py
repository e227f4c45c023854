"""The benchmark's equations, parsing and arithmetic. No test depends on a time."""

import json
import shutil
import sys

import pytest
import torch

from cxdemo.bench import core
from cxdemo.bench.core import Cost, Row, Settings
from cxdemo.contextual import contextual_loss

TINY = Settings(sizes=(6,), channels=4, repeats=1)
ROW = Row(
    size=64,
    winners=0.25,
    matmul=0.1,
    core=Cost(forward=0.2, total=0.35, peak=20_000_000),
    dense=Cost(forward=0.5, total=1.4, peak=500_000_000),
)


def gradient(loss, x, y):
    return torch.autograd.grad(loss(x, y, bandwidth=0.3), x)[0]


@pytest.mark.parametrize("features", core.FEATURES)
def test_the_dense_version_is_the_same_loss(features):
    settings = Settings(sizes=(6,), channels=16, features=features)
    x, y = (t.detach().double() for t in core.make_features(settings, 6))
    x.requires_grad_()
    torch.testing.assert_close(core.dense_loss(x, y), core.core_loss(x, y))
    torch.testing.assert_close(core.core_loss(x, y, 0.2), contextual_loss(x, y, bandwidth=0.2))
    torch.testing.assert_close(gradient(core.dense_loss, x, y), gradient(contextual_loss, x, y))


@pytest.mark.parametrize("features", core.FEATURES)
@pytest.mark.parametrize("size", [1, 6])
def test_features_are_reproducible_and_only_x_wants_a_gradient(features, size):
    settings = Settings(channels=4, features=features)
    x, y = core.make_features(settings, size)
    again = core.make_features(settings, size)
    assert x.shape == y.shape == (1, 4, size, size)
    assert torch.equal(x, again[0])
    assert torch.equal(y, again[1])
    assert (x.requires_grad, y.requires_grad) == (True, False)
    assert x.isfinite().all()
    assert not torch.equal(x, y)
    assert y.min().item() >= 0


def test_nearly_every_row_of_a_copy_wins():
    settings = Settings(channels=32, features="copy")
    assert core._winners(*core.make_features(settings, 8), settings) > 0.9


@pytest.mark.parametrize("name", core.LOSSES)
def test_a_measurement_prints_numbers(name, capsys):
    for what, names in (("time", {"forward", "total"}), ("memory", {"peak"})):
        assert core.main(["--measure", what, name, *core.flags(TINY)]) == 0
        measured = json.loads(capsys.readouterr().out)
        assert names <= measured.keys()
        assert all(value >= 0 for value in measured.values())
        assert ("winners" in measured) == (what == "time" and name == "core")


def test_flags_give_the_settings_back():
    settings = Settings(
        sizes=(8, 16), channels=3, bandwidth=0.1, features="white", repeats=2, dense_up_to=8
    )
    options = vars(core._parser().parse_args(core.flags(settings)))
    assert [options.pop(n) for n in ("measure", "json", "peers")] == [None, False, None]
    assert Settings(**{**options, "sizes": tuple(options["sizes"])}) == settings
    nothing = vars(core._parser().parse_args([]))
    assert [nothing.pop(n) for n in ("measure", "json", "peers")] == [None, False, None]
    assert Settings(**nothing) == Settings()


def test_an_unknown_kind_of_features_is_refused(capsys):
    with pytest.raises(SystemExit):
        core.main(["--features", "vgg"])
    assert "choose from" in capsys.readouterr().err


def fake_measurements(calls):
    def measured(what, name, alone):
        calls.append((what, name, alone.sizes))
        time = {"total": 3.0, "forward": 2.0, "matmul": 1.0, "winners": 0.5}
        return time if what == "time" else {"peak": 1000.0}

    return measured


def test_run_measures_each_size_and_dense_as_far_as_asked(monkeypatch):
    calls, seen = [], []
    monkeypatch.setattr(core, "_in_fresh_process", fake_measurements(calls))
    rows = core.run(Settings(sizes=(8, 4), dense_up_to=4), report=seen.append)
    assert rows == seen
    assert [row.size for row in rows] == [4, 8]
    assert rows[0].dense == rows[0].core == Cost(forward=2.0, total=3.0, peak=1000)
    assert rows[1].dense is None
    both = [("time", (4,)), ("memory", (4,))]
    assert [(what, sizes) for what, name, sizes in calls if name == "dense"] == both


@pytest.mark.parametrize(("free", "largest"), [(11 << 30, 64), (12 << 30, 128), (1 << 20, 0)])
def test_dense_is_measured_where_it_fits(monkeypatch, free, largest):
    monkeypatch.setattr(core, "free_bytes", lambda device: free)
    fits = [size for size in (32, 64, 128) if core._dense_fits(Settings(), size)]
    assert max(fits, default=0) == largest
    assert core._dense_fits(Settings(dense_up_to=128), 128)
    assert not core._dense_fits(Settings(dense_up_to=64), 128)


def test_a_line_has_the_ratios():
    cells = core.line(ROW).replace("64 x 64", "64x64").split()
    assert cells == [
        "64x64", "25%", "100.0", "350.0", "200.0", "1400.0", "3.5", "4.0", "20", "500", "25",
    ]  # fmt: skip


def test_a_line_without_dense_has_dashes():
    row = Row(size=128, winners=1.0, matmul=0.1, core=ROW.core, dense=None)
    cells = core.line(row).replace("128 x 128", "128x128").split()
    assert cells == ["128x128", "100%", "100.0", "350.0", "200.0", "-", "3.5", "-", "20", "-", "-"]


def test_columns_and_lines_are_equally_wide():
    widths = {len(text) for text in core.COLUMNS.splitlines()}
    assert widths == {len(core.line(ROW))}


def test_the_command_prints_a_table(monkeypatch, capsys):
    monkeypatch.setattr(core, "_in_fresh_process", fake_measurements([]))
    assert core.main(["--sizes", "4", "8", "--dense-up-to", "4", "--channels", "5"]) == 0
    out = capsys.readouterr().out
    for words in ("5 channels, h = 0.5", "ReLU of smooth", torch.__version__, "4 x 4", "8 x 8"):
        assert words in out
    assert "Only the ratios travel" in out


def test_programs_get_seconds_and_bytes(monkeypatch, capsys):
    monkeypatch.setattr(core, "run", lambda settings: [ROW])
    assert core.main(["--sizes", "64", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["settings"]["sizes"] == [64]
    assert told["rows"][0]["core"] == {"forward": 0.2, "total": 0.35, "peak": 20_000_000}


def test_a_failing_process_is_reported_with_what_to_do(monkeypatch):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(RuntimeError, match=r"core version failed at 6 .*--dense-up-to"):
        core._in_fresh_process("time", "core", TINY)


def test_the_system_is_read_from_its_tables():
    assert core._available_bytes("MemTotal: 9 kB\nMemAvailable:   2048 kB\n") == 2 << 20
    assert core._model_name("processor : 0\nmodel name\t: Some CPU @ 2 GHz\n") == "Some CPU @ 2 GHz"
    assert core._model_name("processor : 0\n") == ""
    assert core.free_bytes("cpu") > 0
    assert f"{torch.get_num_threads()} threads" in core.environment("cpu")


def test_the_peak_sees_what_was_there_for_a_moment_only():
    def allocate():
        torch.zeros(16 << 20).add_(1)  # 64 MiB

    assert 60e6 < core.peak_bytes(allocate, torch.device("cpu")) < 120e6
