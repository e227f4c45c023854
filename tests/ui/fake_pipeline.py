"""Pipelines that answer at once, so that the tests of the page test the page."""

import asyncio

from cxdemo.images import fit_long_side
from cxdemo.optimize import Step
from cxdemo.pipelines.style_transfer import StyleMatch
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
