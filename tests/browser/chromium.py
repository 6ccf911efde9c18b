"""Chromium without a window, driven through its DevTools protocol over a pipe: no port, no driver, no network.

Messages are JSON, each ended by a NUL byte, on file descriptors 3 and 4: devtools_pipe_handler.cc of Chromium.
The protocol's own reference: https://chromedevtools.github.io/devtools-protocol/.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--disable-gpu",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--hide-scrollbars", "--force-color-profile=srgb", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
PATIENCE_S = 60.0
_KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), "ArrowDown": (40, ""), "ArrowUp": (38, ""),
         "ArrowRight": (39, ""), "ArrowLeft": (37, ""), "Home": (36, ""), "End": (35, "")}  # fmt: skip


class BrowserError(AssertionError):
    """The page or the browser did not do what was asked of it."""


def executable() -> str | None:
    """The browser on this machine, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One page. `console` collects errors and warnings, `requests` every address that it asked for."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._received = b""
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.console: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; events that come meanwhile are taken in."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive(PATIENCE_S)
            if answer.get("id") != number:
                continue
            if "error" in answer:
                raise BrowserError(f"{method}: {answer['error']['message']}")
            result: dict[str, Any] = answer["result"]
            return result

    def _receive(self, patience_s: float) -> dict[str, Any]:
        deadline = time.monotonic() + patience_s
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self._from, 1 << 20) if ready else b""
            if not piece:
                raise BrowserError("the browser has ended" if ready else f"no answer within {patience_s:.0f} s")
            self._received += piece
        raw, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        self._note(message.get("method"), message.get("params") or {})
        return message

    def _note(self, method: str | None, told: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            self.console.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded" and told["entry"]["level"] in {"error", "warning"}:
            self.console.append(told["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and told["type"] in {"error", "warning", "assert"}:
            self.console.append(str(told["args"]))

    def open(self, page: Path) -> None:
        """Open a file, and wait until it is loaded."""
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.until("document.readyState === 'complete' && location.protocol === 'file:'")

    def eval(self, script: str) -> Any:
        """The value of an expression."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{script}: {answer['exceptionDetails']['exception']['description']}")
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression is true; BrowserError when it does not become so."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.eval(f"Boolean({condition})"):
            if time.monotonic() > deadline:
                raise BrowserError(f"this did not become true: {condition}")
            self.eval("new Promise(requestAnimationFrame)")

    def text(self, selector: str) -> str:
        """What a person reads in an element; the empty text when it is not shown."""
        found = f"document.querySelector({json.dumps(selector)})"
        return str(self.eval(f"{found}?.innerText ?? {found}?.textContent ?? ''"))  # SVG has no innerText

    def click(self, selector: str) -> None:
        """Click on the middle of an element with the mouse."""
        self.eval(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        box = self.eval(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()")
        middle = {"x": box["left"] + box["width"] / 2, "y": box["top"] + box["height"] / 2}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **middle, button="left", clickCount=1)

    def press(self, *keys: str) -> None:
        """Press keys one after the other: a character, or a name such as Enter."""
        for key in keys:
            code, text = _KEYS.get(key, (ord(key[0].upper()), key))
            shared = {"key": key, "windowsVirtualKeyCode": code}
            self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **shared)
            self.call("Input.dispatchKeyEvent", type="keyUp", **shared)

    def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """The window's size, in pixels of CSS, and the colours that the person prefers."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, file: Path, *, whole: bool = True) -> Path:
        """What is to be seen, as a PNG; `whole` is the page to its end."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))
        return file


@contextlib.contextmanager
def tab(browser: str, profile: Path) -> Iterator[Tab]:
    """A fresh browser with one page; it ends with the block."""
    command_read, to_browser = os.pipe()
    from_browser, answer_write = os.pipe()
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    words = [browser, *FLAGS, *sandbox, f"--user-data-dir={profile}", "about:blank"]
    # The browser looks for its two descriptors at 3 and 4: the shell puts them there.
    script = f'exec 3<&{command_read} 4>&{answer_write}; exec "$@"'
    process = subprocess.Popen(
        ["bash", "-c", script, "bash", *words], pass_fds=(command_read, answer_write), stderr=subprocess.DEVNULL
    )
    os.close(command_read)
    os.close(answer_write)
    try:
        yield Tab(to_browser, from_browser)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        os.close(to_browser)
        os.close(from_browser)
