"""The clients: managers, who change rights, and users, who log in and out and look at pages."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
from app_for_tests import PAGES, RA, ROLES, UA
from visits import LOGIN

from .cluster import Cluster
from .model import Fact, Model, Subject, Version, posted, rules_of
from .storage import Storage

LISTS = {
    "Auth>UserAdmin": UA,
    "Auth>RoleAdmin": RA,
    "Auth>CasbinRuleAdmin": "/admin/auth/CasbinRuleAdmin",
    "Auth>LoginHistoryAdmin": "/admin/auth/LoginHistoryAdmin",
}


@dataclass
class Report:
    """What happened."""

    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    logins: int = 0
    """Answered attempts to log in; each is a row of the history."""
    open_logins: int = 0
    """Those without an answer, which may be one."""

    def violation(self, what: str) -> None:
        self.counts["violations"] += 1
        if len(self.violations) < 50:
            self.violations.append(what)


@dataclass
class Answer:
    """What a worker said; ``status`` is None when nobody did."""

    status: int | None
    body: Any
    start: float
    end: float
    worker: int | None
    """The worker that was asked by itself."""

    @property
    def is_known(self) -> bool:
        return self.status not in (None, 503)


class Traffic:
    """All clients of one run.

    Args:
        cluster: the workers.
        storage: the database.
        model: filled by :meth:`prepare`.
        report: what happens is noted here.
    """

    def __init__(self, cluster: Cluster, storage: Storage, model: Model, report: Report) -> None:
        self.cluster, self.storage, self.model, self.report = cluster, storage, model, report
        self.stopping = False
        self.sessions: dict[str, list[tuple[dict[str, str], Fact]]] = {}
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=32)
        nobodys = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # all clients share it
        self.client = httpx.AsyncClient(timeout=60, limits=limits, cookies=nobodys)

    async def ask(self, method: str, path: str, worker: int | None = None, **kwargs: Any) -> Answer:
        """One request; no answer and status 503 are counted, an error of the server is a violation."""
        start = time.monotonic()
        try:
            answer = await self.client.request(method, self.cluster.address(worker) + path, **kwargs)
        except httpx.TimeoutException:
            self.report.violation(f"{method} {path}: no answer within 60 s")
            return Answer(None, None, start, time.monotonic(), worker)
        except httpx.TransportError:
            self.report.counts["cut off"] += 1
            return Answer(None, None, start, time.monotonic(), worker)
        finally:
            self.report.counts["requests"] += 1
        end = time.monotonic()
        try:
            body = answer.json()
        except ValueError:
            body = answer.text
        inner = body.get("status") if isinstance(body, dict) else None
        if answer.status_code == 503:
            self.report.counts["503"] += 1
        elif answer.status_code >= 500 or inner == 500:
            self.report.counts["500"] += 1
            self.report.violation(f"{method} {path}: status {answer.status_code}, {str(body)[:200]}")
        return Answer(answer.status_code, body, start, end, worker)

    async def insist(self, method: str, path: str, **kwargs: Any) -> Any:
        """Before the trouble begins: a request that has to succeed."""
        answer = await self.ask(method, path, **kwargs)
        if answer.status != 200 or answer.body.get("status", 0) != 0:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body}")
        return answer.body.get("data")

    async def headers_of(self, name: str) -> dict[str, str]:
        """Log in as somebody who never logs out; tried until it succeeds."""
        while True:
            answer = await self._log_in(name, password_of(name))
            if answer.status == 200 and answer.body["status"] == 0:
                return {"Authorization": f"bearer {answer.body['data']['access_token']}"}
            await asyncio.sleep(0.1)

    async def _log_in(self, name: str, password: str, worker: int | None = None) -> Answer:
        answer = await self.ask("POST", LOGIN, worker, data={"username": name, "password": password})
        if answer.is_known:
            self.report.logins += 1
        else:
            self.report.open_logins += 1
        return answer

    async def prepare(self, users: int, roles: int) -> None:
        root = await self.headers_of("root")
        for number in range(roles):
            new = {"key": f"role{number}", "name": f"Role {number}"}
            made = await self.insist("POST", f"{RA}/item", json=new, headers=root)
            self.model.roles[new["key"]] = Subject(new["key"], made["id"])
        for number in range(users):
            new = {"username": f"user{number}", "password": password_of(f"user{number}")}
            made = await self.insist("POST", f"{UA}/item", json=new, headers=root)
            self.model.users[new["username"]] = Subject(new["username"], made["id"])
            self.sessions[new["username"]] = []

    def _some_worker(self) -> int | None:
        return random.choice([None, *range(len(self.cluster.own))])

    # --- changes

    async def manage(self, subjects: list[Subject]) -> None:
        """Change the rights and roles of some subjects, one after another, in the name of root."""
        root = await self.headers_of("root")
        while not self.stopping:
            subject = random.choice(subjects)
            is_role = self.model.roles.get(subject.name) is subject
            page = RA if is_role else UA
            if random.random() < 0.5:
                pages = frozenset(random.sample(sorted(LISTS), random.randint(0, 3)))
                fact, value, action, body = subject.pages, pages, PAGES, {"permissions": posted(sorted(pages))}
            else:
                below = [key for key in self.model.roles if not is_role or key > subject.name]  # no cycles
                keys = frozenset(random.sample(below, min(len(below), random.randint(0, 2))))
                fact, value, action, body = subject.roles, keys, ROLES, {"role_keys": ",".join(sorted(keys))}
            version = fact.begin(value)
            path = f"{page}/{action}/api?item_id={subject.id}"
            answer = await self.ask("POST", path, self._some_worker(), json=body, headers=root)
            if answer.status == 200 and answer.body.get("status") == 0:
                fact.settle(version, by=answer.worker)
                self.report.counts["changes"] += 1
            else:
                if answer.is_known and answer.status != 200:
                    self.report.violation(f"root may not change {subject.name}: {answer.status} {answer.body}")
                await self._read_back(subject, fact, version, "r:" if is_role else "u:")
            await asyncio.sleep(random.random() * 0.05)

    async def _read_back(self, subject: Subject, fact: Fact, version: Version, prefix: str) -> None:
        """Nobody said whether a change was made: the database knows, once all that may make it is over."""
        self.report.counts["changes without an answer"] += 1
        if not await asyncio.to_thread(self.storage.wait_for_older):
            self.report.violation("a transaction does not end")
        rules = await asyncio.to_thread(self.storage.rules, prefix + subject.name)
        if fact is subject.roles:
            value = frozenset(rule[2].removeprefix("r:") for rule in rules if rule[0] == "g")
        else:
            held = {rule[2:] for rule in rules if rule[0] == "p"}
            value = frozenset(page for page in LISTS if held >= set(rules_of(page)))
            if held != {rule for page in value for rule in rules_of(page)}:
                self.report.violation(f"half a change of {prefix}{subject.name}: {sorted(held)}")
        if value not in [version.value, *(each.value for each in fact.versions[:-1][-1:])]:
            self.report.violation(f"{prefix}{subject.name} has neither what it had nor what was asked for: {value}")
        fact.settle(version, value)

    # --- use

    async def use(self, name: str) -> None:
        """Be a user: log in, look at pages, log out, and try with tokens that have ended."""
        sessions = self.sessions[name]
        while not self.stopping:
            await asyncio.sleep(random.random() * 0.05)
            dice = random.random()
            if not sessions or dice < 0.05:
                await self._begin_session(name, sessions)
            elif dice < 0.08:
                await self._end_session(*random.choice(sessions))
            else:
                headers, alive = random.choice(sessions[-4:])
                await self._look(name, headers, alive, self._some_worker())

    async def _begin_session(self, name: str, sessions: list[tuple[dict[str, str], Fact]]) -> None:
        right = random.random() < 0.8
        answer = await self._log_in(name, password_of(name) if right else "wrong", self._some_worker())
        if not answer.is_known:
            return
        if answer.status != 200 or (answer.body["status"] == 0) is not right:
            self.report.violation(f"login of {name}, password right: {right}: {answer.status} {answer.body}")
        elif right:
            self.report.counts["logins"] += 1
            sessions.append(({"Authorization": f"bearer {answer.body['data']['access_token']}"}, Fact(True)))
            del sessions[:-12]

    async def _end_session(self, headers: dict[str, str], alive: Fact) -> None:
        if not alive.value:
            return
        version = alive.begin(False)
        answer = await self.ask("GET", "/admin/auth/logout", self._some_worker(), headers=headers)
        if answer.is_known and answer.status not in (200, 307):
            self.report.violation(f"logout: {answer.status} {answer.body}")
        if answer.is_known:
            alive.settle(version, by=answer.worker)
            self.report.counts["logouts"] += 1
        else:  # ended or not; the next request that is sure of it says so
            await asyncio.to_thread(self.storage.wait_for_older)
            while not self.stopping:
                seen = await self.ask("GET", "/load/who", headers=headers)
                if seen.status == 200:
                    alive.settle(version, seen.body["name"] is not None)
                    return

    async def _look(self, name: str, headers: dict[str, str], alive: Fact, worker: int | None) -> None:
        kind = random.random()
        if kind < 0.15:
            answer = await self.ask("GET", "/load/who", worker, headers=headers)
            right = {True}
            allowed = answer.status == 200 and answer.body["name"] == name
            what = "to be logged in"
        elif kind < 0.4:
            role = random.choice(list(self.model.roles))
            answer = await self.ask("GET", f"/load/role/{role}", worker, headers=headers)
            right = self.model.has_role(name, role, answer.start, answer.end, worker)
            allowed = answer.status == 200 and answer.body["in"]
            what = f"to have {role}"
        else:
            page = random.choice(list(LISTS))
            answer = await self.ask("POST", f"{LISTS[page]}/list?perPage=5", worker, json={}, headers=headers)
            right = self.model.may_open(name, page, answer.start, answer.end, worker)
            allowed = answer.status == 200 and answer.body.get("status") == 0
            if answer.is_known and not allowed and answer.status not in (401, 403):
                self.report.violation(f"list of {page}: {answer.status} {str(answer.body)[:200]}")
            what = f"to list {page}"
        if not answer.is_known or answer.status == 500:
            return
        tokens = alive.possible(answer.start, answer.end, worker)
        possible = {True for _ in (1,) if True in right and True in tokens} | {
            False for _ in (1,) if False in right or False in tokens
        }
        self.report.counts["decisions"] += 1
        self.report.counts["sure decisions"] += len(possible) == 1
        if len(possible) == 1:
            self.report.counts["allowed" if allowed else "denied"] += 1
        if allowed not in possible:
            how = "wrongly allowed" if allowed else "wrongly denied"
            self.report.violation(f"{name} was {how} {what} by worker {worker}: {self.explain(name, alive, answer)}")

    def explain(self, name: str, alive: Fact, answer: Answer) -> str:
        """What the model knows of a user, with times relative to the request."""

        def since(moment: float | None) -> float | None:
            return None if moment is None else round(moment - answer.start, 3)

        def told(fact: Fact) -> str:
            return str([(_value(each), since(each.begun), since(each.settled), each.by) for each in fact.versions[-3:]])

        user = self.model.users[name]
        roles = {key: told(self.model.roles[key].pages) for key in user.roles.value}
        parts = {"token": told(alive), "pages": told(user.pages), "roles": told(user.roles), "pages of roles": roles}
        return f"took {answer.end - answer.start:.3f} s; {parts}"


def password_of(name: str) -> str:
    """Root's is that of a fresh site; the others' are long enough for one."""
    return name if name == "root" else f"password of {name}"


def _value(version: Version) -> Any:
    return sorted(version.value) if isinstance(version.value, frozenset) else version.value
