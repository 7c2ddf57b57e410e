"""The card as a web page in one file, with its pictures inside; it needs no script and no network."""

import base64
import re
from collections.abc import Sequence
from html import escape
from itertools import groupby

from drujax.console.web_page import web_page
from drujax.data.card.charts import svg
from drujax.data.card.content import Block, Code, Histogram, Section, Sheet, Table, Thumbnail, Verdict
from drujax.data.card.markdown import TITLE
from drujax.data.card.sheets import HEIGHT


def page(sections: Sequence[Section]) -> str:
    """Returns the text of dataset.html."""
    links = " ".join(f'<a href="#{_anchor(section)}">{escape(section.title)}</a>' for section in sections)
    body = _BODY.format(title=TITLE, links=links, sections="\n".join(map(_section, sections)))
    return web_page(TITLE, _STYLE, body)


def _anchor(section: Section) -> str:
    return re.sub(r"\W+", "-", section.title.lower())


def _section(section: Section) -> str:
    parts = []
    for kind, blocks in groupby(section.blocks, key=type):
        drawn = "\n".join(map(_block, blocks))
        parts.append(f'<div class="charts">{drawn}</div>' if kind is Histogram else drawn)
    body = "\n".join(parts)
    return f'<section id="{_anchor(section)}">\n<h2>{escape(section.title)}</h2>\n{body}\n</section>'


def _block(block: Block) -> str:
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Histogram):
        return _histogram(block)
    if isinstance(block, Code):
        return f"<pre>{escape(block.text)}</pre>"
    if isinstance(block, Verdict):
        return f'<p class="verdict {block.word}"><b>{block.word}</b> {escape(block.text)}.</p>'
    if isinstance(block, Sheet):
        return f"<h3>{escape(block.title)}</h3>\n<div class=sheet>{''.join(map(_thumbnail, block.thumbnails))}</div>"
    return f"<p>{escape(block)}</p>"


def _table(table: Table) -> str:
    kinds = [" class=number" * table.is_number(column) for column in range(len(table.header))]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for kind, name in zip(kinds, table.header, strict=True))
    rows = []
    for row in table.rows:
        cells = [f"{cell:,}" if isinstance(cell, int) else escape(cell) for cell in row]
        drawn = "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds, cells, strict=True))
        rows.append(f"<tr{' class=total' * str(row[0]).startswith('total')}>{drawn}</tr>")
    body = "\n".join(rows)
    return f"<div class=scroll><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"


def _histogram(histogram: Histogram) -> str:
    named = {name: counts for name, counts in histogram.series.items() if any(counts)}
    keys = ""
    if len(histogram.series) > 1:
        keys = " ".join(
            f'<span class="key series-{escape(name.split()[-1])}">{escape(name)} {sum(counts):,}</span>'
            for name, counts in named.items()
        )
    caption = f"<b>{escape(histogram.title)}</b><div>{escape(histogram.note)} {keys}</div>"
    return f"<figure><figcaption>{caption}</figcaption>{svg(histogram)}</figure>"


def _thumbnail(thumbnail: Thumbnail) -> str:
    data = base64.b64encode(thumbnail.jpeg).decode()
    name = escape(thumbnail.id)
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="{name}" title="{name}" height="{HEIGHT}">'
        f"<figcaption>{escape(thumbnail.caption)}</figcaption></figure>"
    )


_BODY = """<header>
<h1>{title}</h1>
<nav>{links}</nav>
</header>
<main>
{sections}
</main>"""

_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1a1a1a; --soft: #666; --line: #ccc; --stripe: #f4f4f4;
  --dark: #39508a; --bright: #e0a030; --uncertain: #9a9a9a; --good: #1d7a3c; --look: #8a6100; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --back: #1c1c1c; --text: #eee; --soft: #aaa; --line: #555;
  --stripe: #272727; --dark: #7c95d8; --bright: #e8b04a; --uncertain: #8a8a8a; --good: #6fcf8b; --look: #e8b04a;
  --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 0 1rem 3rem; background: var(--back); color: var(--text);
  font: 16px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 1.25rem 0 .25rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; font-size: .9rem; }
a { color: inherit; }
h2 { font-size: 1.2rem; margin: 2.25rem 0 .5rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: .95rem; margin: 1rem 0 .35rem; }
p { max-width: 48rem; margin: .6rem 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .2rem .7rem; text-align: start; border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
th { font-weight: 600; white-space: nowrap; }
th.number, td.number { text-align: end; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.total td { font-weight: 600; background: var(--stripe); }
pre { padding: .6rem .8rem; background: var(--stripe); white-space: pre-wrap; overflow-wrap: anywhere;
  font-size: .85rem; }
.charts { display: grid; gap: 1rem 1.5rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); }
.charts figure { margin: .5rem 0; }
.charts figcaption { font-size: .85rem; color: var(--soft); }
.charts figcaption b { color: var(--text); }
svg { width: 100%; height: auto; display: block; font: 11px system-ui, sans-serif; }
svg text { fill: var(--soft); }
svg .axis { stroke: var(--line); }
svg .mark { stroke: var(--text); stroke-dasharray: 3 3; }
svg rect, .key { --series: var(--dark); }
svg .series-bright, .key.series-bright, svg .series-train_bright { --series: var(--bright); }
svg .series-uncertain, .key.series-uncertain { --series: var(--uncertain); }
svg rect { fill: var(--series); }
.charts figcaption div { display: flex; flex-wrap: wrap; gap: 0 .75rem; }
.key { white-space: nowrap; }
.key::before { content: ""; display: inline-block; width: .7em; height: .7em; margin-right: .3em;
  background: var(--series); }
.verdict b { display: inline-block; min-width: 3.2rem; text-transform: uppercase; font-size: .8rem; }
.verdict.good b { color: var(--good); }
.verdict.look b { color: var(--look); }
.verdict.bad b { color: var(--bad); }
.sheet { display: flex; flex-wrap: wrap; gap: .4rem; }
.sheet figure { margin: 0; }
.sheet img { display: block; }
.sheet figcaption { font-size: .72rem; color: var(--soft); }
"""
