"""The demo behind real HTTP, and Chromium to look at it.

Skipped without Chromium, its driver, Selenium, or the npm packages of amis. ``FUA_TEST_AMIS`` names their folder (default
``node_modules`` of the working directory), ``FUA_TEST_SCREENSHOTS`` one for pictures of what the tests saw.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

AMIS = Path(os.environ.get("FUA_TEST_AMIS", "node_modules"))
PICTURES = os.environ.get("FUA_TEST_SCREENSHOTS")
WAIT = 30
"""Seconds until what is waited for counts as missing."""


class Visitor:
    """A browser of its own on the site."""

    def __init__(self, base: str) -> None:
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for each in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1400", "--lang=en"):
            options.add_argument(each)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.base = base
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))

    def until(self, seen: Callable[[], Any]) -> Any:
        """What it returns, as soon as that is true."""
        from selenium.common.exceptions import WebDriverException

        end = time.monotonic() + WAIT
        while True:
            fault: Any = None
            try:
                if found := seen():
                    return found
            except (WebDriverException, IndexError, StopIteration, ValueError) as error:  # drawn anew meanwhile
                fault = error
            if time.monotonic() > end:
                self.picture("missing")
                raise AssertionError(f"not seen: {seen.__code__.co_consts}: {fault}; the page says: {self.text()[:2000]}")
            time.sleep(0.1)

    def open(self, path: str) -> None:
        self.driver.get(self.base + path)

    def all(self, selector: str, text: str = "") -> list[Any]:
        """The elements that can be seen, of a CSS selector and with just that text, if one is given."""
        found = self.driver.find_elements("css selector", selector)
        return [each for each in found if each.is_displayed() and (not text or each.text.strip() == text)]

    def click(self, selector: str, text: str = "", number: int = 0) -> None:
        def done() -> bool:
            self.all(selector, text)[number].click()
            return True

        self.until(done)

    def enter(self, name: str, value: str) -> None:
        field = self.until(lambda: self.all(f"[name={name}]"))[-1]
        field.send_keys("\ue009a\ue000\ue017", value)  # Ctrl+A, Delete: amis does not see clear()

    def text(self) -> str:
        return str(self.driver.find_element("tag name", "body").text)

    def sees(self, text: str) -> None:
        self.until(lambda: text in self.text())

    def log_in(self, name: str, password: str, button: str = "Sign in") -> None:
        self.open("/admin/auth/form/login")
        self.enter("username", name)
        self.enter("password", password)
        self.click("button", button)

    def is_in(self) -> bool:
        return any(cookie["name"] == "Authorization" for cookie in self.driver.get_cookies())

    def row(self, text: str) -> Any:
        """The row of a table that begins, after its box and id, with a text."""
        return self.until(lambda: [row for row in self.all("tbody tr") if text in row.text.split()][0])

    def picture(self, name: str) -> None:
        if PICTURES:
            self.driver.save_screenshot(str(Path(PICTURES) / f"{name}.png"))

    def faults(self) -> list[str]:
        """What the browser complained of, but for answers that refuse something."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE" and "the server responded with a status of 4" not in entry["message"]
        ]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """``serve(**environment)``: the demo in a process of its own; its address."""
    pytest.importorskip("selenium")
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("no Chromium with its driver")
    if not (AMIS / "amis" / "sdk" / "sdk.js").exists():
        pytest.skip("no npm packages of amis: npm install amis@6.3.0 vue@2.7.14 history@5.3.0")
    running: list[subprocess.Popen[bytes]] = []

    def start(**environment: str) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        folder = tmp_path / str(port)
        folder.mkdir()
        command = [sys.executable, str(Path(__file__).with_name("serve.py")), str(port), str(AMIS.resolve())]
        running.append(subprocess.Popen(command, cwd=folder, env={**os.environ, "LANGUAGE": "en_US", **environment}))
        for _ in range(WAIT * 10):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return f"http://127.0.0.1:{port}"
            except OSError:
                assert running[-1].poll() is None, "the demo has ended"
                time.sleep(0.1)
        raise AssertionError("the demo does not start")

    yield start
    for process in running:
        process.terminate()
        process.wait(10)


@pytest.fixture
def visit() -> Iterator[Callable[[str], Visitor]]:
    """``visit(address)``: a browser."""
    visitors: list[Visitor] = []

    def make(base: str) -> Visitor:
        visitors.append(Visitor(base))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.driver.quit()
