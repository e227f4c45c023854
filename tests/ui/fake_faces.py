"""A finder and a translator that answer at once."""

import torch

from cxdemo.faces import Face
from cxdemo.pipelines.face_translation import TRANSLATORS, Translation


def make_face(x, y, distance, score=1.0):
    """A frontal face whose eyes are level, `distance` apart, around (x, y)."""
    landmarks = torch.zeros(468, 2)
    landmarks[:] = torch.tensor([x, y])
    landmarks[[33, 133]] = torch.tensor([x - distance / 2, y])
    landmarks[[362, 263]] = torch.tensor([x + distance / 2, y])
    landmarks[[61, 291]] = torch.tensor([x, y + distance])
    box = (x - distance, y - distance, x + distance, y + distance)
    return Face(box, score, landmarks)


def fake_find(image):
    """A face for each bright colour in the left top corner: red, then green; none if it is dark."""
    width = image.shape[-1]
    faces = [make_face(width / 2, 40.0, 20.0), make_face(width / 4, 30.0, 10.0)]
    return faces[: int((image[0, :2, 0, 0] > 0.5).sum())]


def fake_follow(frames):
    """In the middle of each frame, framed as the shipped driver's; none in black frames."""
    height, width = frames.shape[2:]
    side = min(height, width)
    face = make_face(width / 2, height / 2 - 0.07 * side, 0.25 * side)
    return [face if frame.max() > 0.2 else None for frame in frames]


def fake_translate(face, translator):
    """Black for one direction, white for the others."""
    image = torch.full((1, 3, 64, 64), 0.0 if translator == "to-male" else 1.0)
    return Translation(image=image, source=image, source_term=1.25, moved=0.5, seconds=0.02)


FAKE_FACES = {
    "find_faces": fake_find,
    "find_largest_face": lambda image: next(iter(fake_find(image)), None),
    "follow_face": fake_follow,
    "translators": TRANSLATORS,
    "load_translator": lambda name: name,
    "translate": fake_translate,
}
