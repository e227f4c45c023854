"""Two small networks of MediaPipe: one points at faces, the other draws a net over one of them.

Both are chains of one block. Their parameters are those of Google's files, in float16, converted by
`cxdemo.training.convert_face_mesh`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DETECTOR_SIDE = 128  # pixels
MESH_SIDE = 192  # pixels
NUM_LANDMARKS = 468


class BlazeBlock(nn.Module):
    """A depthwise and a pointwise convolution, added to the input and passed on through `act`.

    Args:
        channels: Of the input.
        out_channels: Of the output; those that the input lacks are taken as zero.
        stride: 1, or 2 which halves the size.
        act: The nonlinearity at the end.

    Shape:
        - x: (N, channels, H, W), H and W even if stride is 2.
        - returns: (N, out_channels, H / stride, W / stride).

    Source:
        Bazarevsky et al., "BlazeFace", arXiv:1907.05047, figure 1.
    """

    def __init__(self, channels: int, out_channels: int, stride: int, act: nn.Module) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise = nn.Conv2d(
            channels, channels, 3, stride, padding=0 if stride == 2 else 1, groups=channels
        )
        self.pointwise = nn.Conv2d(channels, out_channels, 1)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """See `BlazeBlock`."""
        skip = x
        if self.stride == 2:
            x, skip = F.pad(x, (0, 1, 0, 1)), F.max_pool2d(skip, 2)  # as TensorFlow pads
        y = self.pointwise(self.depthwise(x))
        missing = y.shape[1] - skip.shape[1]
        return self.act(y + F.pad(skip, (0, 0, 0, 0, 0, missing)))


def _chain(channels: list[int], halving: set[int], act: Callable[[int], nn.Module]) -> list:
    """Blocks from each number of channels to the next; those in `halving` have stride 2."""
    return [
        BlazeBlock(narrow, wide, 2 if i in halving else 1, act(wide))
        for i, (narrow, wide) in enumerate(pairwise(channels))
    ]


class BlazeFace(nn.Module):
    """Places in a small picture that look like a face, one for each of 896 anchors.

    Shape:
        - image: (N, 3, 128, 128) in [0, 1].
        - returns: scores (N, 896) before the sigmoid, and boxes (N, 896, 16): centre, width and
          height, then x and y of six points: right eye, left eye, tip of the nose, mouth, right and
          left ear (right is the person's). In pixels of the 128, relative to the anchor's centre,
          see `anchors`.

    Source:
        MediaPipe's `face_detection_short_range.tflite`; arXiv:1907.05047.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 5, 2)
        wide = [24, 24, 28, 32, 36, 42, 48, 56, 64, 72, 80, 88]
        self.fine = nn.Sequential(*_chain(wide, {2, 5}, lambda _: nn.ReLU()))
        self.coarse = nn.Sequential(*_chain([88, 96, 96, 96, 96, 96], {0}, lambda _: nn.ReLU()))
        self.fine_scores, self.coarse_scores = nn.Conv2d(88, 2, 1), nn.Conv2d(96, 6, 1)
        self.fine_boxes, self.coarse_boxes = nn.Conv2d(88, 32, 1), nn.Conv2d(96, 96, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """See `BlazeFace`."""
        x = F.pad(image * 2 - 1, (1, 2, 1, 2))
        fine = self.fine(self.stem(x).relu())  # (N, 88, 16, 16)
        coarse = self.coarse(fine)  # (N, 96, 8, 8)
        scores = [_by_anchor(self.fine_scores(fine), 1), _by_anchor(self.coarse_scores(coarse), 1)]
        boxes = [_by_anchor(self.fine_boxes(fine), 16), _by_anchor(self.coarse_boxes(coarse), 16)]
        return torch.cat(scores, 1)[..., 0], torch.cat(boxes, 1)


def _by_anchor(maps: Tensor, num_values: int) -> Tensor:
    """Maps (N, anchors x values, H, W) as (N, H x W x anchors, values)."""
    return maps.permute(0, 2, 3, 1).reshape(len(maps), -1, num_values)


def anchors() -> Tensor:
    """Centres (896, 2), x and y in pixels of the 128: two on each of 16², six on each of 8²."""
    rows = []
    for cells, count in ((16, 2), (8, 6)):
        centres = (torch.arange(cells) + 0.5) * (DETECTOR_SIDE / cells)
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        rows.append(torch.stack([x, y], -1).reshape(-1, 2).repeat_interleave(count, 0))
    return torch.cat(rows)


class FaceMesh(nn.Module):
    """468 points on the skin of the one face that fills a picture, and whether there is a face.

    Shape:
        - image: (N, 3, 192, 192) in [0, 1]: an upright face with a margin of a quarter.
        - returns: points (N, 468, 2), x and y in pixels of the 192, and scores (N,) before the
          sigmoid.

    Source:
        MediaPipe's `face_landmark.tflite`; Kartynnik et al., arXiv:1907.06724.

    Deviates:
        The depth that the network guesses for each point is dropped.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_act = nn.Conv2d(3, 16, 3, 2), nn.PReLU(16)
        wide = [16, 16, 16, 32, 32, 32, 64, 64, 64, 128, 128, 128, 128, 128, 128]
        self.trunk = nn.Sequential(*_chain(wide, {2, 5, 8, 11}, nn.PReLU))
        self.points = _branch([128, 128, 128, 128], NUM_LANDMARKS * 3)
        self.score = _branch([128, 128], 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """See `FaceMesh`."""
        x = self.stem_act(self.stem(F.pad(image, (0, 1, 0, 1))))
        shared = self.trunk(x)  # (N, 128, 6, 6)
        points = self.points(shared).reshape(-1, NUM_LANDMARKS, 3)
        return points[..., :2], self.score(shared).flatten()


def _branch(channels: list[int], num_values: int) -> nn.Sequential:
    """From maps (N, 128, 6, 6) to values (N, num_values, 1, 1)."""
    return nn.Sequential(
        *_chain(channels, {0}, nn.PReLU),
        nn.Conv2d(channels[-1], 32, 1),
        nn.PReLU(32),
        BlazeBlock(32, 32, 1, nn.PReLU(32)),
        nn.Conv2d(32, num_values, 3),
    )
