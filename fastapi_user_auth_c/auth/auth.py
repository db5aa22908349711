"""``Auth``: who is calling, and may they."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import Any, Generic, Optional, TypeVar, Union, cast

import anyio.from_thread
from fastapi import Depends, HTTPException, params
from fastapi_amis_admin.crud.schema import BaseApiOut
from fastapi_amis_admin.utils.translation import i18n as _
from pydantic import SecretStr
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy_database import AsyncDatabase
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from ..db import MAX_TRIES, AnyDatabase, more_to_read, run_committed, run_read, run_repeatable, to_the_end
from ..password_policy import password_fault
from ..passwords import PasswordError, PasswordHasher, in_hashing_thread
from ..policy import Adapter, AsyncEnforcer, Enforcer
from ..policy.reader import PolicyReader
from ..policy.revision import StalePolicy, move_revision, worked_out_from
from ..policy.writer import resolved
from ..settings import AuthSettings
from ..throttle import DbCounters, LoginThrottle
from ..web.cookies import set_token_cookie
from ..web.proxies import client_address
from .backend import AuthBackend, UserModelT, answered
from .backends.base import BaseTokenStore
from .backends.db import DbTokenStore
from .endpoints import Requirement, guarded
from .exceptions import StorageUnavailable, storage_needed
from .login_history import LoginRecorder
from .login_links import LoginLinks
from .models import CasbinRule, Role, User
from .revocations import EVERYBODY, DbRevocations, Revocations
from .router import AuthRouter as AuthRouter  # where the original has it
from .schemas import BaseTokenData, SystemUserEnum, UserLoginOut, login_out
from .user_cache import UserCache

logger = logging.getLogger("fastapi_user_auth_c.auth")

T = TypeVar("T")
Roles = Union[str, Sequence[str], None]
KNOWN = "__user_auth_known__"
"""Where the scope of a request keeps what each ``Auth`` found out about it."""

KEPT_SECONDS = 30 * 24 * 3600
"""How long it is known at least that all tokens of an account were ended."""


class Auth(Generic[UserModelT]):
    """Users, tokens and decisions over one database.

    Args:
        db: the database.
        token_store: where tokens live; default :class:`DbTokenStore` in the same database.
        user_model: the mapped class of users.
        pwd_context: an object with ``hash`` and ``verify``, and ``verify_and_update`` and ``dummy_verify`` if it can:
            :class:`~fastapi_user_auth_c.passwords.PasswordHasher` (default) or passlib's ``CryptContext``.
        enforcer: an object with the methods of Casbin's ``AsyncEnforcer``; default the engine here, on ``db``.
        settings: default :class:`~fastapi_user_auth_c.settings.AuthSettings`, with what the environment says.
        revocations: where it is kept what ended before its time, default :class:`DbRevocations` on ``db``.
        throttle: limits on wrong passwords; default a :class:`~fastapi_user_auth_c.throttle.LoginThrottle` with
            counters in ``db`` and the limits of the settings.
        user_cache_seconds: how long a user that was read answers for itself in later requests. A change made through
            the ORM in this process ends that at once, others hold when this time is over; 0 for no cache.

    Raises:
        ValueError: no user model or no database.
    """

    user_model: Any = None
    db: Any = None
    backend: AuthBackend[UserModelT] = None  # type: ignore[assignment]  # a subclass may have one

    def __init__(
        self,
        db: AnyDatabase,
        *,
        token_store: Optional[BaseTokenStore[Any]] = None,
        user_model: Optional[type[UserModelT]] = User,  # type: ignore[assignment]
        pwd_context: Any = None,
        enforcer: Any = None,
        settings: Optional[AuthSettings] = None,
        revocations: Optional[Revocations] = None,
        throttle: Optional[LoginThrottle] = None,
        user_cache_seconds: float = 0,
    ) -> None:
        self.user_model = user_model or self.user_model
        self.db = db or self.db
        if self.user_model is None or self.db is None:
            raise ValueError("Auth needs a database and a user_model")
        self.settings = settings or AuthSettings()
        self.backend = self.backend or AuthBackend(
            self, token_store or DbTokenStore(self.db, self.settings.token_seconds)
        )
        self.pwd_context = pwd_context or PasswordHasher(bcrypt_rounds=self.settings.bcrypt_rounds)
        self._enforcer = enforcer
        store = self.backend.token_store
        self.revocations = (
            revocations or getattr(store, "revocations", None) or DbRevocations(self.db, self.settings.poll_seconds)
        )
        store.revocations = self.revocations
        self.throttle = throttle or LoginThrottle(DbCounters(self.db), self.settings)
        self.history = LoginRecorder(self.db, self.settings)
        self.login_links = LoginLinks(self.db, self.user_model, self.revocations)
        self.users = UserCache(self.db, self.user_model, user_cache_seconds) if user_cache_seconds else None

    @property
    def scopes(self) -> list[str]:
        """What ``starlette.authentication.requires`` asks ``request.auth`` for: ``authenticated``, and the keys of the
        roles that :meth:`requires` knows the user of the request by. Nothing for guests, and outside of requests.

        Raises:
            StorageUnavailable: status 503; nobody can say now who makes the request.
        """
        known = (answered.get() or {}).get(id(self), {})
        if "unavailable" in known:
            raise StorageUnavailable
        user = known.get("user")
        if user is None:
            return []
        links = self.enforcer.get_filtered_grouping_policy(0, f"u:{user.username}")
        roles = [str(link[1])[2:] for link in links if str(link[1]).startswith("r:")]
        if user.username == SystemUserEnum.ROOT:
            roles.append(str(SystemUserEnum.ROOT))
        return list(dict.fromkeys(["authenticated", *roles]))

    def _present(self, connection: HTTPConnection) -> None:
        """Be the ``auth`` of a request, whose user the scopes are those of."""
        connection.scope["auth"] = self
        self._known(connection)
        answered.set(connection.scope[KNOWN])

    @cached_property
    def enforcer(self) -> AsyncEnforcer:
        """The enforcer; its policy is loaded by the site's start-up, or by ``await auth.enforcer.load_policy()``.

        One that was given is of another class, and has the methods of this one.
        """
        if self._enforcer is not None:
            return cast(AsyncEnforcer, self._enforcer)
        enforcer = AsyncEnforcer(adapter=Adapter(db=self.db, db_class=CasbinRule))
        enforcer.poll_seconds = self.settings.poll_seconds
        return enforcer

    # --- passwords

    async def authenticate_user(self, username: str, password: Union[str, SecretStr]) -> Optional[UserModelT]:
        """The active user of that name (``username``) and password, or None.

        The password is checked in a worker thread, also for unknown names, so that time tells nothing. A hash that is
        out of date is replaced.
        """
        statement = select(self.user_model).where(
            self.user_model.username == username,
            self.user_model.is_active == True,  # noqa: E712
            self.user_model.delete_time == None,  # noqa: E711
        )
        # no name holds a NUL, which PostgreSQL refuses to look for
        user = None if "\0" in username else await run_read(self.db, lambda session: session.scalar(statement))
        secret = _plain(password)
        if user is None or user.username != username:  # some databases take other spellings for equal
            await in_hashing_thread(getattr(self.pwd_context, "dummy_verify", _nothing))
            return None
        valid, new_hash = await in_hashing_thread(self._verify, secret, _plain(user.password))
        if not valid:
            return None
        if new_hash is not None:
            await self._replace_hash(user, new_hash)
        return user  # type: ignore[no-any-return]

    def _verify(self, secret: str, stored: str) -> tuple[bool, Optional[str]]:
        """Whether the password fits, and a hash to store instead."""
        try:
            both = getattr(self.pwd_context, "verify_and_update", None)
            if both is not None:
                valid, new_hash = both(secret, stored)
                return bool(valid), new_hash
            return bool(self.pwd_context.verify(secret, stored)), None
        except ValueError as error:  # passlib raises for stored text that is no hash, and for NUL in passwords
            logger.warning("login refused: %s", error)
            return False, None

    async def _replace_hash(self, user: Any, new_hash: str) -> None:
        """Store a new hash of the same password, unless another login has just done so; the user has what is stored."""
        model, old = self.user_model, user.password
        mine = update(model).where(model.id == user.id, model.password == old).values(password=SecretStr(new_hash))
        mine = mine.execution_options(synchronize_session=False)
        stored = select(model.password).where(model.id == user.id)

        def work(session: Session) -> Any:
            session.execute(mine)
            return session.scalar(stored)

        password = await run_committed(self.db, work)
        if password is not None:
            set_committed_value(user, "password", password)

    def get_password_hash(self, password: Union[str, SecretStr]) -> str:
        """The hash of a new password; "" for none.

        Raises:
            PasswordError: it cannot be set.
        """
        secret = _plain(password)
        return self.pwd_context.hash(secret) if secret else ""

    async def hash_password(self, password: Union[str, SecretStr], *names: Optional[str]) -> str:
        """As :meth:`get_password_hash`, in a worker thread, for a password that somebody has chosen.

        Args:
            password: the password.
            names: user name and mail address of the account, which are no passwords for it.

        Raises:
            HTTPException: status 422; the password cannot be set, or is one that the settings refuse.
        """
        secret = _plain(password)
        try:
            if secret and (fault := password_fault(secret, self.settings, names)):
                raise PasswordError(fault)
            return await in_hashing_thread(self.pwd_context.hash, secret)
        except (PasswordError, ValueError) as error:
            raise HTTPException(status_code=422, detail=str(error)) from error

    # --- who is calling

    async def refresh_policy(self, at_once: bool = False) -> None:
        """Before anybody is decided upon: see what other processes have changed in the policy.

        Args:
            at_once: ask now, however short the last time was ago: for changes that are worked out from what is there.
        """
        if isinstance(self.enforcer, AsyncEnforcer):
            await self.enforcer.refresh(at_once)
        elif isinstance(self.enforcer, Enforcer) and (at_once or self.enforcer.refresh_due()):
            await anyio.to_thread.run_sync(self.enforcer.refresh, at_once)

    async def change_policy(self, change: Callable[[], Awaitable[T]]) -> T:
        """Make a change that is worked out from the rules that there are; once more where they have changed meanwhile.

        So a right that another process takes away does not come back with the rest of what a form leaves as it is.

        Args:
            change: works it out and makes it, by one method of the enforcer; it is called again.

        Raises:
            StalePolicy: others were faster each time; nothing has changed.
        """
        for left in range(MAX_TRIES - 1, -1, -1):
            await self.refresh_policy(at_once=True)
            try:
                with worked_out_from(getattr(self.enforcer, "revision", None)):
                    return await change()
            except StalePolicy:
                if left == 0:
                    raise
                await asyncio.sleep(random.random() * 0.02)
        raise AssertionError

    async def _get_token_info(self, request: HTTPConnection) -> Optional[BaseTokenData]:
        known = self._known(request)
        if "token" not in known:
            self._present(request)  # for token stores
            token = self.backend.get_user_token(request)
            known["token"] = await self.backend.token_store.read_token(token) if token else None
        return known["token"]  # type: ignore[no-any-return]

    async def get_current_user_identity(self, request: Request, name: Optional[str] = None) -> str:
        """The user name (or another attribute) that the request's token stands for; "" for guests.

        Only an account that may still be used counts, see :meth:`get_current_user`.
        """
        user = await self.get_current_user(request)
        if user is None:
            return ""
        token_info = await self._get_token_info(request)
        source = user if token_info is None else token_info  # logged in by this very request
        return getattr(source, name or "username", "") or ""

    async def get_current_user(self, request: Request) -> Optional[UserModelT]:
        """The user of a request, or None: no token, an invalid one, or an account that is inactive, deleted or renamed.

        Looked up once per request; ``request.user`` afterwards.

        Raises:
            StorageUnavailable: status 503; the tokens, the users or what has ended cannot be asked for.
        """
        return await self._current_user(request)

    def _known(self, connection: HTTPConnection) -> dict[str, Any]:
        """What this ``Auth`` has found out about a request.

        ``scope["user"]`` may be anybody's: other middlewares set it, to users who only share a name with ours.
        """
        known: dict[int, dict[str, Any]] = connection.scope.setdefault(KNOWN, {})
        return known.setdefault(id(self), {})

    async def _current_user(self, connection: HTTPConnection) -> Optional[UserModelT]:
        known = self._known(connection)
        if "user" not in known:
            if "unavailable" in known:  # nobody waits for it twice
                raise StorageUnavailable
            await self.refresh_policy()
            try:
                with storage_needed("looking for the user of a token"):
                    user = await to_the_end(self._user_of_token(connection))
            except StorageUnavailable:
                known["unavailable"] = True
                raise
            answered.set(connection.scope[KNOWN])  # what the work above has set, it has set for itself
            self._set_user(connection, user)
        return known["user"]  # type: ignore[no-any-return]

    async def _user_of_token(self, connection: HTTPConnection) -> Optional[UserModelT]:
        """The account that the presented token was made for, if both are still good."""
        token = self.backend.get_user_token(connection)
        if not token:
            return None
        await self.revocations.refresh()
        store = self.backend.token_store
        left = False
        # a synchronous database is read in threads, which must not be waited for with a connection in hand
        if self.users is None and isinstance(self.db, AsyncDatabase) and getattr(store, "db", None) is self.db:
            with more_to_read(self.db) as reading:
                info = await self._get_token_info(connection)
            left = reading.left
        else:
            info = await self._get_token_info(connection)
        binds = getattr(store, "binds", False)
        if info is None or (binds and self.revocations.has_account_ended(info.id, getattr(info, "bound_at", None))):
            if left:
                await run_read(self.db, lambda session: None, last=True)
            return None
        if self.users is not None:
            user = await self.users.get(info.id)
        else:
            user = await run_read(self.db, lambda session: session.get(self.user_model, info.id), last=left)
        if user is None or not user.is_authenticated or user.username != info.username:
            return None
        # else the password has changed, or it is another account
        return user if store.fits(token, info, user) else None  # type: ignore[no-any-return]

    async def logout_everywhere(self, user: Union[UserModelT, int]) -> None:
        """End all tokens of an account, of every store: at once in this process, within a second in others.

        Login links that were made for it are good no longer.

        Args:
            user: the account, or its id.

        Raises:
            NotImplementedError: the store is one of the application's own that does not bind tokens, see
                :class:`BaseTokenStore`.
        """
        await self._end_all_of(f"u:{getattr(user, 'id', user)}")

    async def logout_everybody(self) -> None:
        """End all tokens of all accounts, as :meth:`logout_everywhere` those of one.

        Raises:
            NotImplementedError: as there.
        """
        await self._end_all_of(EVERYBODY)

    async def _end_all_of(self, name: str) -> None:
        if not getattr(self.backend.token_store, "binds", False):
            raise NotImplementedError("this token store cannot end all tokens of an account")
        life = self.backend.token_store.expire_seconds
        # longer than a token lives, also where its life was longer before
        expires = None if life is None else time.time() + max(life, KEPT_SECONDS)
        with storage_needed("ending the tokens of a user"):
            await self.revocations.end(name, expires)

    def _set_user(self, connection: HTTPConnection, user: Optional[UserModelT]) -> None:
        self._known(connection)["user"] = user
        if user is not None:
            connection.scope["user"] = user
        else:
            connection.scope.setdefault("user", None)  # a guest here may be somebody to others

    async def has_role_for_user(self, identity: str, roles: Roles, is_any: bool = True) -> bool:
        """Whether a user has any (or all) of these roles.

        Args:
            identity: the user name.
            roles: role keys; empty ones are passed over.
            is_any: one of the roles is enough.
        """
        subject = f"u:{identity}"
        names = [roles] if isinstance(roles, str) else list(roles or ())
        if subject == "u:root" and "root" in names:
            return True
        await self.refresh_policy()
        for name in names:
            if not name:
                continue
            held = await resolved(self.enforcer.has_role_for_user(subject, f"r:{name}"))
            if bool(held) is is_any:
                return is_any
        return not is_any

    async def has_role(self, request: Request, *, roles: Roles) -> bool:
        """Whether the user of a request has any of these roles."""
        return await self.has_role_for_user(await self.get_current_user_identity(request), roles)

    async def filter_select(self, request: Request, statement: T, *, permissions: Any, **options: Any) -> T:
        """A select, update or delete statement, limited to the rows that the user of a request may see; root sees all.

        Args:
            request: the request.
            statement: of a mapped class, an alias of one, or a table.
            permissions: sets of rows, as in ``select_permissions`` of an admin page.
            options: ``page``, ``any_of`` and ``entity`` of :func:`fastapi_user_auth_c.row_permissions.filter_select`.
        """
        from ..row_permissions import filter_select

        return await filter_select(self, request, statement, permissions=permissions, **options)

    async def allowed_fields(self, request: Request, page: Any, action: str, fields: Any) -> list[str]:
        """Those of the fields that the user of a request may use, in the order they are given in.

        Args:
            request: the request.
            page: object of the rules, or a page of the site.
            action: such as ``list``, ``read`` or ``update``, or a name of one's own.
            fields: the names asked for.

        Raises:
            ValueError: see :func:`fastapi_user_auth_c.field_permissions.allowed_fields`.
        """
        from ..field_permissions import allowed_fields

        return await allowed_fields(self, request, page, action, fields)

    # --- requires

    def requires(
        self,
        roles: Roles = None,
        status_code: int = 403,
        redirect: Optional[str] = None,
        response: Union[bool, Response, None] = None,
    ) -> Requirement:
        """Demand a logged-in user, with one of the roles if any are given.

        Usable as a decorator of sync, async and websocket endpoints that take ``request`` or ``websocket``, as
        ``Depends(auth.requires(...)())``, and as ``await auth.requires(...)(request)``, which answers True.

        Args:
            roles: a role key or several; an empty list lets nobody in.
            status_code: of the error for everybody else.
            redirect: name of a route to send them to instead.
            response: what to return for them instead, such as False.
        """
        wanted: tuple[Any, ...] = (roles,) if roles is None or isinstance(roles, str) else tuple(roles)

        async def allowed(user: Optional[UserModelT]) -> bool:
            if user is None:
                return False
            return wanted == (None,) or await self.has_role_for_user(user.username, wanted)

        async def depend(request: Request, user: Any = Depends(self.get_current_user)) -> Any:
            known = request.scope.setdefault("__user_auth__", {})
            key = (id(self), wanted)
            if key not in known:
                if isinstance(user, params.Depends):  # called by hand
                    user = await self.get_current_user(request)
                known[key] = await allowed(user)
            if known[key]:
                return True
            if response is not None:
                return response
            if redirect is not None:
                raise HTTPException(status_code=307, headers={"location": str(request.url_for(redirect))})
            raise HTTPException(status_code=status_code)

        def decorator(func: Any = None) -> Any:
            if func is None:
                return depend
            if isinstance(func, Request):
                return depend(func)
            return guarded(self, func, depend, allowed)

        return cast(Requirement, decorator)

    # --- accounts

    async def create_role_user(self, role_key: str = "root", commit: bool = True) -> UserModelT:
        """Make a role, and a user of the same name that has it, as far as they are not there yet.

        The password is that of the settings (``initial_password``), else the name, which a warning tells at every
        start until it is changed. A user that is made again, after it was deleted, gets no password that anybody
        knows.

        Args:
            role_key: key of the role and name of the user.
            commit: commit; otherwise the caller does, in ``auth.db``'s session, and then reloads the policy.
        """
        link = [f"u:{role_key}", f"r:{role_key}"]
        given = self.settings.initial_password
        new_hash = await in_hashing_thread(self.pwd_context.hash, given.get_secret_value() if given else role_key)
        adapter = getattr(self.enforcer, "adapter", None)
        counted = isinstance(adapter, Adapter) and adapter.db is self.db and await adapter.is_counted()

        def work(session: Session) -> Any:
            if counted:
                move_revision(session, commit=commit)  # first, so that of several processes one makes them
            user = self._create_role_user(session, role_key, link, new_hash)
            session.refresh(user)
            if commit and not self.db.scoped:
                session.expunge(user)
            return user

        if not commit:
            return await self.db.async_run_sync(work)
        user = await run_repeatable(self.db, work)
        if (await in_hashing_thread(self._verify, role_key, _plain(user.password)))[0]:
            logger.warning("the password of user %r is its name: change it", role_key)
        if isinstance(self.enforcer, PolicyReader) and not self.enforcer.has_rule("g", link):
            self.enforcer.check("g", [link])
            self.enforcer.add("g", [link])
        return user

    def _create_role_user(self, session: Session, role_key: str, link: list[str], new_hash: str) -> Any:
        was_there = session.scalar(select(Role).filter_by(key=role_key)) is not None
        if not was_there:
            session.add(Role(key=role_key, name=f"{role_key} role"))
        user = session.scalar(select(self.user_model).where(self.user_model.username == role_key))
        if user is None:
            if was_there and self.settings.initial_password is None:
                new_hash = ""  # nobody can log in with that
                logger.warning("user %r was made again, without a password: set one, or initial_password", role_key)
            user = self.user_model(username=role_key, password=SecretStr(new_hash))
            session.add(user)
        held = select(CasbinRule).filter_by(ptype="g", v0=link[0], v1=link[1])
        if session.scalar(held.limit(1)) is None:
            session.add(CasbinRule(ptype="g", v0=link[0], v1=link[1]))
        session.flush()
        return user

    async def request_login(
        self, request: Request, response: Response, username: str, password: Union[str, SecretStr]
    ) -> BaseApiOut[Any]:
        """Check name and password, record the attempt, and hand out a token in the answer and in a cookie.

        Args:
            request: the request, whose address counts in the limits on wrong passwords.
            response: gets the cookie.
            username: the name.
            password: the password.

        Returns:
            An answer with the user and the token; with status -1 where name or password are wrong.

        Raises:
            HTTPException: status 429; there were too many wrong passwords.
            StorageUnavailable: status 503; the database or Redis does not answer.
        """
        with storage_needed("a login"):
            return await self._request_login(request, response, username, password)

    async def _request_login(
        self, request: Request, response: Response, username: str, password: Union[str, SecretStr]
    ) -> BaseApiOut[Any]:
        present = await self.get_current_user(request)
        if present:
            return BaseApiOut(code=1, msg=_("User logged in!"), data=login_out(UserLoginOut, present))
        async with self.throttle.attempt(username, client_address(request, self.settings.trusted_proxies)) as right:
            user = await self.authenticate_user(username=username, password=password)
            if user is not None:
                right.append(True)
        await self.history.record(request, username, user)
        if user is None:
            return BaseApiOut(status=-1, msg=_("Incorrect username or password!"))
        self._set_user(request, user)
        out = login_out(UserLoginOut, user)
        out.access_token = await self.backend.token_store.write_token(user.model_dump())
        set_token_cookie(self, request, response, out.access_token)
        return BaseApiOut(code=0, data=out)


def _plain(password: Union[str, SecretStr]) -> str:
    return password.get_secret_value() if isinstance(password, SecretStr) else password


def _nothing() -> None:
    """Stands for a method that a pwd_context does not have."""
