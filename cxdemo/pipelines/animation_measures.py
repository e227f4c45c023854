"""How good a moved picture is: does it tremble, does it follow its driver, is the pose right?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cxdemo.faces import Face
from cxdemo.faces.finder import eyes_of
from cxdemo.images import resize

EYES, NOSE, LIPS = (33, 263), (1,), (13, 14, 61, 291)
"""Landmarks of MediaPipe's mesh: outer corners of the eyes, tip of the nose, the mouth."""


def flicker(result: Tensor, driver: Tensor) -> float:
    """How much more a result trembles than its driver: 1 is as the driver does.

    The second difference in time is large for trembling and small for steady movement. Each is
    divided by the first difference, so that a clip that moves more does not count as trembling.

    Shape:
        - result, driver: (T, 3, H, W), T >= 3.

    Returns:
        Dimensionless, >= 0; 0 if the driver does not move.
    """
    return _tremble(result) / max(_tremble(driver), 1e-9) if _tremble(driver) else 0.0


def _tremble(frames: Tensor) -> float:
    if len(frames) < 3:
        raise ValueError(f"Flicker needs at least 3 frames, got {len(frames)}.")
    first = frames.diff(dim=0)
    return float(first.diff(dim=0).abs().mean() / first.abs().mean().clamp_min(1e-9))


def pose_accuracy(results: Tensor, truths: Tensor, *, centred: bool = True) -> float:
    """Share of results whose nearest true frame is their own, in [0, 1].

    Args:
        results: (T, 3, H, W).
        truths: (T, 3, H, W), in the same order.
        centred: Nearest by the cosine of what differs from the clip's mean frame, which is the
            pose; else by squared difference, to which a result that is a little blurred is nearest
            to the frames that are near the mean.
    """
    if not centred:
        nearest = torch.cdist(results.flatten(1), truths.flatten(1)).argmin(dim=1)  # (T,)
    else:
        one, other = (
            F.normalize((clip - clip.mean(dim=0)).flatten(1), dim=1) for clip in (results, truths)
        )
        nearest = (one @ other.T).argmax(dim=1)
    return float((nearest == torch.arange(len(results))).float().mean())


def landmark_correlation(
    result: Tensor, driver: Tensor, find_faces: Callable[[Tensor], Sequence[Face]]
) -> tuple[float, float]:
    """Whether features of the result move as the driver's do.

    Eyes, nose and mouth are found in both, frame by frame; each coordinate is a curve over time,
    and the two curves of each are correlated.

    Args:
        result: (T, 3, H, W) in [0, 1].
        driver: (T, 3, h, w) in [0, 1].
        find_faces: As `cxdemo.faces.FaceFinder.find`.

    Returns:
        The median of the correlations, in [-1, 1], over frames in which both faces were found; and
        the share of these frames. NaN where fewer than 5 are left.
    """
    curves = [
        [_places(frame, find_faces) for frame in frames.split(1)] for frames in (result, driver)
    ]
    pairs = [(a, b) for a, b in zip(*curves, strict=True) if a is not None and b is not None]
    share = len(pairs) / len(result)
    if len(pairs) < 5:
        return float("nan"), share
    both = [torch.stack(list(side)) for side in zip(*pairs, strict=True)]  # (F, 14) each
    a, b = (places - places.mean(dim=0) for places in both)
    correlations = (a * b).sum(dim=0) / (a.norm(dim=0) * b.norm(dim=0)).clamp_min(1e-9)
    return float(correlations.median()), share


def _places(frame: Tensor, find_faces: Callable[[Tensor], Sequence[Face]]) -> Tensor | None:
    """Coordinates of the largest face's features, (14,), or None."""
    faces = find_faces(resize(frame, (256, 256)).clamp(0, 1))
    if not faces:
        return None
    return faces[0].landmarks[[*EYES, *NOSE, *LIPS], :2].float().flatten()


def shape_distance(one: Tensor, other: Tensor) -> float:
    """How far two meshes are apart in shape: turned, scaled and moved to lie as near as they can.

    Shape:
        - one, other: (K, 2), landmarks in MediaPipe's order.

    Returns:
        The mean distance of landmarks, in distances of the other's eyes.
    """
    a, b = one - one.mean(dim=0), other - other.mean(dim=0)
    u, s, vt = torch.linalg.svd(a.T @ b)
    flip = torch.diag(torch.stack([torch.ones_like(s[0]), torch.det(u @ vt).sign()]))
    turned = (s * flip.diagonal()).sum() / a.square().sum() * (a @ u @ flip @ vt)
    return float((turned - b).norm(dim=1).mean() / eyes_of(other).diff(dim=0).norm())


def shape_of(frames: Tensor, find_faces: Callable[[Tensor], Sequence[Face]]) -> Tensor | None:
    """The mean mesh of a clip's largest faces, (K, 2); None if none is found.

    Shape:
        - frames: (T, 3, H, W) in [0, 1].
    """
    found = [find_faces(frame) for frame in frames.split(1)]
    meshes = [faces[0].landmarks.float() for faces in found if faces]
    return torch.stack(meshes).mean(dim=0) if meshes else None
