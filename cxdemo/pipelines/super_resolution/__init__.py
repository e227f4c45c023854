"""Super-resolution: a picture at four times its size, tile by tile.

A network sees the small picture in overlapping tiles whose margin is all that a pixel can see, so
that the tiles fit without a seam. The result can then be moved, as little as possible, until it
shrinks to exactly the picture that it came from: networks may invent texture, but not colours.
"""

from cxdemo.pipelines.super_resolution.config import (
    BICUBIC,
    CHECKPOINTS,
    LIMITS,
    METHODS,
    SCALE,
    TEST_LIMITS,
    Box,
    SuperResolutionConfig,
    check_size,
)
from cxdemo.pipelines.super_resolution.enlarge import (
    TileStep,
    enlarge_bicubic,
    load_upscaler,
    plan_tiles,
    upscale,
)
from cxdemo.pipelines.super_resolution.judge import (
    CX_LAYER,
    HIGHER_IS_BETTER,
    TEST_SIDE,
    Judges,
    Scores,
    compare,
    contextual_score,
    load_judges,
    measure,
    prepare_test,
)
from cxdemo.pipelines.super_resolution.projection import project
from cxdemo.pipelines.super_resolution.transparency import fill_transparent, prepare_layers

__all__ = [
    "BICUBIC",
    "CHECKPOINTS",
    "CX_LAYER",
    "HIGHER_IS_BETTER",
    "LIMITS",
    "METHODS",
    "SCALE",
    "TEST_LIMITS",
    "TEST_SIDE",
    "Box",
    "Judges",
    "Scores",
    "SuperResolutionConfig",
    "TileStep",
    "check_size",
    "compare",
    "contextual_score",
    "enlarge_bicubic",
    "fill_transparent",
    "load_judges",
    "load_upscaler",
    "measure",
    "plan_tiles",
    "prepare_layers",
    "prepare_test",
    "project",
    "upscale",
]
