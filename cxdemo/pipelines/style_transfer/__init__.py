"""Style transfer by the Contextual Loss.

The pixels of an image are optimised until the style's features are all claimed (the style term)
while the picture keeps what it shows (the content term). Because every style feature wants a place
that prefers it, eyes are painted with eyes and sky with sky.
"""

from cxdemo.pipelines.style_transfer.config import (
    PRESETS,
    Stage,
    StyleTransferConfig,
    load_preset,
)
from cxdemo.pipelines.style_transfer.explain import StyleExplanation, StyleMatch
from cxdemo.pipelines.style_transfer.objective import (
    Extractor,
    HypercolumnObjective,
    MapObjective,
    concatenate_maps,
    pool_map,
    self_similarity,
    structure,
)
from cxdemo.pipelines.style_transfer.transfer import check_sides, recolor, transfer_style
from cxdemo.pipelines.style_transfer.work import seconds_left, stage_work

__all__ = [
    "PRESETS",
    "Extractor",
    "HypercolumnObjective",
    "MapObjective",
    "Stage",
    "StyleExplanation",
    "StyleMatch",
    "StyleTransferConfig",
    "check_sides",
    "concatenate_maps",
    "load_preset",
    "pool_map",
    "recolor",
    "seconds_left",
    "self_similarity",
    "stage_work",
    "structure",
    "transfer_style",
]
