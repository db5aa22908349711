"""The Chinese texts: complete, compiled, and shown."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastapi_user_auth_c
from fastapi_user_auth_c.locale import translations
from fastapi_user_auth_c.locale.compile import build, parse

PACKAGE = Path(fastapi_user_auth_c.__file__).parent
CATALOGS = sorted((PACKAGE / "locale").glob("*/LC_MESSAGES/messages.po"))
# texts that reach _() in a variable
INDIRECT = {"default", "allow", "deny"}


def texts() -> Iterator[str]:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_"):
                continue
            if isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


@pytest.mark.parametrize("po", CATALOGS, ids=lambda po: po.parts[-3])
def test_catalogue_is_complete_and_compiled(po: Path) -> None:
    catalog = parse(po.read_text(encoding="utf-8"))
    assert {*texts(), *INDIRECT} - set(catalog) == set()
    assert po.with_suffix(".mo").read_bytes() == build(catalog), "run python -m fastapi_user_auth_c.locale.compile"
    read = translations()[po.parts[-3]]
    assert all(read.gettext(msgid) == msgstr for msgid, msgstr in catalog.items() if msgid)
    assert read.charset() == "UTF-8"


def test_parse() -> None:
    text = 'msgid ""\nmsgstr "h"\n\n# c\n#: a.py:1\nmsgid "a"\n" b"\nmsgstr "\\"x\\"\\n"\n\n'
    text += '#, fuzzy\nmsgid "c"\nmsgstr "y"\n'
    assert parse(text) == {"": "h", "a b": '"x"\n'}
    for wrong in ("msgid a\n", "msgctxt 'x'\n", 'msgid "a"\nmsgstr "b"\n\nmsgid "a"\nmsgstr "c"\n'):
        with pytest.raises((ValueError, SyntaxError)):
            parse(wrong)


@pytest.mark.parametrize(
    ("language", "label", "amis"),
    [
        ("zh_CN.UTF-8", "密码", "zh_CN"),
        ("zh_TW", "密码", "zh_CN"),
        ("en_US.UTF-8", "Password", "en_US"),
        ("C.UTF-8", "Password", "en_US"),
        ("fr_FR", "Password", "en_US"),
    ],
)
def test_texts_follow_the_environment(language: str, label: str, amis: str) -> None:
    code = (
        "import fastapi_user_auth_c\nfrom fastapi_user_auth_c.auth.models import User\n"
        "from fastapi_amis_admin.utils.translation import i18n\n"
        "print(User.model_fields['password'].title, i18n.get_language())"
    )
    env = {**os.environ, "LANGUAGE": language, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{label} {amis}"


def test_a_language_that_the_application_sets_stays() -> None:
    code = (
        "from fastapi_amis_admin.utils.translation import i18n\ni18n.set_language('fr_FR')\n"
        "import fastapi_user_auth_c\nprint(i18n.get_language())\ni18n.set_language('zh_CN')\nprint(i18n.get_language())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["fr_FR", "zh_CN"]


def test_the_applications_own_texts_win() -> None:
    code = (
        "import gettext, fastapi_user_auth_c\n"
        "from fastapi_amis_admin.utils.translation import i18n\n"
        "own = [gettext.NullTranslations(), gettext.NullTranslations()]\n"
        "for n, catalog in enumerate(own):\n"
        "    catalog._catalog = {'Save': f'own {n}'}\n"
        "    catalog.gettext = catalog._catalog.get\n"
        "print(i18n('All', 'zh_CN'), i18n('Role ID', 'zh_CN'))\n"
        "i18n.load_translations({'zh_CN': own[0]})\n"
        "i18n.load_translations({'zh_CN': own[1]})\n"
        "print(i18n('Save', 'zh_CN'), i18n('Role ID', 'zh_CN'), i18n('Save', 'de_DE'))\n"
    )
    env = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    for _ in range(3):  # a set would have another order now and then
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, encoding="utf-8", timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split("\n")[0] == "所有 角色标识"
        assert done.stdout.split("\n")[1].startswith("own 1 角色标识")
