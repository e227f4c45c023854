"""What a picker accepts, said before the upload, and why its camera can't be used, said in words.

Gradio's pickers say nothing at all if there is no camera or the browser refuses it.
"""

from __future__ import annotations

from html import escape

import gradio as gr

# Which picker asked is known by the last click: the browser's answer does not tell.
SCRIPT = """
const media = navigator.mediaDevices;
if (media && !media.cxWatched) {
  media.cxWatched = true;
  const ask = media.getUserMedia.bind(media);
  media.getUserMedia = (wanted) => ask(wanted).catch((error) => {
    document.dispatchEvent(new CustomEvent('cx-camera', {detail: error.name}));
    throw error;
  });
}
const said = element.querySelector('[role=alert]');
let asked = false;
document.addEventListener('click', (event) => {
  asked = Boolean(event.target.closest(said.dataset.pickers));
  if (asked) said.hidden = true;
}, true);
document.addEventListener('cx-camera', (event) => {
  if (!asked) return;
  const reasons = {
    NotAllowedError:
      'The browser does not let this page use the camera. Allow it, or upload a file.',
    NotFoundError: 'No camera was found. Upload a file instead.',
  };
  said.textContent = reasons[event.detail]
    || 'The camera cannot be used, perhaps because another program does. Upload a file instead.';
  said.hidden = false;
});
"""


def build_limits(text: str, *picker_ids: str) -> gr.HTML:
    """The limits of some pickers, and a place for the reason why their camera can't be used.

    Args:
        text: What they accept.
        picker_ids: Their `elem_id`s.
    """
    pickers = ", ".join(f"#{elem_id}" for elem_id in picker_ids)
    return gr.HTML(
        f'<p class="info-text">{escape(text)}</p>'
        f'<p class="cx-face-problem" role="alert" hidden data-pickers="{escape(pickers)}"></p>',
        elem_classes="cx-face-limits",
        js_on_load=SCRIPT,
    )
