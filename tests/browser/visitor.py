"""Chromium, looking at the demo.

``FUA_TEST_AMIS`` names the folder of the npm packages of amis (default ``node_modules`` of the working directory),
``FUA_TEST_SCREENSHOTS`` one for pictures of what the tests saw.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
                raise AssertionError(
                    f"not seen: {seen.__code__.co_consts}: {fault}; the page says: {self.text()[:2000]}"
                )
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
        return self.until(lambda: next(row for row in self.all("tbody tr") if text in row.text.split()))

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
