"""Pipelines that answer at once, so that the tests of the page test the page."""

import asyncio

import torch.nn.functional as F

from cxdemo.images import fit_long_side
from cxdemo.optimize import Step
from cxdemo.pipelines.style_transfer import StyleMatch
from cxdemo.pipelines.super_resolution import CHECKPOINTS, Scores, upscale
from cxdemo.ui.app import build_app


def build_demo(ctx):
    """The page, built inside an event loop: else Gradio makes loops of its own and closes none."""

    async def build():
        return build_app(ctx)

    return asyncio.run(build())


class FakeFeatures:
    def __init__(self, backbone):
        self.backbone = backbone


class FakeExplanation:
    """A 4 x 4 map in which every place prefers the style's top left patch."""

    layer = "conv4_2"
    grid = (4, 4)

    def __init__(self, stylized, styles, config, *, features=None):
        self.number = len(styles)

    def cell(self, x, y):
        return min(3, int(4 * y)), min(3, int(4 * x))

    def at(self, x, y, *, count=5):
        return [
            StyleMatch(i % self.number, (i / 8, 0.0, (i + 1) / 8, 0.25), 0.5 / 2**i)
            for i in range(count)
        ]


def fake_transfer(content, styles, config, *, style_weights=None, features=None):
    """Fades the content to the mean colour of the style."""
    small = fit_long_side(content, config.size)
    color = styles[0].mean(dim=(2, 3), keepdim=True)
    for index in range(1, config.num_steps + 1):
        share = index / config.num_steps
        yield Step(
            index=index,
            total=config.num_steps,
            losses={"style": 2.0 - share, "content": share},
            image=(1 - share) * small + share * color.expand_as(small),
            seconds=0.5 * index,
        )


class FakeUpscaler:
    """Enlarges pixels to squares, a little darker for each checkpoint."""

    scale, receptive_field = 4, 0

    def __init__(self, name):
        self.share = 1 - 0.1 * (1 + CHECKPOINTS.index(name))

    def __call__(self, low_res):
        return self.share * F.interpolate(low_res, scale_factor=4)


def fake_measure(upscaled, truth):
    """Scores by the brightness alone: brighter is better in PSNR, darker in the others."""
    light = float(upscaled.mean())
    return Scores(psnr=30 * light, ssim=1 - light, lpips=light, cx=1 - light)


FAKE_UPSCALING = {"upscale": upscale, "load_upscaler": FakeUpscaler, "measure": fake_measure}
