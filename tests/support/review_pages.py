"""Reads pages of `experiments.prepare review`."""

import base64
import io
import json
from html.parser import HTMLParser
from pathlib import Path

from PIL import Image


class ReviewPage(HTMLParser):
    """The cards of a page, in order, the addresses that it names, and the corrections that it carries along."""

    def __init__(self, path: Path):
        super().__init__()
        self.cards, self.thumbnails, self.texts, self.addresses = [], [], [], []
        self._within, self._carried = None, ""
        self.feed(path.read_text(encoding="utf-8"))
        self.carried = json.loads(self._carried)
        self.files = [card["data-file"] for card in self.cards]

    def handle_starttag(self, tag, attrs):
        named = {name: value or "" for name, value in attrs}
        self._within = named.get("id", tag)
        self.addresses += [named[name] for name in ("src", "href", "srcset", "action") if name in named]
        if tag == "li":
            self.cards.append(named)
        if "src" in named:
            content = base64.b64decode(named["src"].removeprefix("data:image/jpeg;base64,"))
            self.thumbnails.append(Image.open(io.BytesIO(content)))

    def handle_data(self, data):
        if self._within == "small":
            self.texts.append(data)
        if self._within == "carried":
            self._carried += data

    def handle_endtag(self, tag):
        self._within = None
