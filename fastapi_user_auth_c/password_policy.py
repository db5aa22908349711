"""Which passwords may be chosen: long enough, not a common one, not one's own name (NIST SP 800-63B, 3.1.1.2)."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib.resources import files

from fastapi_amis_admin.utils.translation import i18n as _

from .settings import AuthSettings
from .texts import plain_text


@functools.cache
def common_passwords() -> frozenset[str]:
    """Passwords of eight characters and more that many people have, casefolded.

    The most frequent of the ten million that Mark Burnett collected from leaks and gave to the public domain (2015).
    """
    text = files(__package__).joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(text.splitlines())


def password_fault(password: str, settings: AuthSettings, names: Iterable[str | None] = ()) -> str:
    """Why a password may not be chosen; "" when it may.

    Args:
        password: the password.
        settings: ``password_min_length`` and ``refuse_common_passwords``.
        names: of the account: its user name, mail address and the like, which are no passwords for it.
    """
    if len(password) < settings.password_min_length:
        return str(_("The password needs at least %d characters")) % settings.password_min_length
    if not settings.refuse_common_passwords:
        return ""
    plain = plain_text(password)
    parts = {part for name in names if name for part in (plain_text(name), plain_text(name).partition("@")[0])}
    if plain in common_passwords() or plain in parts or len(set(plain)) == 1:
        return str(_("This password is too easy to guess"))
    return ""
