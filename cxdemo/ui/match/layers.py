"""The contextual similarity of a pair at every layer, each on a ruler of its own."""

from __future__ import annotations

from collections.abc import Sequence

from cxdemo.pipelines.patch_similarity import LayerScore


def show_layers(scores: Sequence[LayerScore], *, layers: Sequence[str]) -> str:
    """The contextual similarity of each layer between its references; room for those to come."""
    head = (
        "<p><b>How to read it.</b> Values of two layers cannot be compared with each other, so "
        "each has its own ruler: 1 is what a copy gets, the hollow mark is what the source gets "
        "after its pixels were shuffled (its colours without its patches), and the small number is "
        "the floor 1/M of no preference at all. A bar well beyond its hollow mark says that the "
        "two pictures share more than colours at that layer. Fine layers use a smaller picture, so "
        "that none has more than 64 patches a side.</p>"
    )
    done = {score.layer: score for score in scores}
    rows = "".join(_layer_row(name, done.get(name)) for name in layers)
    return f'<div class="cxm-view">{head}<div class="cxm-layers">{rows}</div></div>'


def _layer_row(name: str, score: LayerScore | None) -> str:
    if score is None:
        return f'<div><b>{name}</b><span class="cxm-track"></span><small>to come</small></div>'
    return (
        f'<div><b>{name}</b><span class="cxm-track" title="CX {score.similarity:.4f}, shuffled '
        f'{score.shuffled:.4f}, itself {score.itself:.4f}"><i style="width:'
        f'{100 * score.similarity:.2f}%"></i><u style="left:{100 * score.shuffled:.2f}%"></u>'
        f"</span><output>{score.similarity:.3f}</output><small>shuffled {score.shuffled:.3f}, "
        f"itself {score.itself:.3f}, floor {score.floor:.1g} ({score.size} px)</small></div>"
    )
