"""What the commands do with an open database and say about it.

Each takes the database, the parsed arguments of :mod:`fastapi_user_auth_c.cli`, and the site or ``Auth`` of the
application or None, and returns the exit code: 0 for done or yes, 1 for no, nothing found or refused. Answers go to
standard output, questions and remarks to standard error.
"""

from .accounts import createuser, logout, passwd
from .policy import doctor, explain, export, import_
from .roles import role_assign, role_create, role_delete, role_list, role_members, role_withdraw
from .rules import grant, revoke

__all__ = [
    "createuser",
    "doctor",
    "explain",
    "export",
    "grant",
    "import_",
    "logout",
    "passwd",
    "revoke",
    "role_assign",
    "role_create",
    "role_delete",
    "role_list",
    "role_members",
    "role_withdraw",
]
