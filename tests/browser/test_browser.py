"""The demo as people use it: in Chromium, with amis from a local folder.

Skipped without Chromium, its driver, Selenium, or the npm packages of amis.
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
from visitor import AMIS, WAIT, Visitor

MODAL = ".cxd-Modal-content "
ALLOW, DENY = 1, 2
BY_FIELD, BY_SET = "/admin/AuthFieldArticleAdmin", "/admin/AuthSelectArticleAdmin"


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


def tick(who: Any, page: str, what: str) -> None:
    """In the dialog of page permissions: give a page, or what is below it."""

    def ticked() -> bool:
        labels = who.all(MODAL + ".cxd-Tree-itemLabel")
        texts = [each.text.strip() for each in labels]
        labels[texts.index(what, texts.index(page))].find_element("css selector", ".cxd-Checkbox i").click()
        return True

    who.until(ticked)


def choose(who: Any, page: str, what: str, right: str, how: int) -> None:
    """In the dialog of data permissions: allow or deny a right of a page."""

    def choices() -> list[Any]:
        rows = [each for each in who.all(MODAL + "tbody tr") if each.text.strip() == right]
        return [each for each in rows if len(each.find_elements("css selector", "td")) == 4]

    def opened() -> bool:
        labels = who.all(MODAL + ".cxd-Tree-itemText")
        texts = [each.text for each in labels]
        labels[texts.index(what, texts.index(page))].click()
        time.sleep(1)
        return bool(choices())

    who.until(opened)
    who.until(lambda: choices()[0].find_elements("css selector", "i")[how].click() or True)


def save(who: Any) -> None:
    """In the dialog of data permissions, which stays."""
    who.click(MODAL + "button", "Save")
    who.until(lambda: who.all(".cxd-Toast"))
    who.until(lambda: not who.all(".cxd-Toast"))


def give_role(who: Any, name: str) -> None:
    """In the dialog of roles: choose one."""

    def chosen() -> bool:
        row = next(row for row in who.all(MODAL + "tbody tr") if row.text.startswith(name))
        row.find_element("css selector", ".cxd-Checkbox i").click()
        return True

    who.until(chosen)


def test_rights_are_granted_and_hold(serve: Callable[..., str], visit: Callable[[str], Any]) -> None:
    base = serve()
    root = visit(base)
    root.open("/admin/")
    root.sees("Sign in")
    assert "redirect=/admin/" in root.driver.current_url
    root.log_in("root", "wrong")
    root.sees("Incorrect username or password!")
    root.picture("wrong_password")
    assert not root.is_in()
    root.log_in("root", "root")
    root.until(root.is_in)
    root.sees("Articles by field")
    root.picture("home")

    # a role, and an account
    root.open("/admin/auth/RoleAdmin")
    root.click("button", "Create")
    root.enter("key", "writer")
    root.enter("name", "Writer")
    root.click(MODAL + "button", "Confirm")
    root.row("writer")
    root.open("/admin/auth/UserAdmin")
    root.click("button", "Create")
    root.enter("username", "carol")
    root.enter("password", "carol")
    root.click(MODAL + "button", "Confirm")
    root.sees("The password needs at least 8 characters")
    root.enter("password", "plum jam 3")
    root.click(MODAL + "button", "Confirm")
    root.row("carol")

    # who has nothing sees nothing
    carol = visit(base)
    carol.log_in("carol", "plum jam 3")
    carol.until(carol.is_in)
    carol.open("/admin/")
    carol.sees("403")
    carol.picture("nothing_granted")
    carol.open(BY_FIELD)
    carol.sees("403")

    # pages for the role, in the dialog
    root.open("/admin/auth/RoleAdmin")
    buttons = root.row("writer").find_elements("css selector", "button.cxd-Button--warning")
    buttons[0].click()
    root.sees("Update role page permissions")
    for page in ("Articles by field", "Articles by data set"):
        tick(root, page, page)
        tick(root, page, "View list")
    root.picture("page_permissions")
    root.click(MODAL + "button", "Confirm")
    root.until(lambda: not root.all(".cxd-Modal-content"))

    # and one field, and one set of rows
    buttons = root.row("writer").find_elements("css selector", "button.cxd-Button--warning")
    buttons[1].click()
    root.sees("Update role data permissions")
    choose(root, "Articles by field", "View list", "List display-Title", ALLOW)
    save(root)
    page = "Articles by data set"
    for rows, how in (("Created in the last 7 days", DENY), ("Created by oneself", DENY), ("Published", ALLOW)):
        choose(root, page, page, f"Data only-{rows}", how)
    root.picture("data_permissions")
    save(root)

    # the role for the account
    root.open("/admin/auth/UserAdmin")
    root.row("carol").find_elements("css selector", "button.cxd-Button--warning")[2].click()
    root.sees("Update user role")
    give_role(root, "Writer")
    root.picture("roles")
    root.click(MODAL + "button", "Confirm")
    root.until(lambda: not root.all(".cxd-Modal-content"))

    # what was granted, and nothing else
    carol.open("/admin/")
    carol.sees("Articles by field")
    assert "User Authentication" not in carol.text()
    carol.sees("Article 1")  # the first of them, since the start page is not hers
    carol.picture("granted")
    carol.open(BY_FIELD)
    carol.sees("Article 1")
    heads = [each.text for each in carol.all("th") if each.text]
    assert "Title" in heads and not {"Description", "Status", "Published"} & set(heads), heads
    carol.picture("field_hidden")
    carol.open(BY_SET)
    carol.sees("8 OF 8 RESULT")
    assert "Article 3" not in carol.text().splitlines()
    carol.open("/admin/auth/UserAdmin")
    carol.sees("403")
    assert root.faults() == [] == carol.faults()

    # logout ends the session
    carol.open("/admin/auth/logout")
    carol.until(lambda: not carol.is_in())
    carol.open("/admin/")
    carol.sees("Sign in")


def test_rows_are_filtered(serve: Callable[..., str], visit: Callable[[str], Any]) -> None:
    base = serve()
    root = visit(base)
    root.log_in("root", "root")
    root.until(root.is_in)
    root.open(BY_SET)
    root.sees("OF 12 RESULT")
    root.open("/admin/auth/UserAdmin")
    root.row("admin").find_elements("css selector", "button.cxd-Button--warning")[2].click()
    root.sees("Update user role")
    give_role(root, "Reader")
    root.click(MODAL + "button", "Confirm")
    root.until(lambda: not root.all(".cxd-Modal-content"))
    admin = visit(base)
    admin.log_in("admin", "admin")
    admin.until(admin.is_in)
    admin.open(BY_SET)
    admin.sees("8 OF 8 RESULT")
    assert "Article 3\n" not in admin.text()
    admin.picture("rows_filtered")


def test_sign_up_open_and_closed(serve: Callable[..., str], visit: Callable[[str], Any]) -> None:
    guest = visit(serve())
    guest.open("/admin/auth/form/login")
    guest.click("button", "Sign up")
    guest.until(lambda: "/form/reg" in guest.driver.current_url)
    guest.enter("username", "newbie")
    guest.enter("password", "plum jam 3")
    guest.picture("sign_up")
    guest.click("button", "Sign up")
    guest.until(guest.is_in)
    closed = visit(serve(USER_AUTH_SIGN_UP="false"))
    closed.open("/admin/auth/form/login")
    closed.sees("Sign in")
    assert "Sign up" not in closed.text()
    closed.open("/admin/auth/form/reg")
    closed.until(lambda: "Not Found" in closed.text())


def test_texts_in_chinese(serve: Callable[..., str], visit: Callable[[str], Any]) -> None:
    visitor = visit(serve(LANGUAGE="zh_CN"))
    visitor.log_in("root", "root", "登录")
    visitor.until(visitor.is_in)
    visitor.open("/admin/auth/UserAdmin")
    visitor.row("root")
    text = visitor.text()
    assert "用户名" in text and "筛选" in text
    visitor.picture("chinese")
    visitor.row("root").find_elements("css selector", "button.cxd-Button--warning")[0].click()
    visitor.sees("权限清单")
    visitor.sees("浏览列表")
    visitor.picture("chinese_dialog")
    words = [line for line in visitor.all(".cxd-Tree-itemText") if line.text.isascii() and " " in line.text]
    assert [each.text for each in words if not each.text.startswith("Articles by")] == []  # the demo's own labels
