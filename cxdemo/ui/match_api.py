"""The endpoint of the patch comparison for programs. Its components are never shown."""

from __future__ import annotations

from typing import Any

import gradio as gr
from PIL import Image

from cxdemo.options import options_of
from cxdemo.pipelines.patch_similarity import PatchSimilarityConfig
from cxdemo.ui.context import Context
from cxdemo.ui.errors import readable
from cxdemo.ui.match_report import describe_numbers
from cxdemo.ui.match_session import Comparison
from cxdemo.ui.options_form import control_for, read_config
from cxdemo.ui.safe_image import SafeImage
from cxdemo.ui.turns import quickly


def add_endpoint(ctx: Context) -> None:
    """Add `/match` to the page that is being built."""

    def match(
        source: Image.Image | None,
        target: Image.Image | None,
        x: float = 50,
        y: float = 50,
        layer: str = "conv3_2",
        bandwidth: float = 0.1,
        spatial_weight: float = 0.0,
        asks: str = "source",
        size: float = 256,
    ) -> dict[str, Any]:
        """Which patches of a picture a patch of another one matches, and the loss of the pair.

        Args:
            source: A picture.
            target: A picture.
            x: Of the patch that asks, percent of the width, from the left.
            y: Percent of the height, from the top.
            layer: rgb, or a layer of the network such as conv3_2.
            bandwidth: h of the loss, 0.02 to 2.
            spatial_weight: Cost of looking elsewhere, 0 to 20.
            asks: source or target.
            size: Long side at which features are taken, 64 to 512.

        Returns:
            The cell that asked and the grids; nearest distance, temperature and number of
            candidates; the five nearest patches with d, r, w and CX; the contextual similarity
            and loss of the pair, and the shares of claimed and of distinct patches.
        """
        if source is None or target is None:
            raise ValueError("match needs two pictures, a source and a target.")
        if not (0 <= x <= 100 and 0 <= y <= 100):
            raise ValueError(f"x and y are percents, 0 to 100; got {x:g} and {y:g}.")
        names = ("layer", "bandwidth", "spatial_weight", "asks", "size")
        values = (layer, bandwidth, spatial_weight, asks, size)
        config = read_config(PatchSimilarityConfig, dict(zip(names, values, strict=True)))
        comparison = Comparison(
            source=source, target=target, config=config, place=(x / 100, y / 100)
        )
        answer, survey = comparison.ask(ctx), comparison.survey(ctx)
        return describe_numbers(answer, survey, config, comparison.place)

    known = options_of(PatchSimilarityConfig)
    pair = [SafeImage(label=name, visible=False) for name in ("Source", "Target")]
    places = [gr.Number(50, label=label, visible=False) for label in ("x, %", "y, %")]
    with gr.Row(visible=False):
        names = ("layer", "bandwidth", "spatial_weight", "asks", "size")
        fields = [control_for(known[name]) for name in names]
    answer = gr.JSON(label="The patch and the pair, in numbers", visible=False)
    gr.Button(visible=False).click(
        readable(quickly(match, heavy=True)), [*pair, *places, *fields], answer, api_name="match"
    )
