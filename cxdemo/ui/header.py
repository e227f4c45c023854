"""The top of the page: what this is, the equations, which weights are in use, on which device."""

from __future__ import annotations

import logging
from html import escape

from cxdemo.engine.background_fetch import is_offline
from cxdemo.engine.context import Context
from cxdemo.ui.kit.i18n import show_switch

REFRESH = 2.0  # seconds between two looks at a download

_LOGGER = logging.getLogger(__name__)

_ORIGINS = {
    "embedded": "shipped with the app",
    "cache": "from this machine's cache",
    "hub": "from the Hugging Face Hub",
    "explicit": "from a file of yours",
}

_MARK = """
<svg class="cx-mark" viewBox="0 0 40 40" aria-hidden="true">
  <g class="cx-mark-a"><rect x="1" y="3" width="9" height="9" rx="2"/>
  <rect x="1" y="15.5" width="9" height="9" rx="2"/><rect x="1" y="28" width="9" height="9" rx="2"/></g>
  <g class="cx-mark-b"><rect x="30" y="3" width="9" height="9" rx="2"/>
  <rect x="30" y="15.5" width="9" height="9" rx="2"/><rect x="30" y="28" width="9" height="9" rx="2"/></g>
  <path class="cx-mark-line" d="M10 7.5 C20 7.5 20 32.5 30 32.5 M10 20 C18 20 22 7.5 30 7.5 M10 32.5 C18 32.5 22 20 30 20"/>
</svg>"""  # noqa: E501

_EQUATIONS = (
    (
        "How far apart are two patches? One minus the cosine of their centred features.",
        "<msub><mi>d</mi><mi>ij</mi></msub><mo>=</mo><mn>1</mn><mo>−</mo><mi>cos</mi><mo>(</mo>"
        "<msub><mi>x</mi><mi>i</mi></msub><mo>−</mo><mi>μ</mi><mo>,</mo>"
        "<msub><mi>y</mi><mi>j</mi></msub><mo>−</mo><mi>μ</mi><mo>)</mo>",
    ),
    (
        "And compared with the best that patch i could get?",
        "<msub><mi>r</mi><mi>ij</mi></msub><mo>=</mo><mfrac><msub><mi>d</mi><mi>ij</mi></msub>"
        "<mrow><msub><mi>min</mi><mi>k</mi></msub><msub><mi>d</mi><mi>ik</mi></msub>"
        "<mo>+</mo><mi>ε</mi></mrow></mfrac>",
    ),
    (
        "Near becomes large; the bandwidth h says how choosy to be.",
        "<msub><mi>w</mi><mi>ij</mi></msub><mo>=</mo><mi>exp</mi><mfrac><mrow><mn>1</mn><mo>−</mo>"
        "<msub><mi>r</mi><mi>ij</mi></msub></mrow><mi>h</mi></mfrac>",
    ),
    (
        "Each patch has one vote to spread: its affinities add up to 1.",
        "<msub><mi>CX</mi><mi>ij</mi></msub><mo>=</mo><mfrac><msub><mi>w</mi><mi>ij</mi></msub>"
        "<mrow><msub><mo>∑</mo><mi>k</mi></msub><msub><mi>w</mi><mi>ik</mi></msub></mrow></mfrac>",
    ),
    (
        "The loss is small when every target patch j is somebody's favourite.",
        "<mi>L</mi><mo>=</mo><mo>−</mo><mi>log</mi><mfrac><mn>1</mn><mi>N</mi></mfrac>"
        "<msub><mo>∑</mo><mi>j</mi></msub><msub><mi>max</mi><mi>i</mi></msub>"
        "<msub><mi>CX</mi><mi>ij</mi></msub>",
    ),
)


def show_title() -> str:
    """Name and one sentence."""
    return (
        f'<header class="cx-header">{_MARK}<div><h1>Contextual Loss</h1>'
        "<p>Each patch of a picture votes for the patches of another that it is most like, "
        "<em>compared with all the others</em>, wherever they are. Nothing needs to be "
        "aligned.</p></div></header>"
    )


def show_equations() -> str:
    """The five equations, behind a fold."""
    rows = "".join(
        f'<li><span>{said}</span><math display="block">{formula}</math></li>'
        for said, formula in _EQUATIONS
    )
    return (
        '<details class="cx-how"><summary>How it works</summary>'
        f"<ol>{rows}</ol><p>x are the features of the picture that is being made, y those of its "
        "target; i and j count places, and no equation asks where a place is. That is why eyes are "
        "painted like eyes and sky like sky, even when nothing lines up.</p></details>"
    )


def show_status(ctx: Context) -> str:
    """Which weights are in use and where from, the device, and a banner when there are none."""
    vgg16, vgg19 = _locate(ctx, "vgg16"), _locate(ctx, "vgg19")
    chips = [
        _chip("Weights", f"VGG16, {_ORIGINS[vgg16]}" if vgg16 else "none here", bool(vgg16)),
        _chip("Paper's VGG19", _ORIGINS[vgg19], True) if vgg19 else _show_arrival(ctx),
        _chip("Runs on", ctx.device_name, True),
    ]
    banner = "" if vgg16 or vgg19 else _BANNER
    return f'<div class="cx-chips">{"".join(chips)}{show_switch()}{_THEME_SWITCH}</div>{banner}'


def is_changing(ctx: Context) -> bool:
    """Whether the status will soon be another one."""
    return ctx.fetch is not None and ctx.fetch.running


_BANNER = (
    '<p class="cx-banner" role="status"><b>No weights were found on this machine.</b> The finished '
    "examples below work without any. To run your own pictures, put the files of "
    "<code>checkpoints/</code> back, or choose the backbone vgg19 under Advanced: it is fetched "
    "from the Hugging Face Hub, or ahead of time by <code>python -m cxdemo fetch vgg19</code>.</p>"
)

_THEME_SWITCH = (
    '<button type="button" class="cx-theme" title="Light or dark" aria-label="Light or dark">'
    '<svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="7"/>'
    '<path d="M10 3 a7 7 0 0 1 0 14 z"/></svg></button>'
)

THEME_SCRIPT = """
element.addEventListener('click', (event) => {
  if (!event.target.closest('.cx-theme')) return;
  document.body.classList.toggle('dark');
  document.body.style.background = 'var(--body-background-fill)';
});
"""


def _chip(name: str, value: str, good: bool, *, title: str = "", after: str = "") -> str:
    state = "" if good else " cx-missing"
    hint = f' title="{escape(title)}"' if title else ""
    label = f"<small>{escape(name)}</small>{escape(value)}{after}"
    return f'<span class="cx-chip{state}"{hint}>{label}</span>'


def _show_arrival(ctx: Context) -> str:
    """How far VGG19 is on its way from the Hub, or why it is not."""
    fetch, name = ctx.fetch, "Paper's VGG19"
    if is_offline():
        return _chip(name, "not here, and offline", False)
    if fetch is None:
        return _chip(name, "fetched when chosen", False)
    if not fetch.running:
        reason = fetch.error.reason if fetch.error else ""
        return _chip(name, "could not be fetched" if reason else "not here", False, title=reason)
    if not fetch.total:
        return _chip(name, "asking the Hugging Face Hub", False)
    done, total = (f"{count / 1e6:.0f}" for count in (fetch.done, fetch.total))
    bar = f'<progress max="{fetch.total}" value="{fetch.done}"></progress>'
    return _chip(name, f"on its way, {done} of {total} MB", False, after=bar)


def _locate(ctx: Context, name: str) -> str | None:
    """Where weights are; a manifest that is missing or broken is as good as no weights."""
    try:
        return ctx.locate(name)
    except (OSError, ValueError, KeyError) as error:
        _LOGGER.warning("%s cannot be located: %s", name, error)
        return None
