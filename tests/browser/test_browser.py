"""The demo as people use it: in Chromium, with amis from a local folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from visitor import serve, visit  # noqa: F401  (fixtures)

MODAL = ".cxd-Modal-content "
BY_FIELD, BY_SET = "/admin/AuthFieldArticleAdmin", "/admin/AuthSelectArticleAdmin"


def choose(who: Any, page: str, what: str, right: str) -> None:
    """In the dialog of data permissions: allow a right of a page."""

    def listed() -> Any:
        texts = [each.text for each in who.all(MODAL + ".cxd-Tree-itemText")]
        return who.all(MODAL + ".cxd-Tree-itemText")[texts.index(what, texts.index(page))]

    who.until(lambda: listed().click() or True)

    def allow() -> bool:
        row = next(row for row in who.all(MODAL + "tbody tr") if row.text == right and len(row.find_elements("css selector", "td")) == 4)
        row.find_elements("css selector", "i")[1].click()
        return True

    who.until(lambda: any(row.text == right for row in who.all(MODAL + "tbody tr")) and allow())


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
        root.click(f"{MODAL}.cxd-Tree-itemLabel:has([title='{page}']) .cxd-Checkbox i")
    root.picture("page_permissions")
    root.click(MODAL + "button", "Confirm")
    root.until(lambda: not root.all(".cxd-Modal-content"))

    # and one field, and one set of rows
    buttons = root.row("writer").find_elements("css selector", "button.cxd-Button--warning")
    buttons[1].click()
    root.sees("Update role data permissions")
    choose(root, "Articles by field", "View list", "List display-Title")
    choose(root, "Articles by data set", "View list", "Published")
    root.picture("data_permissions")
    root.click(MODAL + "button", "Save")
    root.until(lambda: not root.all(".cxd-Modal-content"))

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
    carol.picture("granted")
    carol.open(BY_FIELD)
    carol.sees("Article 1")
    heads = [each.text for each in carol.all("th") if each.text]
    assert "Title" in heads and not {"Description", "Status", "Published"} & set(heads), heads
    carol.picture("field_hidden")
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
    admin.sees("OF 8 RESULT")
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
    visitor.picture("chinese_dialog")
    words = [line for line in visitor.all(".cxd-Tree-itemText") if line.text.isascii() and " " in line.text]
    assert [each.text for each in words if not each.text.startswith("Articles by")] == []  # the demo's own labels
