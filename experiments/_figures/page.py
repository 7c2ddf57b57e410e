"""The web page of `experiments.figures`: before/after sliders in a self-contained HTML file.

Images are embedded losslessly, each once. Without scripts the page shows them one below the other; its script turns
them into sliders.
"""

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from drujax.console.web_page import web_page
from drujax.pictures.grid import Box

LARGEST_WEBP = 16383


class Shown(NamedTuple):
    """An image's name, its versions in the order of their labels, and the detail to zoom into."""

    name: str
    versions: Sequence[UInt8[np.ndarray, "_ _ 3"]]
    box: Box | None = None


def page(labels: Sequence[str], rows: Sequence[Shown]) -> str:
    """Returns the HTML. The first version of each image is on the left of the sliders until another is selected."""
    sections = "\n".join(_section(labels, row) for row in rows)
    buttons = [("1", "Whole"), ("2", "2×"), ("4", "4×"), ("8", "8×")]
    if any(row.box is not None for row in rows):
        buttons.append(("detail", "Detail"))
    zoom = "".join(
        f'<button type="button" data-zoom="{value}" aria-pressed="{str(value == "1").lower()}">{text}</button>'
        for value, text in buttons
    )
    models = escape(", ".join(labels[1:]))
    return web_page(f"drujax: {models}", _STYLE, _BODY.format(sections=sections, zoom=zoom), _SCRIPT)


def _section(labels: Sequence[str], row: Shown) -> str:
    h, w, _ = row.versions[0].shape
    box = "" if row.box is None else f' data-box="{",".join(map(str, row.box))}"'
    figures = "\n".join(
        f'<figure><img src="{image_uri(version)}" width="{w}" height="{h}" alt="{escape(row.name)}: {escape(label)}">'
        f"<figcaption>{escape(label)}</figcaption></figure>"
        for label, version in zip(labels, row.versions, strict=True)
    )
    return (
        f'<section{box} style="--shape:{w}/{h}">\n<h2>{escape(row.name)} <small>{w} × {h}</small></h2>\n'
        f'<div class="row">\n{figures}\n</div>\n</section>'
    )


def image_uri(picture: UInt8[np.ndarray, "_ _ 3"]) -> str:
    """Returns a picture as a data address, without loss."""
    kind = "webp" if max(picture.shape) <= LARGEST_WEBP else "png"
    content = io.BytesIO()
    Image.fromarray(picture).save(content, kind, **({"lossless": True} if kind == "webp" else {}))
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"


_BODY = """<header>
<h1>Before and after</h1>
<div id="controls" hidden>
<span role="group" aria-label="Zoom">{zoom}</span>
<label><input type="checkbox" id="together" checked> move all together</label>
</div>
<p id="help" hidden>Drag over a picture, or focus a slider and press the arrow keys. When zoomed in, drag or scroll to
pan.</p>
</header>
<main>
{sections}
</main>"""

_STYLE = """
:root { color-scheme: light dark; --back: #f4f4f4; --text: #1a1a1a; --line: #999; }
@media (prefers-color-scheme: dark) { :root { --back: #1c1c1c; --text: #eee; --line: #666; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.4 system-ui, sans-serif; }
header { position: sticky; top: 0; z-index: 2; padding: .5rem 1rem; background: var(--back);
  border-bottom: 1px solid var(--line); display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: center; }
h1 { font-size: 1.1rem; margin: 0; }
header p { margin: 0; font-size: .875rem; }
@media (max-width: 40rem) { header { position: static; } }
main { padding: 0 1rem 2rem; }
h2 { font-size: 1rem; margin: 1.25rem 0 .5rem; overflow-wrap: anywhere; }
h2 small { font-weight: normal; }
h2 label { font-weight: normal; margin-left: 1rem; }
button, select { font: inherit; padding: .3rem .7rem; }
button[aria-pressed=true] { outline: 2px solid currentColor; outline-offset: -2px; font-weight: bold; }
.row { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); }
figure { margin: 0; min-width: 0; }
figure > img { width: 100%; height: auto; display: block; }
figcaption { padding: .25rem 0; overflow-wrap: anywhere; }
.view { position: relative; overflow: hidden; aspect-ratio: var(--shape); touch-action: pan-y; cursor: ew-resize; }
.zoomed .view { overflow: auto; touch-action: auto; cursor: grab; }
.stage { position: relative; width: calc(100% * var(--scale, 1)); aspect-ratio: var(--shape); }
.stage img { position: absolute; inset: 0; width: 100%; height: 100%; user-select: none; pointer-events: none; }
.zoomed .stage img { image-rendering: pixelated; }
.stage .left { clip-path: inset(0 calc(100% - var(--at)) 0 0); }
.frame { position: relative; }
.frame b { position: absolute; top: .4rem; padding: .1rem .5rem; max-width: 46%; font-weight: normal;
  font-size: .875rem; color: #fff; background: rgba(0, 0, 0, .7); border-radius: .2rem; pointer-events: none;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.frame b:first-of-type { left: .4rem; }
.frame b:last-of-type { right: .4rem; }
.line { position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px; margin-left: -1px; background: #fff;
  box-shadow: 0 0 2px #000; pointer-events: none; }
input[type=range] { display: block; width: 100%; height: 2rem; margin: 0; }
:focus-visible { outline: 3px solid #3b82f6; outline-offset: 2px; }
"""

_SCRIPT = """
'use strict';
const all = [];
const $ = (tag, props, ...children) => {
  const element = Object.assign(document.createElement(tag), props);
  element.append(...children);
  return element;
};
const together = document.getElementById('together');
for (const section of document.querySelectorAll('section')) {
  const figures = [...section.querySelectorAll('figure')];
  const versions = figures.map(figure => ({
    src: figure.querySelector('img').src,
    label: figure.querySelector('figcaption').textContent,
  }));
  const name = section.querySelector('h2').firstChild.textContent.trim();
  const views = [];
  figures[0].remove();
  figures.slice(1).forEach((figure, i) => {
    const right = figure.querySelector('img');
    const left = $('img', {className: 'left', alt: ''});
    const stage = $('div', {className: 'stage'}, right, left, $('div', {className: 'line'}));
    const view = $('div', {className: 'view'}, stage);
    const leftLabel = $('b', {});
    const frame = $('div', {className: 'frame'}, view, leftLabel, $('b', {textContent: versions[i + 1].label}));
    const range = $('input', {type: 'range', min: 0, max: 100, step: 1, value: 50});
    figure.prepend(frame, range);
    const slider = {section, view, stage, range, box: section.dataset.box};
    slider.show = at => {
      range.value = at;
      stage.style.setProperty('--at', view.scrollLeft + view.clientWidth * at / 100 + 'px');
      range.setAttribute('aria-valuetext', Math.round(at) + ' % ' + leftLabel.textContent);
    };
    slider.compareWith = version => {
      left.src = version.src;
      leftLabel.textContent = version.label;
      const labels = version.label + ' on the left, ' + versions[i + 1].label + ' on the right';
      range.setAttribute('aria-label', name + ': ' + labels);
      slider.show(+range.value);
    };
    const move = at => { for (const other of together.checked ? all : [slider]) other.show(at); };
    range.addEventListener('input', () => move(+range.value));
    let held = null;
    view.addEventListener('pointerdown', event => {
      const zoomed = document.body.classList.contains('zoomed');
      if (event.button !== 0 || (zoomed && event.pointerType !== 'mouse')) return;
      held = zoomed ? {x: event.clientX + view.scrollLeft, y: event.clientY + view.scrollTop} : {};
      view.setPointerCapture(event.pointerId);
      if (!zoomed) drag(event);
      event.preventDefault();
    });
    const drag = event => {
      if (held === null) return;
      if ('x' in held) {
        view.scrollTo(held.x - event.clientX, held.y - event.clientY);
      } else {
        const edge = view.getBoundingClientRect();
        move(Math.min(100, Math.max(0, 100 * (event.clientX - edge.left) / edge.width)));
      }
    };
    view.addEventListener('pointermove', drag);
    for (const end of ['pointerup', 'pointercancel']) view.addEventListener(end, () => { held = null; });
    view.addEventListener('scroll', () => {
      slider.show(+range.value);
      for (const other of views) {
        if (other === view || !together.checked) continue;
        other.scrollTo(view.scrollLeft, view.scrollTop);
      }
    });
    views.push(view);
    all.push(slider);
    slider.compareWith(versions[0]);
  });
  if (versions.length > 2) {
    const select = $('select', {}, ...versions.map((v, i) => $('option', {value: i, textContent: v.label})));
    select.addEventListener('change', () => {
      for (const slider of all) if (slider.section === section) slider.compareWith(versions[select.value]);
    });
    section.querySelector('h2').append($('label', {}, 'left: ', select));
  }
}
const zoom = how => {
  document.body.classList.toggle('zoomed', how !== '1');
  for (const {view, stage, box, range, show} of all) {
    const full = stage.querySelector('img');
    const [w, h] = [full.getAttribute('width'), full.getAttribute('height')];
    let [x, y, scale] = [w / 2, h / 2, how === 'detail' ? 1 : +how];
    if (box) {
      const [left, top, wide, high] = box.split(',').map(Number);
      [x, y] = [left + wide / 2, top + high / 2];
      if (how === 'detail') scale = Math.min(w / wide, h / high);
    }
    view.tabIndex = how === '1' ? -1 : 0;
    stage.style.setProperty('--scale', scale);
    view.scrollLeft = x / w * stage.offsetWidth - view.clientWidth / 2;
    view.scrollTop = y / h * stage.offsetHeight - view.clientHeight / 2;
    show(+range.value);
  }
  for (const button of buttons) button.setAttribute('aria-pressed', button.dataset.zoom === how);
};
const buttons = [...document.querySelectorAll('[data-zoom]')];
for (const button of buttons) button.addEventListener('click', () => zoom(button.dataset.zoom));
addEventListener('resize', () => { for (const {range, show} of all) show(+range.value); });
for (const id of ['controls', 'help']) document.getElementById(id).hidden = false;
"""
