"""Headless Chromium over a pair of pipes: no driver, no package, no network."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find():
    """Return the browser's path: ``CHROMIUM`` in the environment, or one on the path."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """One browser with one page in it.

    It speaks the DevTools protocol: JSON objects that end in a zero byte, sent to the browser's
    file descriptor 3 and read from its descriptor 4.
    """

    def __init__(self, binary):
        self.profile = Path(tempfile.mkdtemp(prefix="chromium-"))
        read, self.write = os.pipe()
        self.read, write = os.pipe()
        # A small process sets the descriptors that the browser expects, then becomes the browser.
        fixed = f"import os, sys; a, b = os.dup({read}), os.dup({write}); os.dup2(a, 3); "
        fixed += "os.dup2(b, 4); os.set_inheritable(3, True); os.set_inheritable(4, True); "
        fixed += "os.execv(sys.argv[1], sys.argv[1:])"
        self.process = subprocess.Popen(
            [
                sys.executable, "-c", fixed, binary, "--headless", "--no-sandbox", "--disable-gpu",
                "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                "--remote-debugging-pipe", f"--user-data-dir={self.profile}", "about:blank",
            ],
            pass_fds=(read, write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read)
        os.close(write)
        self.number, self.rest, self.events, self.session = 0, b"", [], None
        targets = self.ask("Target.getTargets")["targetInfos"]
        page = next(item["targetId"] for item in targets if item["type"] == "page")
        asked = self.ask("Target.attachToTarget", targetId=page, flatten=True)
        self.session = asked["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.ask(f"{domain}.enable")

    def close(self):
        with contextlib.suppress(OSError):
            self.send("Browser.close", session=False)
        os.close(self.write)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.read)
        shutil.rmtree(self.profile, ignore_errors=True)

    def send(self, method, session=True, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session and self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        return self.number

    def messages(self, seconds):
        """Yield the browser's messages for a number of seconds."""
        until = time.monotonic() + seconds
        while True:
            while b"\0" in self.rest:
                one, self.rest = self.rest.split(b"\0", 1)
                yield json.loads(one)
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.read], [], [], left)[0]:
                return
            more = os.read(self.read, 1 << 20)
            if not more:
                raise RuntimeError("the browser has gone")
            self.rest += more

    def ask(self, method, **params):
        number = self.send(method, **params)
        for message in self.messages(60):
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)
        raise TimeoutError(method)

    def until(self, method, seconds=60):
        """Wait for an event, unless it has already happened."""
        if any(event.get("method") == method for event in self.events):
            return
        for message in self.messages(seconds):
            self.events.append(message)
            if message.get("method") == method:
                return
        raise TimeoutError(method)

    def open(self, path, hash="", *, width=1280, height=900, scheme="light", media=""):
        """Open a file, or an address of HTTP, and wait until it is loaded."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", media=media, features=features)
        # A change of the fragment alone would not reload the page.
        here = str(path).startswith("http://")
        address = str(path) if here else Path(path).resolve().as_uri()
        for url in ("about:blank", address + hash):
            self.events.clear()
            self.ask("Page.navigate", url=url)
            self.until("Page.loadEventFired")

    def run(self, script):
        """Evaluate JavaScript and return its value."""
        asked = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in asked:
            raise RuntimeError(asked["exceptionDetails"])
        return asked["result"].get("value")

    def middle(self, selector):
        """Scroll to an element and return its middle."""
        middle = self.run(
            f"(async () => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});"
            # Scroll listeners have run two frames later.
            "for (const _ of [1, 2]) await new Promise(requestAnimationFrame);"
            "const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        return {"x": middle[0], "y": middle[1]}

    def move(self, selector):
        self.mouse("mouseMoved", self.middle(selector))

    def click(self, selector):
        point = self.middle(selector)
        self.mouse("mouseMoved", point)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, point, button="left", clickCount=1)

    def mouse(self, kind, point, **more):
        self.ask("Input.dispatchMouseEvent", type=kind, **point, **more)

    def press(self, key):
        """Press a key: Tab, Enter, Escape or space."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        text = {"Enter": "\r", " ": " "}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            self.ask(
                "Input.dispatchKeyEvent",
                type=kind, key=key, text=text if kind == "keyDown" else "",
                windowsVirtualKeyCode=codes[key],
            )  # fmt: skip

    def complaints(self):
        """Return errors and warnings of the console, exceptions and refused requests."""
        complaints = []
        for event in self.events:
            kind, params = event.get("method"), event.get("params", {})
            if kind == "Runtime.exceptionThrown":
                complaints.append(str(params["exceptionDetails"]))
            elif kind == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
                complaints.append(str(params["args"]))
            elif kind == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                complaints.append(params["entry"]["text"])
        return complaints

    def requests(self):
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def announced(self):
        """Return ``(role, name)`` of everything that a screen reader announces."""
        nodes = self.ask("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node.get("ignored")
        ]

    def picture(self):
        """Return a PNG of the whole page, in base64."""
        return self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
