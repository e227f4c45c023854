"""What the tabs and commands are given to work with."""

import torch

from cxdemo import checkpoints
from cxdemo.engine.context import default_context


def test_features_judges_and_translators_read_each_convolution_once(monkeypatch):
    read, load = [], checkpoints.load_with_fallback

    def watch(name, *, tensors, **options):
        loaded = load(name, tensors=tensors, **options)
        read.extend(loaded.state_dict)
        return loaded

    monkeypatch.setattr("cxdemo.checkpoints.load_with_fallback", watch)
    ctx = default_context()
    deep = ctx.load_features("vgg16", ("conv4_2",), pooling="max")
    picture = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    scores = ctx.measure(picture, picture)
    assert scores.cx > 0.99
    translator = ctx.load_translator("to-drawn")
    assert len(read) == len(set(read)) == 2 * 9  # conv1_1 to conv4_2
    assert translator.features.pooling == "average"
    assert translator.features.convolutions["conv4_2"] is deep.convolutions["conv4_2"]
