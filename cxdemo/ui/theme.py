"""Colours, fonts and the style sheet. Fonts are the system's own: a page load asks no one else."""

from __future__ import annotations

from pathlib import Path

from gradio.themes import Base, sizes
from gradio.themes.utils import colors

_HERE = Path(__file__).resolve().parent
STYLE_SHEETS = [
    _HERE / name for name in ("cxdemo.css", "face/face.css", "lab/lab.css", "start/start.css")
]

_INK = colors.Color(
    name="ink",
    c50="#eef1f8", c100="#dbe1ef", c200="#b9c4de", c300="#8f9fc7", c400="#6679ab", c500="#465a8f",
    c600="#344675", c700="#28375d", c800="#1e2a48", c900="#151d33", c950="#0d1322",
)  # fmt: skip
_PAPER = colors.Color(
    name="paper",
    c50="#faf8f4", c100="#f3efe8", c200="#e6e0d5", c300="#d3cbbc", c400="#a59c8c", c500="#7a7265",
    c600="#5b5549", c700="#3d3a35", c800="#27272a", c900="#1a1b20", c950="#121318",
)  # fmt: skip
_OCHRE = "#e2a63d"

_SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


_COLORS = {
    "body_background_fill": "*neutral_50",
    "body_background_fill_dark": "*neutral_950",
    "body_text_color": "*primary_900",
    "body_text_color_dark": "#ece7dd",
    "body_text_color_subdued": "*neutral_600",
    "body_text_color_subdued_dark": "*neutral_400",
    "background_fill_primary": "#ffffff",
    "background_fill_primary_dark": "*neutral_900",
    "background_fill_secondary": "*neutral_100",
    "background_fill_secondary_dark": "#202127",
    "border_color_primary": "*neutral_200",
    "border_color_primary_dark": "#33343b",
    "block_background_fill": "#ffffff",
    "block_background_fill_dark": "*neutral_900",
    "block_border_width": "1px",
    "block_border_color": "*neutral_200",
    "block_border_color_dark": "#2c2d34",
    "block_shadow": "none",
    "block_label_background_fill": "transparent",
    "block_label_background_fill_dark": "transparent",
    "block_label_text_color": "*neutral_600",
    "block_label_text_color_dark": "*neutral_400",
    "block_label_border_width": "0px",
    "block_title_text_weight": "600",
    "block_info_text_color": "*neutral_600",
    "block_info_text_color_dark": "*neutral_400",
    "input_background_fill": "*neutral_50",
    "input_background_fill_dark": "#202127",
    "input_border_color": "*neutral_300",
    "input_border_color_dark": "#3b3c44",
    "button_primary_background_fill": "*primary_800",
    "button_primary_background_fill_hover": "*primary_700",
    "button_primary_background_fill_dark": _OCHRE,
    "button_primary_background_fill_hover_dark": "#eebd62",
    "button_primary_text_color": "#ffffff",
    "button_primary_text_color_dark": "#1a1408",
    "button_secondary_background_fill": "*neutral_100",
    "button_secondary_background_fill_hover": "*neutral_200",
    "button_secondary_background_fill_dark": "#2a2b32",
    "button_secondary_background_fill_hover_dark": "#383a43",
    "button_secondary_text_color": "*primary_900",
    "button_secondary_text_color_dark": "#ece7dd",
    "slider_color": "*primary_700",
    "slider_color_dark": _OCHRE,
    "checkbox_background_color_selected": "*primary_700",
    "checkbox_background_color_selected_dark": _OCHRE,
    "checkbox_label_background_fill_selected": "*primary_50",
    "checkbox_label_background_fill_selected_dark": "#3a2f1a",
    "checkbox_label_text_color_selected": "*primary_900",
    "checkbox_label_text_color_selected_dark": "#f6dca8",
    "checkbox_label_border_color_selected": "*primary_400",
    "checkbox_label_border_color_selected_dark": _OCHRE,
    "color_accent_soft": "*primary_50",
    "color_accent_soft_dark": "#2a2b32",
    "link_text_color": "*primary_700",
    "link_text_color_dark": _OCHRE,
}


def build_theme() -> Base:
    """Ink on paper; by night paper-white on ink, with ochre for what can be pressed."""
    return Base(
        primary_hue=_INK,
        secondary_hue=_INK,
        neutral_hue=_PAPER,
        radius_size=sizes.radius_lg,
        spacing_size=sizes.spacing_md,
        font=_SANS,
        font_mono=_MONO,
    ).set(**_COLORS)
