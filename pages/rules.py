"""The rules between settings as their messages, read from the code that checks them, so that no rule goes without its line.

A value that only a run knows is `…`, a name that only a run knows `<name>`.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel


def of_model(model: type[BaseModel]) -> list[str]:
    """What the validators of one model refuse."""
    validators = [found.func for found in model.__pydantic_decorators__.model_validators.values()]
    return [line for validator in validators for line in messages(validator)]


def messages(rule: Callable[..., Any]) -> list[str]:
    """Every message that a function raises as ValueError or yields, in the order of the code."""
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(rule)))
    said = [found for node in ast.walk(ast.parse(source)) if (found := _said(node)) is not None]
    return [text for node in sorted(said, key=lambda node: node.lineno) for text in _texts(node)]


def _said(node: ast.AST) -> ast.expr | None:
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and getattr(node.exc.func, "id", "") == "ValueError":
        return node.exc.args[0]
    return node.value if isinstance(node, ast.Yield) else None


def _texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(_part(part) for part in node.values)


def _part(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    known = node.value if isinstance(node, ast.FormattedValue) else node
    return f"<{known.id}>" if isinstance(known, ast.Name) and known.id.islower() else "…"
