"""The judge of other implementations, on ones that are known to be right or wrong."""

import pytest
import torch

from cxdemo.bench import core_peers


def test_ours_is_right_on_every_question():
    verdict = core_peers.judge("ours", core_peers._ours, size=4, channels=4)
    errors = (verdict.one, verdict.batch, verdict.sizes, verdict.l2, verdict.gradient)
    assert all(error is not None and error < 1e-9 for error in errors)
    assert verdict.second < 1e-9
    assert verdict.copy < 1e-9
    assert float(verdict.half) < 1
    assert verdict.seconds > 0


def test_wrong_ones_are_found_out(tmp_path):
    file = tmp_path / core_peers.FILES["S-aiueo32"]
    file.parent.mkdir(parents=True)
    (file.parent / "__init__.py").touch()
    (file.parent / "config.py").write_text("FACTOR = 1.5\n")
    file.write_text(
        "from cxdemo.bench.dense import dense_loss\n"
        "from .config import FACTOR\n"
        "def contextual_loss(x, y, h, kind='cosine'):\n"
        "    assert x.shape == y.shape\n"
        "    return FACTOR * dense_loss(x, y, h)\n"
    )
    peers = core_peers.load_peers(tmp_path)
    assert list(peers) == ["ours", "S-aiueo32"]
    verdict = core_peers.judge("S-aiueo32", peers["S-aiueo32"], size=4, channels=4)
    assert verdict.one == pytest.approx(0.5)
    assert verdict.gradient == pytest.approx(0.5)
    assert verdict.sizes is None
    line = core_peers.report(tmp_path, size=4).splitlines()[-1]
    assert line.startswith("| S-aiueo32 | 5.0e-01 |")
    assert " fails " in line


def test_a_folder_without_checkouts_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has none of the files contextual_loss_pytorch/"):
        core_peers.load_peers(tmp_path)


def test_the_oracle_of_squared_distances_is_the_cores():
    x, y = (torch.randn(1, 5, 3, 4, dtype=torch.float64) for _ in range(2))
    torch.testing.assert_close(core_peers._oracle_l2(x, y, 0.5), core_peers._l2(x, y, 0.5))
