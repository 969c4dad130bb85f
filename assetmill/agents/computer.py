"""A headless browser that an agent works in: actions in, screenshots out, on the allowed hosts alone.

Two walls, because one is not enough: requests to other hosts are refused where a page asks for them, which
redirects and web sockets do not pass; and the browser resolves no other name, which holds for everything.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from assetmill.agents.approvals import engine_part
from assetmill.agents.gateway import Json
from assetmill.children import child_environment
from assetmill.errors import InvalidSettings

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Route

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_ACTION_MS = 5_000
_LOAD_MS = 15_000
# How long a page may settle before each time that its picture is asked for.
_SETTLE_MS = (250, 250, 1_000, 3_000)
_LOCAL_SCHEMES = frozenset({"data", "blob", "about"})
_KEYS: Mapping[str, str] = {
    "CTRL": "Control", "CONTROL": "Control", "ALT": "Alt", "SHIFT": "Shift", "CMD": "Meta", "META": "Meta",
    "SUPER": "Meta", "WIN": "Meta", "ENTER": "Enter", "RETURN": "Enter", "ESC": "Escape", "ESCAPE": "Escape",
    "SPACE": " ", "TAB": "Tab", "BACKSPACE": "Backspace", "DELETE": "Delete", "DEL": "Delete",
    "HOME": "Home", "END": "End", "PAGEUP": "PageUp", "PAGEDOWN": "PageDown", "INSERT": "Insert",
    "UP": "ArrowUp", "DOWN": "ArrowDown", "LEFT": "ArrowLeft", "RIGHT": "ArrowRight",
    "ARROWUP": "ArrowUp", "ARROWDOWN": "ArrowDown", "ARROWLEFT": "ArrowLeft", "ARROWRIGHT": "ArrowRight",
}  # fmt: skip
_ADDRESS_BAR = frozenset({("Control", "l"), ("Meta", "l"), ("Alt", "d"), ("F6",)})


class BrowserGone(Exception):
    """The browser has ended or shows nothing, and with it what was done in it."""


class UnknownAction(Exception):
    """The agent asks for something that no mouse, keyboard or screen does."""


@dataclass(frozen=True)
class Display:
    """What a stage says about its browser."""

    start_url: str
    allowed_hosts: tuple[str, ...]
    width: int
    height: int

    @classmethod
    def of(cls, tool: Json) -> Display:
        """Return the display of a wire tool."""
        own = engine_part(tool)
        hosts = tuple(str(host).lower() for host in own["allowed_hosts"])
        return cls(str(own["start_url"]), hosts, int(tool["display_width"]), int(tool["display_height"]))

    def allows(self, url: str) -> bool:
        """Whether the browser may ask for an address."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").lower().rstrip(".")
        except ValueError:
            return False
        if parts.scheme in _LOCAL_SCHEMES:
            return True
        is_web = parts.scheme in {"http", "https", "ws", "wss"}
        return is_web and any(fnmatchcase(host, allowed) for allowed in self.allowed_hosts)


def find_browser(executable: str | None) -> str:
    """Return the browser's program.

    Raises:
        InvalidSettings: there is none, or what drives it is not installed.
    """
    if importlib.util.find_spec("playwright") is None:
        raise InvalidSettings("computer_use needs the extra `computer`: pip install 'assetmill[computer]'")
    names = (executable,) if executable else _NAMES
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        hint = "install Chromium, or name it: ASSETMILL_CHROMIUM, or [computer] executable in the profile"
        raise InvalidSettings(f"computer_use finds no browser ({', '.join(names)}): {hint}")
    return found


class Browser:
    """One browser with one window. To be used and closed by the thread that opened it."""

    def __init__(self, display: Display, executable: str) -> None:
        from playwright.sync_api import Error, sync_playwright

        self._display, self._error = display, Error
        # Typed before the next Enter into the address bar, which a headless browser does not have.
        self._address: str | None = None
        self._driver = sync_playwright().start()
        try:
            self._browser = self._driver.chromium.launch(
                executable_path=executable,
                headless=True,
                args=_arguments(display),
                # It shows pages of strangers.
                env={**child_environment()},
                # Chromium refuses to put a sandbox around itself for root.
                chromium_sandbox=os.geteuid() != 0,
            )
            self._page = self._open_window()
        except Error as error:
            self._driver.stop()
            raise InvalidSettings(f"cannot start {executable}: {error.message.splitlines()[0]}") from error

    def _open_window(self) -> Page:
        context = self._browser.new_context(
            viewport={"width": self._display.width, "height": self._display.height},
            service_workers="block",
            accept_downloads=False,
        )
        context.set_default_timeout(_ACTION_MS)
        context.route("**/*", self._admit)
        page = context.new_page()
        self._watch(context)
        self._go_to(self._display.start_url, page)
        return page

    def _watch(self, context: BrowserContext) -> None:
        def opened(page: Page) -> None:
            self._page = page

        context.on("page", opened)

    def _admit(self, route: Route) -> None:
        if self._display.allows(route.request.url):
            route.continue_()
        else:
            route.abort("blockedbyclient")

    def act(self, item: Json) -> bytes:
        """Do what a computer call asks for, one action or several, and return a screenshot as PNG.

        An action that fails, such as a click outside of everything, is seen on the screenshot by its absence.

        Raises:
            BrowserGone: the browser has ended, or gives no picture of its window.
            UnknownAction: the call holds an action that is none.
        """
        for action in _actions(item):
            try:
                self._do(action)
            except self._error:
                self._check_alive()
        return self._screenshot()

    def close(self) -> None:
        """End the browser; one that has ended already is fine."""
        try:
            self._browser.close()
        except self._error:
            pass
        finally:
            self._driver.stop()

    def _check_alive(self) -> None:
        if not self._browser.is_connected():
            raise BrowserGone("the browser has ended")

    def _window(self) -> Page:
        """Return the newest window that is still open."""
        if self._page.is_closed():
            pages = self._page.context.pages
            self._page = pages[-1] if pages else self._page.context.new_page()
        return self._page

    def _screenshot(self) -> bytes:
        """Return the newest window's picture, asked for again where the browser lives and gives none.

        A busy Chromium refuses a capture now and then and takes the same one a moment later
        (MarketSquare/robotframework-browser#5237); what the attempt cost so far would be lost with it.
        """
        reason = ""
        for settle_ms in _SETTLE_MS:
            try:
                page = self._window()
                page.wait_for_timeout(settle_ms)
                return page.screenshot(type="png", timeout=_LOAD_MS)
            except self._error as error:
                self._check_alive()
                reason = error.message.splitlines()[0]
        raise BrowserGone(f"no screenshot after {len(_SETTLE_MS)} times: {reason}")

    def _do(self, action: Json) -> None:
        kind, page = action.get("type"), self._window()
        x, y = self._point(action)
        if kind == "click":
            self._click(page, action, x, y)
        elif kind == "double_click":
            page.mouse.dblclick(x, y)
        elif kind == "move":
            page.mouse.move(x, y)
        elif kind == "scroll":
            page.mouse.move(x, y)
            page.mouse.wheel(_number(action, "scroll_x"), _number(action, "scroll_y"))
        elif kind == "drag":
            self._drag(page, action)
        elif kind == "type":
            self._type(page, str(action.get("text") or ""))
        elif kind == "keypress":
            self._press(page, action)
        elif kind == "wait":
            page.wait_for_timeout(1_000)
        elif kind == "goto":
            self._go_to(str(action.get("url") or ""), page)
        elif kind != "screenshot":
            raise UnknownAction(str(kind))

    def _point(self, action: Json) -> tuple[float, float]:
        x, y = _number(action, "x"), _number(action, "y")
        return min(max(x, 0), self._display.width - 1), min(max(y, 0), self._display.height - 1)

    def _click(self, page: Page, action: Json, x: float, y: float) -> None:
        button = action.get("button")
        if button == "back":
            page.go_back(timeout=_LOAD_MS)
        elif button == "forward":
            page.go_forward(timeout=_LOAD_MS)
        else:
            name = "right" if button == "right" else "middle" if button == "wheel" else "left"
            self._address = None
            page.mouse.click(x, y, button=name)
            page.wait_for_load_state("domcontentloaded", timeout=_LOAD_MS)

    def _drag(self, page: Page, action: Json) -> None:
        path = action.get("path")
        steps = [self._point(step) for step in _objects(path)]
        if not steps:
            return
        page.mouse.move(*steps[0])
        page.mouse.down()
        for step in steps[1:]:
            page.mouse.move(*step)
        page.mouse.up()

    def _type(self, page: Page, text: str) -> None:
        if self._address is None:
            page.keyboard.type(text)
        else:
            self._address += text

    def _press(self, page: Page, action: Json) -> None:
        keys = tuple(_key(str(key)) for key in cast(Sequence[object], action.get("keys") or ()))
        if keys in _ADDRESS_BAR:
            self._address = ""
        elif self._address is not None and keys == ("Enter",):
            address, self._address = self._address, None
            self._go_to(address, page)
        elif self._address is not None:
            self._address = None if keys == ("Escape",) else self._address
        elif keys:
            page.keyboard.press("+".join(keys))
            page.wait_for_load_state("domcontentloaded", timeout=_LOAD_MS)

    def _go_to(self, address: str, page: Page) -> None:
        """Open an address; one that is not allowed, or not there, leaves its mark on the screenshot."""
        url = address.strip() if "://" in address else f"https://{address.strip()}"
        if urlsplit(url).scheme not in {"http", "https"}:
            return
        try:
            page.goto(url, timeout=_LOAD_MS, wait_until="domcontentloaded")
        except self._error:
            self._check_alive()


def _arguments(display: Display) -> list[str]:
    allowed = "".join(f" , EXCLUDE {host}" for host in display.allowed_hosts)
    return [
        f"--host-resolver-rules=MAP * ~NOTFOUND{allowed}",
        # A proxy would resolve names itself, and WebRTC would ask past everything.
        "--no-proxy-server",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--disable-dev-shm-usage",
    ]


def _actions(item: Json) -> list[Json]:
    single = item.get("action")
    batch = _objects(item.get("actions"))
    return [cast(Json, single)] if isinstance(single, Mapping) else batch


def _objects(value: object) -> list[Json]:
    if not isinstance(value, list):
        return []
    return [cast(Json, step) for step in cast(list[object], value) if isinstance(step, Mapping)]


def _number(action: Mapping[str, Any], name: str) -> float:
    value = action.get(name)
    return float(min(max(value, -100_000), 100_000)) if isinstance(value, int | float) else 0.0


def _key(name: str) -> str:
    known = _KEYS.get(name.upper())
    return known or (name.lower() if len(name) == 1 else name)
