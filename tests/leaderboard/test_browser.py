"""The site in a real browser: no error, nothing from outside, accessible in both themes, whole without JavaScript."""

from __future__ import annotations

import csv
import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from browser_kit import HEARD, HOSTILE, SYSTEMS, write_results
from leaderboard import build
from leaderboard.paths import slug

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LOCAL = ("file:", "blob:", "data:")
Theme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, make_writer: Callable[..., Any]) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    return build(write_results(make_writer, folder / "results"), folder / "site").parent


@pytest.fixture(scope="module")
def kinds(site: Path) -> list[str]:
    """The largest page of each kind: each folder has one kind of pages, and each page at the root is its own."""
    found: dict[str, Path] = {}
    for page in sorted(site.rglob("*.html")):
        path = page.relative_to(site)
        kind = path.name if len(path.parts) == 1 else path.parts[0]
        if kind not in found or page.stat().st_size > found[kind].stat().st_size:
            found[kind] = page
    return [page.relative_to(site).as_posix() for page in found.values()]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[dev]'")
    with playwright.sync_playwright() as driver:
        found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome", "chrome")]
        known = next(
            (path for path in [*found, driver.chromium.executable_path] if path and Path(path).is_file()), None
        )
        if known is None:
            pytest.skip("no Chromium: apt install chromium, or playwright install chromium")
        launched = driver.chromium.launch(executable_path=known, args=["--no-sandbox", "--mute-audio"])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Browser, site: Path) -> Iterator[Callable[..., Page]]:
    """Opens pages of the site in a context of their own; whatever goes wrong in any of them fails the test."""
    contexts, wrong = [], []

    def open_one(
        address: str = "index.html", *, theme: Theme = "light", width: int = 1280, javascript: bool = True
    ) -> Page:
        context = browser.new_context(
            color_scheme=theme, viewport={"width": width, "height": 800}, java_script_enabled=javascript
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
        page.on("console", lambda said: said.type in ("error", "warning") and wrong.append(f"{page.url}: {said.text}"))
        page.on("requestfailed", lambda request: wrong.append(f"{page.url}: {request.url} is not there"))
        page.on("dialog", lambda dialog: (wrong.append(f"{page.url}: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda sent: sent.url.startswith(LOCAL) or wrong.append(f"sent: {sent.url}"))
        page.goto(f"{site.as_uri()}/{address}")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not wrong, "\n".join(wrong)


def go(page: Page, site: Path, address: str) -> None:
    page.goto(f"{site.as_uri()}/{address}")


def test_no_page_has_an_error_or_asks_for_anything_from_outside(open_page: Callable[..., Page], site: Path) -> None:
    page = open_page()
    for path in sorted(site.rglob("*.html")):
        go(page, site, path.relative_to(site).as_posix())
        assert page.title(), path


@pytest.fixture(scope="module")
def axe() -> str:
    package = importlib.util.find_spec("axe_playwright_python")
    if package is None or package.origin is None:
        pytest.skip("axe-core is not installed: pip install '.[dev]'")
    return (Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def findings(page: Page, axe: str, options: dict[str, Any]) -> list[str]:
    """What axe-core finds that is serious or critical."""
    page.evaluate(axe)
    found = page.evaluate(
        "options => axe.run(document, options)", {"preload": False, "resultTypes": ["violations"], **options}
    )
    return [
        f"{violation['id']} ({violation['impact']}): {node['target']} {node['html'][:200]} {node['failureSummary']}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"][:3]
    ]


def test_nothing_serious_is_found_on_any_kind_of_page_in_either_theme(
    open_page: Callable[..., Page], site: Path, kinds: list[str], axe: str
) -> None:
    page, found = open_page(), {}
    for address in kinds:
        go(page, site, address)
        page.emulate_media(color_scheme="light")
        found[address] = findings(page, axe, {})
        page.emulate_media(color_scheme="dark")  # where nothing but the colours is another
        found[f"{address}, dark"] = findings(page, axe, {"runOnly": ["color-contrast", "link-in-text-block"]})
    assert not any(found.values()), json.dumps({name: what for name, what in found.items() if what}, indent=1)


def test_no_page_scrolls_sideways_on_a_phone(open_page: Callable[..., Page], site: Path, kinds: list[str]) -> None:
    page, wide = open_page(width=360), {}
    for address in kinds:
        go(page, site, address)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 360:
            wide[address] = width
    assert not wide


CELLS = """() => [...document.querySelectorAll("main table")].map((table) =>
  [...table.querySelectorAll("td, tbody th")]
    .filter((cell) => cell.checkVisibility())
    .map((cell) => cell.innerText.trim()))"""


def test_every_value_of_a_table_is_there_without_javascript(
    open_page: Callable[..., Page], site: Path, kinds: list[str]
) -> None:
    scripted, plain = open_page(), open_page(javascript=False)
    for address in kinds:
        go(scripted, site, address)
        go(plain, site, address)
        with_it, without = scripted.evaluate(CELLS), plain.evaluate(CELLS)
        assert len(with_it) <= len(without), address
        for shown, bare in zip(with_it, without, strict=False):
            assert not set(shown) - set(bare), address


def names(page: Page) -> list[str]:
    """Names of the systems in sight in the overall table, in their order."""
    return page.locator("table.overall tr.system:visible > th a").all_inner_texts()


def test_sorting_goes_into_the_address_and_back_out_of_it(open_page: Callable[..., Page]) -> None:
    page = open_page()
    asked = names(page)
    assert len(asked) == 4
    button = page.get_by_role("button", name="Sort by Separator").first
    button.focus()
    page.keyboard.press("Enter")
    assert names(page) == sorted(asked, key=str.lower)
    assert page.locator("[aria-sort=ascending]").count() == 1
    page.keyboard.press("Enter")
    assert names(page) == sorted(asked, key=str.lower, reverse=True)
    page.reload()
    assert names(page) == sorted(asked, key=str.lower, reverse=True)
    page.go_back()
    assert names(page) == sorted(asked, key=str.lower)
    page.go_back()
    assert names(page) == asked
    assert "sort." not in page.url


def test_the_search_keeps_what_it_names_and_baselines(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.get_by_label("Search names").fill("REP")
    assert names(page) == ["repet"]
    assert page.locator("tr.baseline:visible, tr.oracle:visible").count() >= 2
    assert page.get_by_role("status").first.inner_text().startswith("1 of 4 systems shown")
    address = page.url
    assert names(open_page(address.rpartition("/")[2])) == ["repet"]
    page.get_by_role("button", name="Reset").first.click()
    assert len(names(page)) == 4
    page.go_back()
    assert names(page) == ["repet"]


@pytest.mark.parametrize(
    ("facet", "value", "expected"),
    [
        ("family", "primitive", {"repet", "hpss"}),
        ("licence", "Apache-2.0", {"hpss"}),
        ("training", "songs", {"hpss"}),
    ],
)
def test_a_filter_keeps_what_has_the_value(
    open_page: Callable[..., Page], facet: str, value: str, expected: set[str]
) -> None:
    page = open_page()
    choice = page.locator(f"details.choice[data-choice={facet}]").first
    choice.locator("summary").click()
    choice.get_by_role("checkbox", name=value).check()
    assert set(names(page)) == expected
    assert f"{facet}=" in page.url
    page.reload()
    assert set(names(page)) == expected
    page.go_back()
    assert len(names(page)) == 4


def test_a_column_is_chosen_and_kept_in_the_address(open_page: Callable[..., Page]) -> None:
    page = open_page()
    heads = "table.overall thead th:visible"
    before = page.locator(heads).count()
    choice = page.locator("details.choice[data-choice=columns]").first
    choice.locator("summary").focus()
    page.keyboard.press("Enter")
    box = choice.get_by_role("checkbox").filter(visible=True).nth(1)
    chosen = box.is_checked()
    box.set_checked(not chosen)
    after = page.locator(heads).count()
    assert after == before + (-1 if chosen else 1)
    page.reload()
    assert page.locator(heads).count() == after


def test_hostile_names_are_text(open_page: Callable[..., Page]) -> None:
    assert HOSTILE in names(open_page())


def test_a_command_is_copied_by_keyboard(open_page: Callable[..., Page]) -> None:
    page = open_page("about.html")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    text = page.locator(".copyable").first.inner_text()
    page.get_by_role("button", name="Copy").first.focus()
    page.keyboard.press("Enter")
    page.get_by_text("Copied", exact=True).wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == text


def test_the_saved_table_is_the_one_in_sight(open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page("index.html?q=rep")
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV of the visible view").first.click()
    saved.value.save_as(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8-sig", newline="") as file:
        saved_rows = list(csv.DictReader(file))
    assert {row["Separator"] for row in saved_rows if row["Group"] == "Systems"} == {"repet"}
    assert {"mixture", "irm"} < {row["Separator"] for row in saved_rows}


def test_the_tree_folds_by_keyboard_and_keeps_its_view_in_the_address(open_page: Callable[..., Page]) -> None:
    page = open_page("classes.html")
    assert page.locator(".tree li:visible").count() == 7, "the roots of the ontology"
    page.locator(".tree summary").first.focus()
    page.keyboard.press("Enter")
    unfolded = page.locator(".tree li:visible").count()
    assert unfolded > 7
    page.wait_for_url("**#open=*")
    page.reload()
    assert page.locator(".tree li:visible").count() == unfolded
    page.locator(".tree-tools input").fill("Speech synth")
    assert page.locator(".tree mark:visible").all_inner_texts() == ["Speech synth"]
    page.locator(".tree-tools button", has_text="Expand all").click()
    assert page.locator(".tree li:visible").count() > 632


def test_a_link_into_the_tree_unfolds_the_way_to_its_class(open_page: Callable[..., Page]) -> None:
    page = open_page("classes.html")
    deep = page.locator(".tree li[id]").evaluate_all(
        "all => all.map(one => [one.id, one.closest('ul').closest('details')]).findLast(([, up]) => up)[0]"
    )
    linked = open_page(f"classes.html#{deep}")
    assert linked.locator(f"[id={deep!r}]").is_visible()
    assert linked.locator(".tree li:visible").count() < 300


def test_a_choice_of_separators_is_kept_and_goes_along(open_page: Callable[..., Page]) -> None:
    page = open_page("compare/songs.html")
    pairs = page.locator(".pairs [data-p]").count()
    for name in ("hpss", "repet"):
        page.locator("#choose").get_by_role("checkbox", name=name).check()
    assert page.locator(".pairs [data-p]:visible").count() == 1 < pairs
    assert page.locator(".matrix tbody tr:visible").count() == 2
    page.reload()
    assert page.locator(".matrix tbody tr:visible").count() == 2
    page.locator("[data-carry]").first.click()
    page.get_by_role("link", name="Clips").first.click()
    assert page.url.endswith("compare/clips.html?s=hpss&s=repet")
    assert page.locator(".matrix tbody tr:visible").count() == 2
    page.get_by_role("button", name="Show all").click()
    assert page.locator(".matrix tbody tr:visible").count() > 2
    page.go_back()
    assert page.locator(".matrix tbody tr:visible").count() == 2


@pytest.fixture
def player(open_page: Callable[..., Page]) -> Page:
    return open_page(f"scenes/songs/{slug(HEARD)}.html")


def test_tracks_are_switched_at_one_playhead(player: Page) -> None:
    hearing, seek = player.locator("#hearing"), player.locator("#seek")
    player.locator("#listening").focus()
    player.keyboard.press("Space")
    player.wait_for_function("Number(document.getElementById('seek').value) > 0.05")
    first, before = hearing.inner_text(), float(seek.input_value())
    player.keyboard.press("3")
    assert float(seek.input_value()) >= before, "the playhead stays where it is"
    player.wait_for_function("was => Number(document.getElementById('seek').value) > was", arg=before)
    assert hearing.inner_text() != first
    assert player.locator(".solo[aria-pressed=true]").count() == 1
    player.keyboard.press("r")
    assert "residual" in hearing.inner_text()
    player.keyboard.press("ArrowUp")
    assert "residual" not in hearing.inner_text()
    player.keyboard.press("l")
    assert player.locator("#matched").get_attribute("aria-pressed") == "false"
    assert player.locator("#trouble").is_hidden()


def test_a_browser_without_a_device_for_sound_says_so(player: Page) -> None:
    player.evaluate("() => { AudioContext.prototype.resume = () => new Promise(() => {}); }")
    player.locator("#play").click()
    player.locator("#trouble", has_text="no device for sound").wait_for()


def test_blind_names_are_hidden_in_an_order_that_can_be_passed_on(player: Page) -> None:
    takes = player.locator(".heard").first.locator(".take:not(.given) .solo:not(.of-residual)")
    named = set(takes.all_inner_texts())
    assert named == {"mixture", "irm", "hpss", "repet"}
    player.get_by_role("button", name="Blind").click()
    assert takes.all_inner_texts() == ["A", "B", "C", "D"]
    player.reload()
    assert takes.all_inner_texts() == ["A", "B", "C", "D"]
    order = takes.evaluate_all("all => all.map(one => one.dataset.name)")
    player.get_by_role("button", name="Tell names").click()
    assert takes.all_inner_texts() == [f"{letter}: {name}" for letter, name in zip("ABCD", order, strict=True)]


def test_a_scene_can_be_heard_without_javascript(open_page: Callable[..., Page]) -> None:
    page = open_page(f"scenes/songs/{slug(HEARD)}.html", javascript=False)
    assert page.locator(".heard").first.locator("audio.native:visible").count() == 6


def test_runs_are_looked_back_on(open_page: Callable[..., Page]) -> None:
    page = open_page("history.html")
    assert page.get_by_role("heading", name="Songs").count() == 1
    for name in set(SYSTEMS) - {"crashing"}:
        assert page.get_by_text(name, exact=True).count() >= 1, name
