"""How costs grow: along the rules, the roles of a user, the depth of roles, and the pages asked for in one call.

    python -m tests.bench.growth [--quick]

Every point is the median of several runs; a power near 0 in the last column says that the size does not matter, one
near 1 that twice as much takes twice as long.  There are no bars here: those are in ``enforce.py``.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastapi_user_auth_c.admin import AuthAdminSite
from fastapi_user_auth_c.admin.utils import get_admin_action_options_by_subject
from fastapi_user_auth_c.utils.casbin import enforce_each

from .enforce import ACTIONS, cold_times, load_of, loaded, policy, requests, warm_times, with_ids
from .report import Options, Result, Series, alone, missing
from .rivals import allows, casbin_engine, cedar_engine

Points = list[tuple[float, float]]
RULES, ROLES, DEPTH, PAGES = "rules", "roles of a user", "depth of roles", "pages"


def by_rules(options: Options) -> Iterator[Result]:
    points: dict[str, Points] = {"asked before": [], "never asked before": [], "load, per rule": []}
    rivals: dict[str, Points] = {"casbin": [], "cedarpy": []}
    for power in range(2, 5 if options.quick else 7):
        size = 10**power
        rows, asked = policy(size), requests(size, 4000)
        loads = [load_of(size)[1] for _ in range(2 if power > 5 or options.quick else 5)]
        points["load, per rule"].append((size, statistics.median(loads) / size))
        engine = loaded(with_ids(rows))
        cold = statistics.median(cold_times(engine.enforce, asked, options.runs))
        points["never asked before"].append((size, cold))
        warm, _ = warm_times(engine, asked[:200], options.runs, 5)
        points["asked before"].append((size, statistics.median(warm)))
        if power > (3 if options.quick else 4):
            continue
        few = asked[: max(3, 5000 // size)]
        try:
            decide = casbin_engine(rows)
            rivals["casbin"].append((size, median_of(decide, few, time.process_time)))
        except ImportError:
            yield missing("casbin", "growth of casbin")
        try:
            made, decide = cedar_engine(allows(rows), ACTIONS[:5])
            rivals["cedarpy"].append((size, median_of(decide, [made(each) for each in few], time.process_time)))
        except ImportError:
            yield missing("cedarpy", "growth of cedarpy")
    for what, found in points.items():
        yield Series(RULES, what if what.startswith("load") else f"`enforce`, {what}", found)
    for rival, found in rivals.items():
        if found:
            yield Series(RULES, rival, found)


def median_of(
    call: Callable[[Any], object], given: Sequence[Any], clock: Callable[[], float] = time.perf_counter
) -> float:
    """Seconds of one call; for long ones a clock that stands still while others have the core is better."""
    taken = []
    for each in given:
        start = clock()
        call(each)
        taken.append(clock() - start)
    return statistics.median(taken)


def by_roles(options: Options) -> Iterator[Result]:
    """Users with so many roles each, out of 500 with 20 rules each."""
    users, roles, pages = 300, 500, 200
    points: Points = []
    for count in (1, 2, 4, 8, 16, 32, 64):
        rng = random.Random(count)
        rows = [("g", f"u:{i}", f"r:{role}") for i in range(users) for role in rng.sample(range(roles), count)]
        rows += [
            ("p", f"r:{role}", f"page{page}", rng.choice(ACTIONS), "page", "allow")
            for role in range(roles)
            for page in rng.sample(range(pages), 20)
        ]
        asked = [(f"u:{rng.randrange(users)}", f"page{i % pages}", ACTIONS[i % 5], "page") for i in range(2000)]
        engine = loaded(with_ids(rows))
        points.append((count, statistics.median(cold_times(engine.enforce, list(dict.fromkeys(asked)), options.runs))))
    yield Series(ROLES, "`enforce`, never asked before", points)


def by_depth(options: Options) -> Iterator[Result]:
    """Users at the bottom of a chain of roles whose top alone has the right, so that every level is looked at."""
    users, pages = 300, 40
    points: Points = []
    for depth in (1, 2, 5, 10, 20, 50):
        rows = [("g", f"u:{i}", "r:0") for i in range(users)]
        rows += [("g", f"r:{i}", f"r:{i + 1}") for i in range(depth - 1)]
        rows += [("p", f"r:{i}", f"other{page}", "page", "page", "deny") for i in range(depth) for page in range(20)]
        rows += [("p", f"r:{depth - 1}", f"page{page}", "page", "page", "allow") for page in range(pages)]
        engine = loaded(with_ids(rows))
        asked = [(f"u:{i % users}", f"page{i % pages}", "page", "page") for i in range(users * pages)]
        asked = random.Random(depth).sample(list(dict.fromkeys(asked)), 500)
        points.append((depth, statistics.median(cold_times(engine.enforce, asked, options.runs))))
        assert all(engine.enforce(*request) for request in asked[:20])
    yield Series(DEPTH, "`enforce`, never asked before", points)


def by_pages(options: Options) -> Iterator[Result]:
    """One user who asks for so many pages in a call: a new one each time, and the same one again."""
    first: Points = []
    again: Points = []
    for power in range(5 if options.quick else 6):
        count, turns = 10**power, max(3, min(200, 20_000 // 10**power))
        rows = [("g", f"u:{i}", f"r:{i % 10}") for i in range(turns)]
        rows += [("p", f"r:{page % 10}", f"page{page}", "page", "page", "allow") for page in range(count)]
        engine = loaded(with_ids(rows))
        asked = [(f"page{page}", "page", "page") for page in range(count)]
        subjects = [f"u:{i}" for i in range(turns)]
        clock = time.process_time if power > 2 else time.perf_counter
        for found, users in ((first, subjects), (again, subjects[:1] * turns)):
            found.append((count, median_of(lambda sub, e=engine, a=asked: enforce_each(e, sub, a), users, clock)))
    yield Series(PAGES, "`enforce_each`, never asked before", first)
    yield Series(PAGES, "`enforce_each`, asked before", again)


def by_tree(options: Options) -> Iterator[Result]:
    """The tree of pages and actions of a site that a new user may use, as the dialog for permissions shows it."""
    # down here it comes after fastapi_user_auth_c, without which it does not load
    from fastapi_amis_admin.admin import PageAdmin
    from fastapi_amis_admin.admin.settings import Settings
    from fastapi_amis_admin.amis import PageSchema

    points: Points = []
    for power in range(3 if options.quick else 5):
        count, turns = 10**power, 3 if power > 2 else 10
        with tempfile.TemporaryDirectory() as folder:
            site = AuthAdminSite(settings=Settings(database_url_async=f"sqlite+aiosqlite:///{folder}/growth.db"))
        for number in range(count):
            body = {"page_schema": PageSchema(label=f"Page {number}"), "page_path": f"/p{number}"}
            site.register_admin(type(f"GrowthPage{number}", (PageAdmin,), body))
        ids = [site.get_admin_or_create(page).unique_id for page in list(site._registered) if page is not None]
        rows = [("g", f"u:{turn}", "r:0") for turn in range(turns)]
        rows += [("p", "r:0", unique_id, "page", "page", "allow") for unique_id in ids[::2]]
        engine = loaded(with_ids(rows))
        subjects = [f"u:{turn}" for turn in range(turns)]
        clock = time.process_time if power > 2 else time.perf_counter
        points.append((len(ids), median_of(lambda s, e=engine, t=site: tree_of(e, s, t), subjects, clock)))
    yield Series(PAGES, "tree of the pages of a site", points)


def tree_of(engine: Any, subject: str, site: Any) -> None:
    assert get_admin_action_options_by_subject(engine, subject, site)


def rows(options: Options) -> Iterator[Result]:
    for part in (by_rules, by_roles, by_depth, by_pages, by_tree):
        yield from part(options)


if __name__ == "__main__":
    sys.exit(alone(rows, __doc__))
