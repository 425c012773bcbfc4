"""Open every page of the built site in headless Chromium: `make site-check`.

Each page is opened from a folder (`file://`) and from a server, there light and dark, wide and narrow. Reported are
requests to other hosts, errors on the console, pages that scroll sideways, pictures without a text, what axe-core calls
serious or critical, explorers that the keyboard cannot use, a search that does not find, and a heavy first visit. The
slides are opened as a projector shows them: nothing may be cut off.
It needs the extra `site` and a browser: Chromium or Chrome on the machine, or `playwright install chromium`.
"""

import contextlib
import gzip
import itertools
import multiprocessing
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .access import grave_findings, keyboard_problems, poor_colors, speechless_pictures

LIMIT = 1_200_000  # bytes of a first visit to a page, as a server sends them (compressed)
VIEWS = (("light", (360, 1400)), ("dark", (1400, 360)))  # color schemes and widths
# A word, and a page that the search must find with it.
KNOWN = {
    "receptive": "architecture_table",
    "augmentation": "exploring_the_dataset",
    "bottleneck": "residual_blocks",
    "checkpoint": "gpu_training",
    "warmup": "gpu_training",
    "batch norm": "residual_blocks",
    "degradation": "why_go_deeper",
    "shattered": "degradation_lab",
    "gate": "which_shortcut",
    "ledger": "reading_a_result",
    "ConvNeXt": "beyond_the_book",
    "latency": "beyond_the_book",
    "colab": "index",
}
# Down to the end, a window at a time: pictures are loaded when they come into view.
SCROLL = """async () => {
  for (let y = 0; y < document.body.scrollHeight; y += innerHeight) {
    scrollTo(0, y);
    await new Promise(requestAnimationFrame);
  }
}"""
# Slides, with all that a key brings, that reach into their foot or have letters below 20 pixels or a figure below 150.
CUT_OFF = """() => Reveal.getSlides().flatMap((slide, i) => {
  const {h, v} = Reveal.getIndices(slide);
  Reveal.slide(h, v, 99);
  const parts = [...slide.querySelectorAll('h1, h2, h3, p, li, td, pre, img, svg')]
    .filter((part) => part.getClientRects().length);
  const cut = parts.map((part) => part.getBoundingClientRect()).some((box) => box.bottom > 686 || box.right > 1233);
  const small = parts.some((part) => part.matches('img, svg')
    ? part.getBoundingClientRect().height < 150 : parseFloat(getComputedStyle(part).fontSize) < 20);
  return [...(cut ? [`slide ${i + 1} is cut off`] : []), ...(small ? [`slide ${i + 1} has something small`] : [])];
})"""
UNLIMITED = {"whole.html"}  # the whole book on one page
TEXT = (".html", ".js", ".css", ".svg", ".json")


class Handler(SimpleHTTPRequestHandler):
    """Files as a host of static pages sends them: text compressed. Counts the bytes."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if path.name == "favicon.ico":  # browsers ask for it where a page names no icon: the redirect to the front page
            self.send_response(204)
            self.end_headers()
            return
        if not path.is_file():
            self.send_error(404)
            return
        whole = path.read_bytes()
        sent = gzip.compress(whole) if path.suffix in TEXT else whole
        self.server.visits.append((len(whole), len(sent)))
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(sent)))
        if sent is not whole:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the browser went on to the next page
            self.wfile.write(sent)

    def log_message(self, *args) -> None:
        """Quiet."""


@contextlib.contextmanager
def serve(site: Path) -> Iterator[ThreadingHTTPServer]:
    """The site on a free port of this machine; `visits` lists the bytes of each file, whole and as sent."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=site))
    server.daemon_threads, server.visits = True, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def start_browser() -> Iterator:
    """Headless Chromium. Raises `LookupError` where there is none."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise LookupError('playwright is not installed: pip install -e ".[site]"') from None
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        names = ("chromium", "chromium-browser", "google-chrome", "chrome")
        path = own if os.path.exists(own) else next(filter(None, map(shutil.which, names)), None)
        if path is None:
            raise LookupError("no browser: install Chromium, or run `playwright install chromium`")
        # Names of other hosts lead nowhere, as on a machine without a network.
        args = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"]
        browser = playwright.chromium.launch(executable_path=path, args=args)
        yield browser
        browser.close()


def look(page, address: str, base: str, closely: bool = True) -> list[str]:
    """Open one address, and say what is wrong; `closely`: also for who cannot see or has no mouse."""
    found, requests = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: found.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("response", lambda answer: found.append(f"{answer.status}: {answer.url}") if answer.status >= 400 else None)
    page.on("pageerror", lambda error: found.append(f"console: {error}"))
    page.goto(address, wait_until="load")
    page.wait_for_load_state("networkidle")
    for scheme, widths in VIEWS if address.startswith("http") else ():  # from a folder it looks the same
        page.emulate_media(color_scheme=scheme)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 900})
            excess = page.evaluate("document.scrollingElement.scrollWidth - document.documentElement.clientWidth")
            if excess > 0:
                found.append(f"{excess} px too wide, {scheme}, at {width} px")
        if closely:
            found += [f"{line}, {scheme}" for line in poor_colors(page)]
    page.evaluate(SCROLL)
    page.wait_for_load_state("networkidle")
    if closely:
        page.wait_for_timeout(500)  # the theme notices after 300 ms what has come to scroll, and lets Tab reach it
        found += grave_findings(page) + speechless_pictures(page) + keyboard_problems(page)
    outside = [url for url in requests if not url.startswith((base, "data:", "blob:"))]
    return found + [f"request to another host: {url}" for url in outside]


def search(page, base: str, word: str, wanted: str, patience: float = 10_000) -> list[str]:
    """Ask the site's search for a word, and wait so many milliseconds for a page that it must find."""
    page.goto(f"{base}/search.html?q={word}")
    try:
        page.wait_for_selector(f"#search-results a[href*='{wanted}']", timeout=patience)
    except Exception as error:
        if type(error).__name__ != "TimeoutError":
            raise
        return [f"the search for {word!r} does not find {wanted}"]
    return []


def pages_of(site: Path) -> list[str]:
    """The pages, as paths below the site."""
    found = (path.relative_to(site) for path in sorted(site.glob("**/*.html")))
    return [path.as_posix() for path in found if path.parts[0] not in ("_static", "_sources", "slides")]


def browse(site: Path, limit: int = LIMIT) -> tuple[list[str], list[str]]:
    """Visit all pages, in as many processes as there are processors.

    Args:
        site: the folder of the built site.
        limit: bytes of a first visit to a page.

    Returns:
        What is wrong and what the pages weigh, a line each.

    Raises:
        LookupError: if there is no browser.
    """
    names = pages_of(site)
    jobs = max(1, min(os.cpu_count() or 1, len(names)))
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(partial(_browse_some, site, limit), [names[i::jobs] for i in range(jobs)]))
    problems, weights = (sorted(itertools.chain.from_iterable(lines)) for lines in zip(*found, strict=True))
    return problems + _search_all(site) + look_at_slides(site), weights


def look_at_slides(site: Path) -> list[str]:
    """Open every deck from the folder on 1280 × 720 pixels, and say what is cut off, small, from elsewhere or grave."""
    decks = sorted(site.glob("slides/*.html"))
    if not decks:
        return []
    problems = []
    with start_browser() as browser:
        for deck in decks:
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            found = look(page, deck.resolve().as_uri(), deck.parent.resolve().as_uri())
            problems += [f"slides {deck.stem}: {line}" for line in found + page.evaluate(CUT_OFF) + poor_colors(page)]
            page.close()
    return problems


def _bases(site: Path, server: ThreadingHTTPServer) -> tuple[str, str]:
    return f"http://127.0.0.1:{server.server_port}", site.resolve().as_uri()


def _browse_some(site: Path, limit: int, names: list[str]) -> tuple[list[str], list[str]]:
    problems, weights = [], []
    with serve(site) as server, start_browser() as browser:
        for base in _bases(site, server):
            kind = base.split(":")[0]
            for name in names:
                server.visits.clear()
                closely = kind == "http" and name not in UNLIMITED
                with browser.new_context() as context:  # a context of its own has an empty cache: a first visit
                    found = look(context.new_page(), f"{base}/{name}", base, closely)
                whole, sent = (sum(column) for column in zip(*server.visits or [(0, 0)], strict=True))
                if kind == "http":
                    weights.append(f"{name:40} {sent / 1e3:7,.0f} kB sent, {whole / 1e3:7,.0f} kB unpacked")
                if sent > limit and name not in UNLIMITED:
                    found.append(f"a first visit takes {sent:,} bytes")
                problems += [f"{kind} {name}: {line}" for line in dict.fromkeys(found)]
    return problems, weights


def _search_all(site: Path) -> list[str]:
    if not (site / "search.html").exists():
        return []
    problems = []
    with serve(site) as server, start_browser() as browser:
        for base in _bases(site, server):
            page = browser.new_page()
            for word, wanted in KNOWN.items():
                problems += [f"{base.split(':')[0]}: {line}" for line in search(page, base, word, wanted)]
    return problems


if __name__ == "__main__":
    try:
        problems, weights = browse(Path(sys.argv[1]))
    except LookupError as error:
        sys.exit(f"error: nothing was checked: {error}")
    print("First visits:", *weights, sep="\n")
    print("\n".join(problems) or f"opened every page of {sys.argv[1]}: nothing is wrong")
    sys.exit(bool(problems))
