"""What the errors of databases and Redis mean, whatever driver they come from."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# of MySQL and MariaDB: letters that a column's character set does not have
_NO_SUCH_LETTERS = {1267, 1270, 1271, 1366}
# too many connections, shutdown, lock wait timeout, deadlock, connection killed; the client's own: no connection
_UNREACHABLE = {1040, 1053, 1205, 1213, 1927, *range(2000, 2060)}


def code_of(error: BaseException) -> Any:
    """What a driver calls an error: the SQLSTATE of PostgreSQL, the number of MySQL and MariaDB, SQLite's text."""
    orig = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    first = next(iter(getattr(orig, "args", ())), "")
    if isinstance(first, int):  # newer releases of PyMySQL have a SQLSTATE too, which says less
        return first
    for name in ("sqlstate", "pgcode"):
        if isinstance(state := getattr(orig, name, None), str):
            return state
    return first


def is_conflict(error: BaseException) -> bool:
    """Whether two transactions were in each other's way, and one had to give way."""
    return isinstance(error, IntegrityError) or code_of(error) in ("40001", "40P01", 1213)


def is_locked(error: BaseException) -> bool:
    code = code_of(error)
    return code in ("55P03", 1205) or (
        isinstance(code, str) and code.startswith(("database is locked", "database table"))
    )


def is_bad_value(error: BaseException) -> bool:
    """Whether a database has refused a value: it is too large for its column, or has letters that it does not have."""
    if not isinstance(error, DBAPIError):  # psycopg does not wrap what it cannot encode
        return isinstance(error, UnicodeEncodeError)
    code = code_of(error)
    if isinstance(code, int):
        return isinstance(error, DataError) or code in _NO_SUCH_LETTERS
    return isinstance(error, DataError) or (isinstance(code, str) and len(code) == 5 and code.startswith("22"))


def is_dead(error: BaseException) -> bool:
    """Whether a driver's error says that the server has cut the connection; asyncpg may just be at a loss then."""
    names = [type(each).__name__ for each in (error, error.__cause__)]  # while rows are streamed it comes unwrapped
    return "InternalClientError" in names or code_of(error) in ("57P01", "57P02", 1053, 1927)


def is_outage(error: BaseException) -> bool:
    """Whether an exception means that a database or Redis cannot be reached or does not answer."""
    if getattr(error, "connection_invalidated", False) or is_dead(getattr(error, "orig", None) or error):
        return True
    code = code_of(error)
    if isinstance(error, DBAPIError) or type(error).__module__.partition(".")[0] in ("asyncpg", "psycopg"):
        if isinstance(code, int):
            return code in _UNREACHABLE or is_conflict(error)
        if re.fullmatch("[0-9A-Z]{5}", code) and not code.isalpha():
            return code[:2] in ("08", "53", "57") or code in ("55000", "55P03", "40001", "40P01")
        if code.startswith(("database is locked", "database table is locked", "unable to open", "disk I/O")):
            return True
        if _is_sqlite(error):
            return False
        return isinstance(error, (InterfaceError, OperationalError, OSError))
    if isinstance(error, (OSError, TimeoutError, asyncio.TimeoutError, PoolTimeout)):
        return True
    names = {cls.__name__ for cls in type(error).__mro__ if cls.__module__.partition(".")[0] == "redis"}
    return bool(names & {"ConnectionError", "TimeoutError", "ReadOnlyError", "ClusterDownError"})


def _is_sqlite(error: BaseException) -> bool:
    orig = getattr(error, "orig", None)
    return any(cls.__module__.partition(".")[0] in ("sqlite3", "_sqlite3") for cls in type(orig).__mro__)


def told(error: BaseException) -> str:
    """An error for the log: without the values of the statement, which may be secrets."""
    orig = getattr(error, "orig", None) or error
    return f"{type(orig).__name__}: {orig}"
