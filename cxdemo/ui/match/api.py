"""The endpoint of the patch comparison for programs. Its components are never shown."""

from __future__ import annotations

from typing import Any

import gradio as gr
from PIL import Image

from cxdemo.engine.context import Context
from cxdemo.figures.report import describe_numbers
from cxdemo.options import options_of, read_config
from cxdemo.pipelines.patch_similarity import PatchSimilarityConfig
from cxdemo.runs.match import LARGEST, Comparison
from cxdemo.ui.kit.api_fields import ACROSS, DOWN, ApiField, fields_of, read_value
from cxdemo.ui.kit.errors import readable
from cxdemo.ui.kit.safe_image import build_api_picture
from cxdemo.ui.kit.turns import quickly

NAMES = ("layer", "bandwidth", "spatial_weight", "asks", "size")


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
        size: int = 256,
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
        values = (layer, bandwidth, spatial_weight, asks, size)
        config = read_config(PatchSimilarityConfig, dict(zip(NAMES, values, strict=True)))
        place = read_value(ACROSS, x) / 100, read_value(DOWN, y) / 100
        comparison = Comparison(source=source, target=target, config=config, place=place)
        answer, survey = comparison.ask(ctx), comparison.survey(ctx)
        return describe_numbers(answer, survey, config, comparison.place)

    pair = [build_api_picture(name, LARGEST) for name in ("Source", "Target")]
    fields = fields_of(options_of(PatchSimilarityConfig), NAMES)
    answer = gr.JSON(label="The patch and the pair, in numbers", visible=False)
    gr.Button(visible=False).click(
        readable(quickly(match, heavy=True)),
        [*pair, ApiField(ACROSS), ApiField(DOWN), *fields],
        answer,
        api_name="match",
    )
