"""Whoever asks ``help()`` is told: of each public class, function and method, its arguments and what it raises."""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pydantic
import pytest

import fastapi_user_auth_c

PACKAGE = "fastapi_user_auth_c"

MODULES = [
    "_core",
    ".",
    "site",
    "auth",
    "auth.models",
    "auth.schemas",
    "auth.exceptions",
    "auth.revocations",
    "auth.backends.base",
    "auth.backends.db",
    "auth.backends.jwt",
    "auth.backends.redis",
    "admin",
    "admin.actions",
    "admin.utils",
    "policy",
    "policy.doctor",
    "policy.transfer",
    "policy.watchers",
    "passwords",
    "tokens",
    "filters",
    "row_permissions",
    "field_permissions",
    "settings",
    "throttle",
    "mixins.admin",
    "mixins.models",
    "utils.casbin",
    "utils.sqltypes",
]
"""What is for users: the packages' ``__all__``, and modules that the README or the original's documentation names."""

TAKEN_FOR_GRANTED = {
    "request": "the request that is answered; pages and checks all have it",
    "app": "what a page belongs to; fastapi-amis-admin hands it over",
    "admin": "the page of an action; likewise",
    "args": "whatever the base class takes besides",
    "kwargs": "likewise",
    "sec": "section of Casbin's model, the first letter of the policy type",
    "category": "passlib's, and ignored",
}
"""Arguments that nobody has to be told of, and why."""

OTHER_WORDS = {"db": "database", "m": "model", "params": "rule", "ptype": "type", "sub": "subject"}
"""Short names, and what docstrings may say for them."""

EXCEPTIONS = {
    f"{PACKAGE}.Auth.hash_password": "the PasswordError that it raises becomes the HTTPException that it tells of",
    f"{PACKAGE}.filters.Filter": "compile_filter makes it, and says what of",
    f"{PACKAGE}.row_permissions.Page": "has those attributes of an admin page that permissions look at",
}
"""Of what is public and not documented as the tests below want it, the reason why."""

# --- what there is


def ours(thing: Any) -> bool:
    return str(getattr(thing, "__module__", None)).startswith(PACKAGE)


def exported(module: Any) -> list[str]:
    """What ``__all__`` names, or what the module itself defines."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]


def members(owner: type[Any]) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class that this package wrote, inherited ones included.

    Without the hooks of fastapi-amis-admin: what one of those does, and what it is given, is that library's to say.
    """
    for name in dir(owner):
        home = next((cls for cls in owner.__mro__ if name in vars(cls)), None)
        if name.startswith("_") or home is None or not ours(home):
            continue
        if any(name in vars(cls) for cls in owner.__mro__ if cls.__module__.startswith("fastapi_amis_admin")):
            continue
        member = function_of(inspect.getattr_static(owner, name))
        if inspect.isroutine(member) or isinstance(member, property):
            yield name, member


def function_of(member: Any) -> Any:
    """The function in a static or class method, a cached property or a decorator of pydantic."""
    names = ("__func__", "func", "wrapped")
    return next((getattr(member, name) for name in names if inspect.isroutine(getattr(member, name, None))), member)


@cache
def public() -> dict[str, tuple[Any, str]]:
    """Classes, functions, methods and properties by name, each once, with their docstrings."""
    found: dict[int, tuple[str, Any, str]] = {}
    for module in (import_module(f"{PACKAGE}.{name}".removesuffix("..")) for name in MODULES):
        for key in exported(module):
            thing, name = getattr(module, key), f"{module.__name__}.{key}"
            if key.startswith("_") or not ours(thing) or not (inspect.isclass(thing) or inspect.isroutine(thing)):
                continue
            found.setdefault(id(thing), (name, thing, thing.__doc__ or ""))
            for member_name, member in members(thing) if inspect.isclass(thing) else ():
                doc = inherited_doc(thing, member_name)
                found.setdefault(id(member), (f"{name}.{member_name}", member, doc))
    return {name: (thing, doc) for name, thing, doc in found.values()}


def inherited_doc(owner: type[Any], name: str) -> str:
    """The docstring of a method, or of the one that it overrides."""
    places = (inspect.getattr_static(cls, name) for cls in owner.__mro__ if name in vars(cls))
    return next(filter(None, (function_of(place).__doc__ for place in places)), "")


ALL = sorted(public())


def declares(thing: Any) -> bool:
    """Whether the arguments of a class are its fields, which stand there one by one."""
    return dataclasses.is_dataclass(thing) or issubclass(thing, (pydantic.BaseModel, enum.Enum))


def own_init(thing: Any) -> bool:
    """Whether a class has a constructor of its own."""
    return "__init__" in vars(thing) and not declares(thing) and not getattr(thing, "_is_protocol", False)


# --- what is said of it


def stem(word: str) -> str:
    word = word.lower()
    return word[:-3] + "y" if word.endswith("ies") else word.removesuffix("s")


def is_said(name: str, doc: str) -> bool:
    """Whether a docstring speaks of an argument: by its name, or by the words that it is made of."""
    if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", doc):
        return True
    spoken = {stem(word) for word in re.findall(r"[A-Za-z]+", doc)}
    words = [OTHER_WORDS.get(word, word) for word in name.strip("_").split("_")]
    return all(stem(word) in spoken for word in words)


def arguments(thing: Any) -> list[str]:
    parameters = list(inspect.signature(thing).parameters.values())
    return [parameter.name for parameter in parameters if parameter.name not in ("self", "cls")]


def raised(thing: Any) -> set[str]:
    """Names of the exceptions that the code of a function raises itself; for a class, that of its constructor."""
    if inspect.isclass(thing):
        function = vars(thing).get("__init__") if own_init(thing) else None
    else:
        function = inspect.unwrap(getattr(thing, "fget", thing))
    if not inspect.isfunction(function):
        return set()
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    return {name for name in _raised(tree) if name[:1].isupper()} - {"AssertionError", "NotImplementedError"}


def _raised(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue  # that runs later, if at all
        if isinstance(child, ast.Raise) and child.exc is not None:
            error = child.exc.func if isinstance(child.exc, ast.Call) else child.exc
            yield ast.unparse(error).rpartition(".")[2]
        yield from _raised(child)


# --- the rules


def test_there_is_much_to_look_at() -> None:
    """The lists above name what exists, and the search finds what users call."""
    assert len(ALL) > 300
    for name in ("Auth.requires", "AsyncEnforcer.add_policy", "Enforcer.add_policy", "PasswordHasher.verify"):
        assert f"{PACKAGE}.{name}" in ALL
    for name in ("_core.PolicyEngine.enforce", "tokens.TokenKey", "_core.filter_sql", "utils.casbin.covers"):
        assert f"{PACKAGE}.{name}" in ALL
    assert set(EXCEPTIONS) <= set(ALL)
    for package in ("", ".auth", ".admin", ".policy"):
        assert import_module(PACKAGE + package).__all__


def test_each_has_a_docstring() -> None:
    assert [name for name in ALL if not public()[name][1].strip() and name not in EXCEPTIONS] == []


def test_each_says_what_its_arguments_are() -> None:
    missing = {}
    for name in ALL:
        thing, doc = public()[name]
        if name in EXCEPTIONS or isinstance(thing, property) or (inspect.isclass(thing) and not own_init(thing)):
            continue
        known = doc + (thing.__init__.__doc__ or "") if inspect.isclass(thing) else doc
        unsaid = [arg for arg in arguments(thing) if arg not in TAKEN_FOR_GRANTED and not is_said(arg, known)]
        if unsaid:
            missing[name] = unsaid
    assert missing == {}


def test_each_says_what_it_raises() -> None:
    missing = {}
    for name in ALL:
        thing, doc = public()[name]
        errors = {error for error in raised(thing) if error not in doc}
        if "HTTPException" in errors and re.search(r"\b(HTTP|status) \d{3}", doc):
            errors.remove("HTTPException")
        if errors and name not in EXCEPTIONS:
            missing[name] = errors
    assert missing == {}


def test_fields_are_declared_with_what_they_are() -> None:
    """Of a dataclass: by a docstring after the field, or in that of the class."""
    missing = []
    for name in ALL:
        thing, doc = public()[name]
        if not inspect.isclass(thing) or not dataclasses.is_dataclass(thing) or name in EXCEPTIONS:
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0].body  # type: ignore[attr-defined]
        told = {
            ast.unparse(field.target)
            for field, after in pairwise(body)
            if isinstance(field, ast.AnnAssign)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        }
        fields = [field.name for field in dataclasses.fields(thing) if not field.name.startswith("_")]
        missing += [f"{name}.{field}" for field in fields if field not in told and not is_said(field, doc)]
    assert missing == []


def stub_arguments(name: str) -> list[str]:
    """The arguments of a function, method or class of the extension, as its stub has them."""
    body = ast.parse((Path(fastapi_user_auth_c.__path__[0]) / "_core.pyi").read_text(encoding="utf-8")).body
    node: Any = None
    for part in name.split("."):
        node = next(each for each in body if getattr(each, "name", None) == part)
        body = getattr(node, "body", [])
    if isinstance(node, ast.ClassDef):
        node = next(each for each in body if getattr(each, "name", None) == "__init__")
    args = node.args
    named = [*args.posonlyargs, *args.args, *filter(None, [args.vararg]), *args.kwonlyargs]
    return [each.arg for each in named if each.arg != "self"]


@pytest.mark.parametrize("name", [name for name in ALL if name.startswith(f"{PACKAGE}._core.")])
def test_the_extension_has_signatures_which_are_those_of_its_stub(name: str) -> None:
    thing, _ = public()[name]
    if inspect.isroutine(thing) or not issubclass(thing, BaseException):
        assert arguments(thing) == stub_arguments(name.removeprefix(f"{PACKAGE}._core."))
