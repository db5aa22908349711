"""Translations of the texts of the site, one ``<language>/LC_MESSAGES/messages.po`` each.

The texts in the code are the msgids, the same as the original's, so that an application's own translations of them keep
working. After a change of a ``.po`` run ``python -m fastapi_user_auth_c.locale.compile``.
"""

from __future__ import annotations

from gettext import GNUTranslations
from pathlib import Path

HERE = Path(__file__).parent


def translations() -> dict[str, GNUTranslations]:
    """The catalogues here by language."""
    found = {}
    for path in sorted(HERE.glob("*/LC_MESSAGES/messages.mo")):
        with path.open("rb") as file:
            found[path.parts[-3]] = GNUTranslations(file)
    return found


class _LastFirst(list[GNUTranslations]):
    """Catalogues of a language, the one that was loaded last in front: it wins where several have a text.

    fastapi-amis-admin keeps a set of them, in no order.
    """

    def add(self, catalog: GNUTranslations) -> None:
        self.insert(0, catalog)


def load() -> None:
    """Give the catalogues to fastapi-amis-admin, whose ``i18n`` translates for both."""
    from fastapi_amis_admin.utils.translation import I18N, i18n

    for language in translations():
        i18n._locales[language] = _LastFirst(i18n._locales.get(language, ()))
    i18n.load_translations(translations())
    I18N.gettext.cache_clear()  # texts asked for before
