"""The report in a real browser: it fetches nothing, complains of nothing and never scrolls sideways."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crisplens.reports.content import AuditReport
from crisplens.reports.rendering import render_html

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)  # fmt: skip
SECONDS = 60.0

pytestmark = [
    pytest.mark.browser,
    # CI sets CRISPLENS_REQUIRE_BROWSER, so that there these tests cannot be skipped unnoticed.
    pytest.mark.skipif(
        CHROMIUM is None and "CRISPLENS_REQUIRE_BROWSER" not in os.environ,
        reason="no Chromium here: apt-get install chromium",
    ),
]


class Page:
    """A page of a headless Chromium, spoken to over the DevTools protocol."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.sent, self.session, self.events = 0, "", list[dict[str, Any]]()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events that come meanwhile are kept."""
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": given}
        self.socket.send(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        while True:
            answer = json.loads(self.socket.recv(timeout=SECONDS))
            if answer.get("id") == self.sent:
                assert "error" not in answer, answer
                return answer.get("result", {})
            self.events.append(answer)

    def open(self, file: Path, *, width: int, dark: bool = False) -> None:
        """Open a file and wait until it is loaded."""
        self.events.clear()
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 700,
        )
        self.call("Page.navigate", url=file.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(json.loads(self.socket.recv(timeout=SECONDS)))

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression, evaluated by the test and not by the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def complaints(self) -> list[dict[str, Any]]:
        """Console messages, log entries and exceptions since the page was opened."""
        wanted = {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
        return [event for event in self.events if event.get("method") in wanted]

    def requests(self) -> list[str]:
        """URLs that were asked for since the page was opened."""
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A page of a Chromium that is started for it, with a profile of its own."""
    from websockets.sync.client import connect

    assert CHROMIUM
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            with connect(_address(profile / "DevToolsActivePort"), max_size=None, proxy=None) as socket:
                yield Page(socket)
        finally:
            process.terminate()


def _address(port_file: Path) -> str:
    """Where the browser listens: it writes its port, and the path, when it is ready."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if port_file.exists() and len(lines := port_file.read_text().split()) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise TimeoutError(f"Chromium did not start within {SECONDS:.0f} seconds")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture(params=["report", "wide", "hostile", "governed", "reviewed"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    report: AuditReport = request.getfixturevalue(request.param)
    file = tmp_path / "report.html"
    file.write_text(render_html(report), encoding="utf-8")
    return file


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_is_fetched_and_nothing_complained_of(
    page: Page, opened: Path, width: int, dark: bool
) -> None:
    page.open(opened, width=width, dark=dark)
    assert page.ask("document.readyState") == "complete"
    assert page.complaints() == []
    assert [url for url in page.requests() if not url.startswith("data:")] == [opened.as_uri()]


@pytest.mark.parametrize("width", [1280, 768, 390])
def test_the_page_never_scrolls_sideways(page: Page, opened: Path, width: int) -> None:
    page.open(opened, width=width)
    assert page.ask("innerWidth") == width
    assert page.ask("document.documentElement.scrollWidth") <= width
    # What is wider than the page scrolls in a container of its own, or is kept for those who cannot see it.
    outside = """[...document.querySelectorAll('main *, header *, nav *')]
        .filter(e => !e.closest('.scroll') && !e.closest('svg')
        && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 120))"""
    assert page.ask(outside) == []


def test_data_sources_are_read_without_scrolling(page: Page, opened: Path) -> None:
    page.open(opened, width=390)
    beyond = """[...document.querySelectorAll('#record-sources + .scroll')]
        .filter(e => e.scrollWidth > e.clientWidth).length"""
    assert page.ask(beyond) == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_the_options_of_commands_are_not_broken(page: Page, opened: Path, width: int) -> None:
    page.open(opened, width=width)
    # Inside an element of one line there is one rectangle for its text.
    broken = """[...document.querySelectorAll('code .word')].filter(e => e.textContent.startsWith('--')).filter(e => {
        const range = document.createRange(); range.selectNodeContents(e); return range.getClientRects().length > 1;
    }).map(e => e.textContent)"""
    assert page.ask(broken) == []
    assert page.ask("document.querySelectorAll('code .word').length") > 0


def eventually(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + SECONDS / 6
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_what_is_folded_away_fits_and_is_on_paper(page: Page, opened: Path) -> None:
    hidden = """[...document.querySelectorAll('details')].filter(e =>
        !e.lastElementChild.checkVisibility({contentVisibilityAuto: true})).length"""
    page.open(opened, width=390)
    assert page.ask(hidden) == page.ask("document.querySelectorAll('details').length") > 0
    page.call("Emulation.setEmulatedMedia", media="print")
    # What is skipped by content-visibility is known with the next frame.
    assert eventually(lambda: page.ask(hidden) == 0)
    page.call("Emulation.setEmulatedMedia", media="")
    page.ask("document.querySelectorAll('details').forEach(e => { e.open = true })")
    assert page.ask("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_has_enough_contrast(page: Page, opened: Path, dark: bool) -> None:
    page.open(opened, width=1280, dark=dark)
    assert page.ask(CONTRAST) == []


# WCAG 2.2, 1.4.3: every text against the first opaque background behind it.
CONTRAST = """(() => {
  const light = c => { const v = c / 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
  const lum = ([r, g, b]) => .2126 * light(r) + .7152 * light(g) + .0722 * light(b);
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const behind = e => { for (; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const bad = new Set();
  for (const e of document.querySelectorAll('body *')) {
    const svg = e instanceof SVGElement;
    const says = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if ((svg && e.tagName !== 'text') || !says) continue;
    const style = getComputedStyle(e), a = lum(rgb(svg ? style.fill : style.color)), b = lum(behind(e));
    if ((Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5) bad.add(e.className.baseVal ?? e.className);
  }
  return [...bad];
})()"""
