"""Where the faces of a picture are, large or small, upright or tilted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cxdemo.checkpoints import load_state_dict
from cxdemo.faces.networks import (
    DETECTOR_SIDE,
    MESH_SIDE,
    BlazeFace,
    FaceMesh,
    anchors,
)
from cxdemo.faces.warp import invert, move, places_of, sample, similarity

RIGHT_EYE, LEFT_EYE = (33, 133), (362, 263)  # the corners; right is the person's
SMALLEST_WINDOW = 128  # pixels of the picture; faces below about 20 pixels are not found
MAX_LEVELS = 4  # windows of the whole picture, then of a half, a quarter, an eighth
LARGEST = 2560  # pixels of the long side in which faces are looked for
TURNS = [-45.0, 45.0, 90.0, -90.0, 180.0]  # degrees; the detector itself bears about 30
TURNED_LEVELS = 2
MAX_FACES = 60
MAX_CANDIDATES = 160
DETECTOR_SCORE = 0.5
MESH_SCORE = 0.98  # chosen on the pictures of `cxdemo/examples`: faces have 0.99, a dog 0.97
SOME_SCORE = 0.1  # for a second look
SURE = 0.999  # of the mesh, for a face that ends the search: those of people have 0.9998 and more
LARGE = 1 / 4  # side of a face, in short sides of the picture, that ends the search
ROOM = 1.5  # side of what the mesh looks at, in sides of the face's own square
SAME = 0.3  # share of overlap from which two finds are the same face
BATCH = 64
SEARCHES = 6  # in a clip, where the face is not known from the frame before
SEARCHED = 320  # pixels of the long side of a frame, in which it is looked for


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a picture.

    Attributes:
        box: Left, top, right and bottom edge around the landmarks, in pixels of the picture.
        score: How sure the mesh is that there is a face, in [0, 1].
        landmarks: (468, 2), x and y in pixels of the picture, in MediaPipe's order.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: Tensor

    @property
    def area(self) -> float:
        """Pixels of the box."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])

    @property
    def eyes(self) -> Tensor:
        """Middles (2, 2) of the person's right and left eye."""
        return eyes_of(self.landmarks)

    @property
    def eye_distance(self) -> float:
        """Pixels between the middles of the eyes."""
        right, left = self.eyes
        return float((left - right).norm())


@dataclass(frozen=True)
class _Candidate:
    """A place that may be a face: a turned square, and the detector's score in [0, 1]."""

    centre: tuple[float, float]
    side: float
    angle: float  # degrees
    score: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        x, y, half = *self.centre, self.side / 2
        return x - half, y - half, x + half, y + half


class FaceFinder:
    """Finds faces. Build one with `load_face_finder`.

    Args:
        detector: Points at places.
        mesh: Draws the landmarks, and says whether there is a face at all.
    """

    def __init__(self, detector: BlazeFace, mesh: FaceMesh) -> None:
        self._detector, self._mesh = (_prepare(network) for network in (detector, mesh))
        self._device = next(mesh.parameters()).device
        self._anchors = anchors().to(self._device)

    @torch.no_grad()
    def find(self, image: Tensor) -> list[Face]:
        """The faces, the largest first.

        Args:
            image: (1, 3, H, W) in [0, 1].

        Raises:
            ValueError: The image has another shape.

        Cost:
            About 0.25 s for 320 x 320 pixels on one core.
        """
        small, factor = self._read(image)
        upright = self._look(small, [0.0], range(MAX_LEVELS))
        turned = self._look(small, TURNS, range(TURNED_LEVELS))
        faces = sorted(_without_doubles(upright + turned), key=lambda face: -face.area)[:MAX_FACES]
        return [_scale(face, factor) for face in faces]

    @torch.no_grad()
    def find_largest(self, image: Tensor) -> Face | None:
        """The largest face; None if there is none.

        An upright face that is sure and large is taken at once, though a tilted one beside it may
        be larger. Where there is none such, it is the first that `find` finds.

        Args:
            image: (1, 3, H, W) in [0, 1].

        Raises:
            ValueError: The image has another shape.

        Cost:
            About 20 ms on one core for a portrait; else a little more than `find`.
        """
        small, factor = self._read(image)
        found = self._look(small, [0.0], range(1))
        largest = max(found, key=lambda face: face.area, default=None)
        if largest and largest.score >= SURE and _is_large(largest, small):
            return _scale(largest, factor)
        return next(iter(self.find(image)), None)

    @torch.no_grad()
    def trace(self, crop: Tensor) -> Face | None:
        """The face that fills a crop, without a search; None if the mesh sees none there.

        Args:
            crop: An upright face in the middle, (1, 3, S, S) in [0, 1].

        Cost:
            About 20 ms, where `find` takes half a second.
        """
        small = crop.to(self._device, torch.float32)
        side = float(small.shape[3])
        guess = _Candidate((side / 2, 0.55 * side), 0.6 * side, 0.0, 1.0)
        rough = self._draw(small, guess)
        face = self._draw(small, _square_of(rough)) if rough else None
        return face if face and face.score >= MESH_SCORE else None

    @torch.no_grad()
    def follow(self, frames: Tensor) -> list[Face | None]:
        """The largest face of a clip, frame by frame; None where it is not seen.

        It is searched for in a few frames, and traced from each frame to the next.

        Args:
            frames: (T, 3, H, W) in [0, 1].

        Cost:
            At most `SEARCHES` times a `find` of `SEARCHED` pixels, and two passes of the mesh for
            each frame: for 36 frames about 2 s on one core.
        """
        faces: list[Face | None] = []
        last: Face | None = None
        next_search = 0
        for index, frame in enumerate(frames.to(self._device, torch.float32).split(1)):
            face = self._trace_on(frame, last) if last else None
            if face is None and index >= next_search:
                face = self._search(frame, last)
                next_search = index + math.ceil(len(frames) / SEARCHES)
            faces.append(face)
            last = face or last
        return faces

    def _trace_on(self, frame: Tensor, last: Face) -> Face | None:
        """The face near the place where it was in the frame before."""
        rough = self._draw(frame, _square_of(last))
        face = self._draw(frame, _square_of(rough)) if rough else None
        return face if face and face.score >= MESH_SCORE else None

    def _search(self, frame: Tensor, last: Face | None) -> Face | None:
        """The largest face of a frame; once one is known, the one that is nearest to it."""
        small, factor = _limit(frame, SEARCHED)
        found = [_scale(face, factor) for face in self.find(small)]
        if last is None or not found:
            return found[0] if found else None
        middle = last.eyes.mean(0)
        return min(found, key=lambda face: float((face.eyes.mean(0) - middle).norm()))

    def _read(self, image: Tensor) -> tuple[Tensor, float]:
        """A picture as it is searched, see `_limit`."""
        if image.ndim != 4 or image.shape[:2] != (1, 3):
            raise ValueError(f"expected one image (1, 3, H, W), got {tuple(image.shape)}")
        return _limit(image.to(self._device, torch.float32))

    def _look(self, image: Tensor, angles: list[float], levels: range) -> list[Face]:
        """Faces in a picture that is turned by each of some angles."""
        found = [each for angle in angles for each in self._point(image, angle, levels)]
        candidates = _without_doubles(found)[:MAX_CANDIDATES]
        rough = [face for each in candidates if (face := self._draw(image, each))]
        fine = [face for each in rough if (face := self._draw(image, _square_of(each)))]
        return [face for face in fine if face.score >= MESH_SCORE]

    def _point(self, image: Tensor, angle: float, levels: range) -> Iterator[_Candidate]:
        """What the detector sees in a turned picture, in coordinates of the picture."""
        turned, back = _turn(image, angle)
        for windows, corners, scale in _levels(turned, levels):
            for batch, places in zip(windows.split(BATCH), corners.split(BATCH), strict=True):
                yield from self._decode(batch, places, scale, back)

    def _decode(
        self, windows: Tensor, corners: Tensor, scale: float, back: Tensor
    ) -> Iterator[_Candidate]:
        """Candidates in some windows (N, 3, 128, 128) whose corners (N, 2) are known."""
        scores, boxes = self._detector(windows.contiguous(memory_format=torch.channels_last))
        scores = scores.clamp(-50, 50).sigmoid()
        for n, k in (scores >= DETECTOR_SCORE).nonzero().tolist():
            values = boxes[n, k].view(8, 2).clone()
            values[[0, 2, 3, 4, 5, 6, 7]] += self._anchors[k]
            points = (values[[0, 2, 3]].double() + corners[n]) * scale  # centre and both eyes
            centre, right, left = move(points, back).tolist()
            angle = math.degrees(math.atan2(left[1] - right[1], left[0] - right[0]))
            side = float(values[1].max()) * scale
            yield _Candidate((centre[0], centre[1]), side, angle, float(scores[n, k]))

    def _draw(self, image: Tensor, candidate: _Candidate) -> Face | None:
        """The mesh on a candidate, or None if it can see nothing at all there."""
        matrix = similarity(candidate.centre, candidate.side * ROOM, candidate.angle, MESH_SIDE)
        points, scores = self._mesh(sample(image, matrix, (MESH_SIDE, MESH_SIDE)))
        landmarks = move(points[0].double().cpu(), invert(matrix)).float()
        (left, top), (right, bottom) = landmarks.amin(0).tolist(), landmarks.amax(0).tolist()
        score = float(scores.sigmoid())
        if score < SOME_SCORE or min(right - left, bottom - top) < 4:
            return None
        return Face((left, top, right, bottom), score, landmarks)


def _prepare(network: nn.Module) -> nn.Module:
    """A network that is ready to use; its convolutions are twice as fast if channels come last."""
    return network.eval().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def load_face_finder(device: str = "cpu") -> FaceFinder:
    """The finder with its weights, which are embedded in this repository.

    Raises:
        CheckpointError: The weights are missing or damaged.
    """
    detector, mesh = BlazeFace(), FaceMesh()
    detector.load_state_dict(load_state_dict("face-detector").state_dict)
    mesh.load_state_dict(load_state_dict("face-mesh").state_dict)
    return FaceFinder(detector.to(device), mesh.to(device))


def eyes_of(landmarks: Tensor) -> Tensor:
    """Middles (2, 2) of the person's right and left eye, from their corners."""
    return torch.stack([landmarks[list(eye)].mean(0) for eye in (RIGHT_EYE, LEFT_EYE)])


def _limit(image: Tensor, longest: int = LARGEST) -> tuple[Tensor, float]:
    """The picture with a long side of at most so many pixels, and how much larger the given is."""
    height, width = image.shape[-2:]
    factor = max(height, width) / longest
    if factor <= 1:
        return image, 1.0
    size = (max(1, round(height / factor)), max(1, round(width / factor)))
    return F.interpolate(image, size, mode="bilinear", antialias=True), factor


def _turn(image: Tensor, angle: float) -> tuple[Tensor, Tensor]:
    """The picture within a turned square, and the transform (2, 3) back to the picture."""
    height, width = image.shape[-2:]
    if not angle:
        return image, torch.eye(2, 3, dtype=torch.float64)
    size = min(2 * DETECTOR_SIDE * 2, round(math.hypot(height, width)))
    matrix = similarity((width / 2, height / 2), math.hypot(height, width), angle, size)
    back = invert(matrix)
    across, down = places_of(back, (size, size))
    inside = (across >= 0) & (across <= width) & (down >= 0) & (down <= height)
    return sample(image, matrix, (size, size)) * inside.to(image), back


def _levels(image: Tensor, levels: range) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Windows of the whole picture, of a half of it and so on, each overlapped by half.

    Yields:
        Windows (N, 3, 128, 128), their corners (N, 2) in pixels at that size, and how many pixels
        of the picture such a pixel is.
    """
    height, width = image.shape[-2:]
    for level in levels:
        window = max(height, width) / 2**level
        if level and window < SMALLEST_WINDOW:
            return
        scale = window / DETECTOR_SIDE
        size = (max(1, round(height / scale)), max(1, round(width / scale)))
        small = F.interpolate(image, size, mode="bilinear", antialias=True, align_corners=False)
        yield *_cut(small), scale


def _cut(image: Tensor) -> tuple[Tensor, Tensor]:
    """Windows of 128 pixels every 64, over a picture that is padded with black."""
    side, step = DETECTOR_SIDE, DETECTOR_SIDE // 2
    pads = [max(side, math.ceil(length / step) * step) - length for length in image.shape[-2:]]
    padded = F.pad(image, (0, pads[1], 0, pads[0]))
    windows = padded[0].unfold(1, side, step).unfold(2, side, step)  # (3, R, C, 128, 128)
    rows, columns = windows.shape[1:3]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    corners = torch.stack([x, y], -1).reshape(-1, 2).double() * step
    windows = windows.permute(1, 2, 0, 3, 4).reshape(-1, 3, side, side)
    return windows, corners.to(image.device)


def _square_of(face: Face) -> _Candidate:
    """The square around a face, turned as its eyes are."""
    right, left = face.eyes.tolist()
    angle = math.degrees(math.atan2(left[1] - right[1], left[0] - right[0]))
    upright = similarity((0.0, 0.0), 1.0, angle, 1)
    points = move(face.landmarks.double(), upright)
    low, high = points.amin(0), points.amax(0)
    x, y = move((low + high) / 2, invert(upright)).tolist()
    return _Candidate((x, y), float((high - low).max()), angle, face.score)


def _without_doubles(found: list) -> list:
    """The best of finds that lie on each other."""
    kept: list = []
    for each in sorted(found, key=lambda find: -find.score):
        if all(_overlap(each.box, other.box) < SAME for other in kept):
            kept.append(each)
    return kept


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Common area of two boxes over the smaller one's area."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / min(areas)


def _is_large(face: Face, image: Tensor) -> bool:
    """Whether it is by far large enough for a portrait."""
    return face.area**0.5 >= LARGE * min(image.shape[-2:])


def _scale(face: Face, factor: float) -> Face:
    """The face in a picture that is larger by a factor."""
    left, top, right, bottom = (factor * edge for edge in face.box)
    return Face((left, top, right, bottom), face.score, face.landmarks * factor)
