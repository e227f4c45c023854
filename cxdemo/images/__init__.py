"""Pictures in and out: whatever people upload becomes RGB, and tensors become files.

Only this package knows about uint8. Everywhere else an image is a float32 tensor of shape
(N, 3, H, W), RGB, sRGB-encoded, with values in [0, 1].
"""

from cxdemo.images.colour import flatten
from cxdemo.images.decode import ANIMATED, Source, load, load_with_alpha, open_header
from cxdemo.images.files import (
    LONGEST_SIDE,
    PICTURES,
    SETTINGS_KEY,
    WRITABLE,
    list_pictures,
    read_png_metadata,
    read_settings_text,
    save_picture,
    save_png,
)
from cxdemo.images.limits import (
    DEFAULT_LIMITS,
    READABLE,
    ImageError,
    ImageLimits,
    check_size,
    is_picture,
    say_kind,
    shown_name,
)
from cxdemo.images.tensors import (
    Canvas,
    ResizeMode,
    blur,
    blur_inside,
    contact_sheet,
    crop_middle,
    fit_long_side,
    keep_luminance,
    luma,
    resize,
    shrink,
    to_pil,
    to_tensor,
)

__all__ = [
    "ANIMATED",
    "DEFAULT_LIMITS",
    "LONGEST_SIDE",
    "PICTURES",
    "READABLE",
    "SETTINGS_KEY",
    "WRITABLE",
    "Canvas",
    "ImageError",
    "ImageLimits",
    "ResizeMode",
    "Source",
    "blur",
    "blur_inside",
    "check_size",
    "contact_sheet",
    "crop_middle",
    "fit_long_side",
    "flatten",
    "is_picture",
    "keep_luminance",
    "list_pictures",
    "load",
    "load_with_alpha",
    "luma",
    "open_header",
    "read_png_metadata",
    "read_settings_text",
    "resize",
    "save_picture",
    "save_png",
    "say_kind",
    "shown_name",
    "shrink",
    "to_pil",
    "to_tensor",
]
