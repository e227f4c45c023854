"""Faces: find them, cut them out upright, mark their parts, paste them back.

    faces = load_face_finder().find(image)        # image: (1, 3, H, W) in [0, 1]
    aligned = align(image, faces[0], size=256)    # aligned.crop: (1, 3, 256, 256)
    eyes = region_mask(aligned, "eyes")           # (1, 1, 256, 256)
    image = aligned.paste_back(image, transformed, mask=eyes)

The finder is MediaPipe's BlazeFace and FaceMesh (Apache-2.0), converted to torch: see
`cxdemo.training.convert_face_mesh`. Coordinates are those of `cxdemo.faces.warp`.
"""

from cxdemo.faces.align import PORTRAIT, AlignedFace, Framing, Square, align, align_box, square_of
from cxdemo.faces.camera import crop_along
from cxdemo.faces.finder import Face, FaceFinder, load_face_finder
from cxdemo.faces.regions import REGIONS, Region, region_mask

__all__ = [
    "PORTRAIT",
    "REGIONS",
    "AlignedFace",
    "Face",
    "FaceFinder",
    "Framing",
    "Region",
    "Square",
    "align",
    "align_box",
    "crop_along",
    "load_face_finder",
    "region_mask",
    "square_of",
]
