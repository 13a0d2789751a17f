"""All single-token changes of a function's source, one at a time, by kind."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

OPERATORS = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div, "**": ast.Pow}
SYMBOLS = {kind: symbol for symbol, kind in OPERATORS.items()}
SWAPS = {"+": "-*/", "-": "+*/", "*": ("/", "+", "-", "**"), "/": ("*", "+", "-", "**"), "**": ("*", "/")}
CALLS = {
    "sum": ("mean", "max", "prod"),
    "mean": ("sum", "max", "median"),
    "sqrt": ("square", "cbrt"),
    "exp": ("expm1", "exp2"),
    "log": ("log1p", "log2"),
    "tanh": ("arctan", "sinh"),
    "square": ("sqrt",),
    "where": (),
}
ORDER = {ast.Gt: (ast.Lt, ast.GtE), ast.Lt: (ast.Gt, ast.LtE)}


@dataclass(frozen=True)
class Change:
    """One change, not yet applied.

    Attributes:
        kind: What is changed: operator, term, factor, constant, exponent, sign, axis, keepdims, call, name, N,
            epsilon, transpose or order.
        place: Position of the changed node in `ast.walk` of the function.
        which: Number of the change among those of this node.
        old: Source of the node.
        new: Source of what stands in its place.
    """

    kind: str
    place: int
    which: int
    old: str
    new: str


def changes(function: ast.FunctionDef, names: tuple[str, ...]) -> list[Change]:
    """Every change of the body; `names` are those that may stand in place of one another."""
    everything = names + _local(function)
    parents = _parents(function)
    return [
        Change(kind, place, which, ast.unparse(node), ast.unparse(new))
        for place, node in enumerate(ast.walk(function))
        for which, (kind, new) in enumerate(_options(node, _ancestors(parents, node), everything))
    ]


def changed(function: ast.FunctionDef, change: Change, names: tuple[str, ...]) -> ast.FunctionDef:
    """A copy of the function with one change applied."""
    tree = copy.deepcopy(function)
    node = list(ast.walk(tree))[change.place]
    _, new = list(_options(node, _ancestors(_parents(tree), node), names + _local(tree)))[change.which]
    _put(tree, node, new)
    _ask_for(tree, names)
    return ast.fix_missing_locations(tree)


def _options(
    node: ast.AST, ancestors: list[ast.AST], names: tuple[str, ...]
) -> Iterator[tuple[str, ast.expr | ast.cmpop]]:
    """New nodes that may stand in place of one."""
    if any(isinstance(a, ast.arguments | ast.arg) for a in (node, *ancestors)):
        return
    parent = ancestors[0] if ancestors else None
    keyword = next((a.arg for a in ancestors if isinstance(a, ast.keyword)), None)
    if isinstance(node, ast.BinOp):
        yield from _operator(node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield ("exponent" if _is_exponent(node, parent) else "sign"), node.operand
    elif isinstance(node, ast.Constant):
        if keyword == "keepdims":
            yield "keepdims", ast.Constant(not node.value)
        elif keyword == "axis":
            yield from (("axis", ast.Constant(axis)) for axis in (0, 1, 2, 3, None) if axis != node.value)
        elif isinstance(node.value, int | float):
            grandparent = ancestors[1] if len(ancestors) > 1 else None
            power = _is_exponent(node, parent) or (parent is not None and _is_exponent(parent, grandparent))
            for value in dict.fromkeys((node.value + 1, node.value - 1, 2 * node.value, node.value / 2, -node.value)):
                if value != node.value:
                    yield ("exponent" if power else "constant"), _number(value)
    elif isinstance(node, ast.Tuple) and keyword == "axis":
        for i in range(len(node.elts)):
            yield "axis", ast.Tuple([*node.elts[:i], *node.elts[i + 1 :]], ast.Load())
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        for name in CALLS.get(node.func.attr, ()):
            yield "call", ast.Call(ast.Attribute(node.func.value, name, ast.Load()), node.args, node.keywords)
        if node.func.attr in CALLS and node.args:
            yield "call", node.args[-1]
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transpose", node.value
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in ORDER:
        for other in ORDER[type(node.ops[0])]:
            yield "order", ast.Compare(node.left, [other()], node.comparators)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        if node.id == "N":
            for off in (ast.Sub(), ast.Add()):
                yield "N", ast.BinOp(node, off, ast.Constant(1))
        elif node.id in names:
            for name in names:
                if name != node.id:
                    yield ("epsilon" if node.id == "eps" else "name"), ast.Name(name, ast.Load())
    if isinstance(parent, ast.Return) and isinstance(node, ast.expr):
        yield "sign", ast.UnaryOp(ast.USub(), node)


def _operator(node: ast.BinOp) -> Iterator[tuple[str, ast.expr]]:
    left, right = node.left, node.right
    if isinstance(node.op, ast.MatMult):
        yield "operator", ast.BinOp(right, node.op, left)
        yield "operator", ast.BinOp(left, ast.Mult(), right)
        return
    symbol = SYMBOLS[type(node.op)]
    for other in SWAPS[symbol]:
        yield "operator", ast.BinOp(left, OPERATORS[other](), right)
    epsilon = any(isinstance(n, ast.Name) and n.id == "eps" for n in (left, right))
    kind = "epsilon" if epsilon and symbol in "+-" else "term" if symbol in "+-" else "factor"
    yield ("exponent" if symbol == "**" else kind), left
    if symbol in ("+", "*"):
        yield kind, right
    elif symbol == "-":
        yield kind, ast.UnaryOp(ast.USub(), right)
        yield "order", ast.BinOp(right, node.op, left)
    elif symbol == "/":
        yield "order", ast.BinOp(right, node.op, left)


def _is_exponent(node: ast.AST, parent: ast.AST | None) -> bool:
    return isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Pow) and parent.right is node


def _number(value: float) -> ast.expr:
    return ast.UnaryOp(ast.USub(), ast.Constant(-value)) if value < 0 else ast.Constant(value)


def _local(function: ast.FunctionDef) -> tuple[str, ...]:
    targets = [t for s in function.body if isinstance(s, ast.Assign) for t in s.targets]
    return tuple(dict.fromkeys(t.id for t in targets if isinstance(t, ast.Name)))


def _parents(tree: ast.AST) -> dict[int, ast.AST]:
    return {id(child): parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}


def _ancestors(parents: dict[int, ast.AST], node: ast.AST) -> list[ast.AST]:
    """From the parent upwards."""
    found: list[ast.AST] = []
    while id(node) in parents:
        node = parents[id(node)]
        found.append(node)
    return found


def _put(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, field, new)
                return
            if isinstance(value, list) and any(item is old for item in value):
                value[[item is old for item in value].index(True)] = new
                return


def _ask_for(tree: ast.FunctionDef, names: tuple[str, ...]) -> None:
    """A claim has to ask for every name that it uses."""
    asked = {a.arg for a in tree.args.args}
    used = {n.id for s in tree.body for n in ast.walk(s) if isinstance(n, ast.Name)}
    stored = {n.id for s in tree.body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    tree.args.args += [ast.arg(name) for name in names if name in used - asked - stored]
