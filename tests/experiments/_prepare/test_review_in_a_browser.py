"""The review page in Chromium, opened as a file: keys, saving, what it remembers, and how it is shown."""

import shutil

import pytest

from drujax.data.dataset import Dataset
from drujax.data.description import read_description
from drujax.data.records import SPLITS
from tests.support.review_pages import ReviewPage

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
FILES = ['frames/c & <i>, "d".png', "frames/b.png", "frames/e.png", "frames/a.png"]  # as they are shown


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """`visit(path)` opens a page in a new profile. Its scripts must not fail, and it must load nothing."""
    contexts, faults, loaded = [], [], []

    def open_(path, **options):
        context = chromium.new_context(**{"viewport": {"width": 1000, "height": 700}, **options})
        contexts.append(context)
        context.on("weberror", lambda error: faults.append(str(error.error)))
        context.on("console", lambda message: faults.append(message.text))
        context.on("request", lambda request: request.is_navigation_request() or loaded.append(request.url))
        page = context.new_page()
        page.goto(path.as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert faults == []
    assert [url for url in loaded if not url.startswith(("data:", "blob:"))] == []


@pytest.fixture
def out(tmp_path, dataset, command):
    """The page of `dataset`."""
    assert command("review", f"--data={dataset}", f"--out={tmp_path / 'review.html'}") == 0
    return tmp_path / "review.html"


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def current(page):
    """The file of the selected card, which is also the only one that Tab reaches."""
    selected = "li[aria-selected=true]"
    assert page.locator("li[tabindex='0']").count() == page.locator(selected).count() == 1
    assert page.get_attribute(selected, "tabindex") == "0"
    assert page.inner_text("#file") == page.get_attribute(selected, "data-file")
    return page.get_attribute(selected, "data-file")


def decisions(page):
    """The decisions as a reader sees them, in words."""
    return page.locator("li").evaluate_all("cards => cards.map(card => card.querySelector('b').textContent)")


def shown(page):
    cards = "cards => cards.filter(card => card.checkVisibility()).map(card => card.dataset.file)"
    return page.locator("li").evaluate_all(cards)


def save(page, path):
    with page.expect_download() as download:
        press(page, "s")
    assert download.value.suggested_filename == "corrections.csv"
    download.value.save_as(path)
    return path


def test_corrections_by_keyboard_reach_the_dataset(tmp_path, frames, dataset, out, visit, command):
    page = visit(out)
    assert current(page) == FILES[0]
    assert page.evaluate("document.activeElement.dataset.file") == FILES[0]
    press(page, "d", "b", "x")
    assert current(page) == FILES[3]
    assert decisions(page) == ["dark", "bright", "left out", ""]
    assert page.inner_text("#count") == "3 of 4 reviewed, 3 changed, 3 not saved"
    assert page.get_attribute("#progress", "value") == "3"
    corrections = save(page, tmp_path / "corrections.csv")
    expected = 'file,label\r\n"frames/c & <i>, ""d"".png",dark\r\nframes/b.png,bright\r\nframes/e.png,out\r\n'
    assert corrections.read_bytes().decode() == expected
    assert page.inner_text("#count") == "3 of 4 reviewed, 3 changed, 0 not saved"

    options = ("--crop=16", "--labels=qab", f"--corrections={corrections}")
    assert command(f"--source={frames}", f"--out={tmp_path / 'd'}", *options) == 0
    rows = {row.id: row for split in SPLITS for row in Dataset.open(tmp_path / "d").table(split)}
    manual = {name: row.label for name, row in rows.items() if row.label_origin == "manual"}
    assert manual == {FILES[0]: "dark", FILES[1]: "bright"}
    assert not {FILES[2], FILES[3]} & rows.keys()
    assert read_description(tmp_path / "d")["corrections"] == manual | {FILES[2]: "out"}


def test_earlier_corrections_are_saved_again(tmp_path, dataset, command, visit):
    earlier = tmp_path / "earlier.csv"
    earlier.write_text('file,label\nb.png,bright\n"lost, </script>.png",out\n')
    out = tmp_path / "review.html"
    assert command("review", f"--data={dataset}", f"--out={out}", f"--corrections={earlier}") == 0
    page = visit(out)
    assert decisions(page) == ["", "bright", "", ""]
    assert page.inner_text("#count") == "1 of 4 reviewed, 1 changed, 0 not saved"
    press(page, "b", "n", "d")
    rows = save(page, tmp_path / "corrections.csv").read_text().split("\n")
    assert rows[1:] == [
        '"frames/c & <i>, ""d"".png",bright',
        "frames/b.png,bright",
        "frames/e.png,dark",
        '"lost, </script>.png",out',
        "",
    ]
    press(page, "ArrowUp", "Home", "ArrowRight", "u", "u")
    assert decisions(page) == ["", "bright", "", ""]  # undoing does not reach the earlier ones
    press(page, "ArrowRight", "Backspace")
    assert decisions(page) == ["", "", "", ""]


def test_undo_and_no_decision(out, visit):
    page = visit(out)
    assert page.is_disabled("#undo")
    press(page, "d", "ArrowLeft", "b", "ArrowLeft", "Delete")
    assert decisions(page)[0] == ""
    assert current(page) == FILES[0]
    for key, decision in (("u", "bright"), ("Control+z", "dark"), ("Shift+U", "")):
        press(page, key)
        assert (decisions(page)[0], current(page)) == (decision, FILES[0])
    press(page, "u")
    assert page.inner_text("#said") == "Nothing to undo"
    page.keyboard.press("Control+b")  # the browser's own
    assert decisions(page) == [""] * 4
    press(page, "D")
    page.keyboard.down("b")
    page.keyboard.down("b")  # held: repeats
    assert decisions(page) == ["dark", "bright", "", ""]


@pytest.mark.parametrize(("width", "columns"), [(1000, 3), (1400, 4), (420, 2)])
def test_arrows_follow_the_layout(out, visit, width, columns):
    page = visit(out, viewport={"width": width, "height": 700})
    press(page, "ArrowDown")
    assert current(page) == (FILES[columns] if columns < 4 else FILES[0])
    press(page, "ArrowUp")
    assert current(page) == FILES[0]
    press(page, "ArrowLeft")
    assert current(page) == FILES[0]
    press(page, "End", "ArrowRight")
    assert current(page) == FILES[3]
    press(page, "ArrowLeft")
    assert current(page) == FILES[2]
    press(page, "Home", "ArrowRight")
    assert current(page) == FILES[1]
    assert page.locator("li[aria-selected=true]").evaluate("card => card === document.activeElement")


def test_filters(out, visit):
    page = visit(out)
    press(page, "b", "b")  # the first as it was, the second changed
    expected = {
        "open": FILES[2:],
        "reviewed": FILES[:2],
        "changed": FILES[1:2],
        "dark": FILES[2:3],
        "bright": [FILES[0], FILES[1], FILES[3]],
        "out": [],
        "all": FILES,
    }
    for choice, files in expected.items():
        page.select_option("#filter", choice)
        assert shown(page) == files
    page.select_option("#filter", "open")
    press(page, "Escape")
    assert current(page) == FILES[2]
    press(page, "x", "x")  # decided pictures leave this view
    assert page.is_visible("#none")
    assert not page.is_visible("aside h2")
    press(page, "d", "ArrowRight", "n")
    assert page.inner_text("#said") == "All pictures shown are reviewed"
    press(page, "u")
    assert shown(page) == [current(page)] == FILES[3:]
    press(page, "f")
    assert page.evaluate("document.activeElement.id") == "filter"
    page.select_option("#filter", "all")
    page.focus("#name")
    page.keyboard.type("B.p")
    assert shown(page) == FILES[1:2]
    assert decisions(page)[1] == "bright"  # letters typed there are no decisions
    press(page, "Enter", "d")
    assert decisions(page) == ["bright", "dark", "left out", ""]


def test_unsaved_work_survives_closing_the_page(out, visit):
    page = visit(out)
    press(page, "d", "x", "ArrowLeft", "b")
    again = page.context.new_page()
    page.close()
    again.goto(out.as_uri())
    assert decisions(again) == ["dark", "bright", "", ""]
    assert again.inner_text("#count") == "2 of 4 reviewed, 2 changed, 2 not saved"
    assert current(again) == FILES[2]
    press(again, "u", "u")
    assert decisions(again) == ["dark", "", "", ""]
    other = visit(out)  # another profile
    assert decisions(other) == [""] * 4


def test_decisions_are_shared_between_tabs_and_not_between_pages(tmp_path, dataset, out, visit, command):
    page = visit(out)
    tab, other = page.context.new_page(), page.context.new_page()
    tab.goto(out.as_uri())
    press(page, "x")
    sync_api.expect(tab.locator("li b").first).to_have_text("left out")
    different = tmp_path / "all.html"
    assert command("review", f"--data={dataset}", "--all", f"--out={different}") == 0
    other.goto(different.as_uri())
    assert set(decisions(other)) == {""}


def test_a_browser_that_forgets_says_so(tmp_path, out, visit):
    page = visit(out)
    assert not page.is_visible("#forgets")
    page.context.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }})")
    page.reload()
    assert page.is_visible("#forgets")
    press(page, "d")
    assert save(page, tmp_path / "c.csv").read_text().count("\n") == 2


def test_the_mouse_does_the_same(out, visit):
    page = visit(out)
    page.click("li:nth-child(3)")
    assert current(page) == FILES[2]
    button = page.get_by_role("button", name="Leave out")
    button.click()
    assert current(page) == FILES[3]
    assert button.evaluate("button => button === document.activeElement")
    page.get_by_role("button", name="Dark").click()
    assert decisions(page) == ["", "", "left out", "dark"]
    assert page.get_by_role("button", name="Dark").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Undo").click()
    assert decisions(page) == ["", "", "left out", ""]
    with page.expect_download():
        page.get_by_role("button", name="Save").click()


def test_what_is_announced(out, visit):
    page = visit(out)
    press(page, "x")
    announced = page.locator("[role=status]").inner_text()
    assert announced == f"{FILES[0]}: left out. 1 of 4 reviewed, 1 changed, 1 not saved"
    options = page.get_by_role("listbox").get_by_role("option")
    assert options.count() == 4
    assert "left out" in options.nth(0).inner_text()
    assert options.nth(1).get_attribute("aria-selected") == "true"
    assert page.get_by_role("progressbar", name="Reviewed").count() == 1
    assert page.get_by_role("combobox", name="Show").count() == 1
    assert page.get_by_role("searchbox", name="Name").count() == 1


def test_focus_is_visible_and_nothing_moves_by_itself(out, visit):
    page = visit(out)
    press(page, "ArrowRight")
    stops = []
    for _ in range(12):
        focused = page.evaluate("""() => {
          const {outlineStyle, outlineWidth} = getComputedStyle(document.activeElement);
          return [document.activeElement.tagName, outlineStyle, parseFloat(outlineWidth)];
        }""")
        stops.append(focused[0])
        if focused[0] != "BODY":
            assert focused[1] == "solid"
            assert focused[2] >= 2
        press(page, "Tab")
    assert {"LI", "BUTTON", "SELECT", "INPUT"} <= set(stops)
    assert page.evaluate("document.getAnimations().length") == 0
    moving = page.evaluate("""[...document.querySelectorAll('*')].filter(element => {
      const {transitionDuration, scrollBehavior} = getComputedStyle(element);
      return parseFloat(transitionDuration) > 0 || scrollBehavior !== 'auto';
    }).length""")
    assert moving == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_in_both_colour_schemes(out, visit, scheme):
    """The contrast of WCAG's level AA: 4.5."""
    page = visit(out, color_scheme=scheme)
    press(page, "d", "b", "x")
    luminance = page.evaluate("""() => {
      const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
      const luminance = colour => {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const linear = [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)].map(
          v => v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
      };
      const behind = element => {
        const colour = getComputedStyle(element).backgroundColor;
        return colour === 'rgba(0, 0, 0, 0)' && element.parentElement ? behind(element.parentElement) : colour;
      };
      return ['h1', '.keys', '#count', 'li span', 'li small', '#label', 'aside td', 'li:nth-child(1) b',
        'li:nth-child(2) b', 'li:nth-child(3) b'].map(selector => {
          const element = document.querySelector(selector);
          return [selector, luminance(getComputedStyle(element).color), luminance(behind(element))];
        });
    }""")
    for selector, text, back in luminance:
        assert (max(text, back) + 0.05) / (min(text, back) + 0.05) >= 4.5, selector
    (page_back,) = {back for selector, _, back in luminance if selector == "h1"}
    assert (page_back < 0.1) == (scheme == "dark")


def test_thousands_of_pictures(tmp_path, out, visit):
    """The last of 2000 is reached, and decided, by a few keys, and is in view."""
    text = out.read_text(encoding="utf-8")
    start, end = text.index("<li"), text.rindex("</li>") + len("</li>")
    card = text[start : text.index("</li>") + len("</li>")]
    cards = (card.replace("frames/", f"frames/{number:04d}/") for number in range(2000))
    many = tmp_path / "many.html"
    many.write_text(text[:start] + "\n".join(cards) + text[end:], encoding="utf-8")
    assert len(ReviewPage(many).files) == 2000
    page = visit(many)
    press(page, "End", "ArrowUp", "x", "n", "d")
    assert page.inner_text("#count") == "2 of 2000 reviewed, 2 changed, 2 not saved"
    press(page, "End", "b")
    assert page.inner_text("#count").startswith("3 of 2000 reviewed, 2 changed")
    selected = page.locator("li[aria-selected=true]")
    sync_api.expect(selected).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.querySelector('li[aria-selected=true] img').complete")
    press(page, "Home")
    header = page.locator("header").bounding_box()
    assert selected.bounding_box()["y"] >= header["y"] + header["height"]  # not behind it
