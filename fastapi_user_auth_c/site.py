"""The site under the path that the documentation of the original uses."""

from .admin.site import AuthAdminSite

__all__ = ["AuthAdminSite"]
