"""From the text of an expression to its tree. Nothing is evaluated: unknown functions are found later."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from services.etl.columns import ColumnType, ColumnTypeUnknown
from services.etl.pipeline.expression_tokens import Token, tokens
from services.etl.pipeline.expression_tree import (
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_NODES,
    Call,
    Constant,
    Conversion,
    Name,
    Node,
    Wrong,
)

_PRECEDENCE: Final[Mapping[str, int]] = {
    "or": 1, "and": 2,
    "=": 4, "<>": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4,
    "is": 4, "in": 4, "between": 4, "like": 4, "not": 4,
    "||": 5, "+": 6, "-": 6, "*": 7, "/": 7, "%": 7,
}  # fmt: skip
"""How tightly operators between two operands bind; `not` stands for not in, not like, not between."""
_NOT: Final = 3
_COMPARED: Final = 5
_CONSTANTS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None}
RESERVED: Final = frozenset(
    [
        "and",
        "or",
        "not",
        "is",
        "null",
        "in",
        "between",
        "like",
        "case",
        "when",
        "then",
        "else",
        "end",
        "cast",
        "try_cast",
        "as",
        "true",
        "false",
        "from",
    ]
)
"""Words that are no names of columns unless they are quoted."""


def parse(text: str) -> Node:
    """The tree of an expression. Raises Wrong with the offset of what can't be read or is too much."""
    if len(text) > MAX_LENGTH:
        raise Wrong(MAX_LENGTH, f"it is longer than {MAX_LENGTH} characters")
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(tokens(text))
        self._next = 0
        self._nodes = 0
        self._level = 0
        self._depths: dict[int, int] = {}
        self._kept: list[Node] = []

    def whole(self) -> Node:
        node = self._expression()
        if self._token.kind != "end":
            raise Wrong(self._token.at, f"an operator is missing before {self._token.text!r}")
        return node

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._token
        self._next += token.kind != "end"
        return token

    def _taken(self, *wanted: str) -> bool:
        found = self._token.lowered in wanted
        self._next += found
        return found

    def _expect(self, wanted: str) -> None:
        if not self._taken(wanted):
            found = repr(self._token.text) if self._token.kind != "end" else "the end"
            raise Wrong(self._token.at, f"{wanted!r} is expected here, not {found}")

    def _made(self, node: Node) -> Node:
        """Count a node. Long chains such as a + b + c lean to the left and are as deep as they are long."""
        below: tuple[Node, ...] = ()
        if isinstance(node, Call):
            below = node.arguments
        elif isinstance(node, Conversion):
            below = (node.argument,)
        self._nodes += 1
        depth = 1 + max((self._depths[id(child)] for child in below), default=0)
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise Wrong(node.at, f"at most {MAX_NODES} parts in {MAX_DEPTH} levels")
        self._depths[id(node)] = depth
        self._kept.append(node)
        return node

    def _call(self, at: int, function: str, *arguments: Node) -> Node:
        return self._made(Call(function, arguments, at))

    def _expression(self, least: int = 0) -> Node:
        self._level += 1
        if self._level > MAX_DEPTH:
            raise Wrong(self._token.at, f"at most {MAX_DEPTH} levels")
        left = self._operand(least)
        while (binds := _PRECEDENCE.get(self._token.lowered, 0)) > least:
            left = self._operation(left, self._take(), binds)
        self._level -= 1
        return left

    def _operation(self, left: Node, operator: Token, binds: int) -> Node:
        sign = operator.lowered
        if sign in {"is", "in", "between", "like", "not"}:
            return self._predicate(left, operator)
        right = self._expression(binds)
        return self._call(operator.at, "<>" if sign == "!=" else sign, left, right)

    def _predicate(self, left: Node, operator: Token) -> Node:
        at, sign = operator.at, operator.lowered
        if sign == "is":
            negated = self._taken("not")
            self._expect("null")
            return self._call(at, "is not null" if negated else "is null", left)
        negated = sign == "not"
        if negated:
            sign = self._token.lowered
            if not self._taken("in", "like", "between"):
                raise Wrong(self._token.at, "'in', 'like' or 'between' is expected behind 'not'")
        node = self._predicates[sign](self, left, at)
        return self._call(at, "not", node) if negated else node

    def _in(self, left: Node, at: int) -> Node:
        self._expect("(")
        return self._call(at, "in", left, *self._arguments())

    def _like(self, left: Node, at: int) -> Node:
        return self._call(at, "like", left, self._expression(_COMPARED - 1))

    def _between(self, left: Node, at: int) -> Node:
        low = self._expression(_COMPARED - 1)
        self._expect("and")
        high = self._expression(_COMPARED - 1)
        return self._call(at, "and", self._call(at, ">=", left, low), self._call(at, "<=", left, high))

    _predicates: Final[Mapping[str, Callable[["_Parser", Node, int], Node]]] = {
        "in": _in,
        "like": _like,
        "between": _between,
    }

    def _operand(self, least: int) -> Node:
        token = self._take()
        if token.kind in _LEAVES:
            return self._made(_LEAVES[token.kind](token))
        if token.lowered == "(":
            inside = self._expression()
            self._expect(")")
            return inside
        if token.lowered in {"-", "+"}:
            return self._signed(token)
        if token.lowered == "not" and least < _NOT:
            return self._call(token.at, "not", self._expression(_NOT))
        if token.kind == "word":
            return self._worded(token)
        raise Wrong(
            token.at, "a value is missing here" if token.kind == "end" else f"{token.text!r} is no value"
        )

    def _signed(self, sign: Token) -> Node:
        operand = self._expression(max(_PRECEDENCE.values()))
        if sign.lowered == "+":
            return self._call(sign.at, "plus", operand)
        number = operand.value if isinstance(operand, Constant) else None
        if isinstance(number, int | float | Decimal) and not isinstance(number, bool):
            return self._made(
                Constant(number.copy_negate() if isinstance(number, Decimal) else -number, sign.at)
            )
        return self._call(sign.at, "minus", operand)

    def _worded(self, token: Token) -> Node:
        word = token.lowered
        if word in _CONSTANTS:
            return self._made(Constant(_CONSTANTS[word], token.at))
        if word == "case":
            return self._case(token)
        if word in {"cast", "try_cast"}:
            return self._cast(token)
        if word in RESERVED:
            raise Wrong(
                token.at, f"{token.text!r} is no value; a column of this name is written in double quotes"
            )
        if not self._taken("("):
            return self._made(Name(token.text, token.at))
        if word == "extract":
            return self._extract(token)
        return self._function(word, token.at)

    def _function(self, word: str, at: int) -> Node:
        arguments = [] if self._taken(")") else self._arguments()
        if word != "if":
            return self._call(at, word, *arguments)
        if len(arguments) != 3:  # noqa: PLR2004  a condition and two values
            raise Wrong(at, "if takes a condition and two values")
        return self._call(at, "case", *arguments)

    def _arguments(self) -> list[Node]:
        """What stands between commas, to the closing bracket."""
        found = [self._expression()]
        while self._taken(","):
            found.append(self._expression())
        self._expect(")")
        return found

    def _extract(self, token: Token) -> Node:
        unit = self._take()
        if not self._taken(","):
            self._expect("from")
        value = self._expression()
        self._expect(")")
        return self._call(token.at, "extract", self._made(Constant(unit.text.lower(), unit.at)), value)

    def _case(self, token: Token) -> Node:
        subject = None if self._token.lowered == "when" else self._expression()
        parts: list[Node] = []
        while self._taken("when"):
            condition = self._expression()
            if subject is not None:
                condition = self._call(condition.at, "=", subject, condition)
            self._expect("then")
            parts += [condition, self._expression()]
        if not parts:
            raise Wrong(self._token.at, "'when' is expected here")
        otherwise = self._expression() if self._taken("else") else self._made(Constant(None, token.at))
        self._expect("end")
        return self._call(token.at, "case", *parts, otherwise)

    def _cast(self, token: Token) -> Node:
        self._expect("(")
        value = self._expression()
        self._expect("as")
        start = self._token.at
        self._take()
        if self._taken("("):
            while self._token.kind == "number" or self._token.lowered == ",":
                self._take()
            self._expect(")")
        end = self._token.at
        self._expect(")")
        try:
            wanted = ColumnType.parse(self._text[start:end].strip())
        except ColumnTypeUnknown as error:
            raise Wrong(start, str(error).rstrip(".")) from None
        return self._made(Conversion(value, wanted, token.lowered == "try_cast", token.at))


def _number(token: Token) -> Constant:
    text = token.text
    if "e" in text.lower():
        number = float(text)
        if number in {float("inf"), float("-inf")}:
            raise Wrong(token.at, "this number is too large")
        return Constant(number, token.at)
    if len(text.replace(".", "").lstrip("0")) > 38:  # noqa: PLR2004  what the widest decimal holds
        raise Wrong(token.at, "a number has at most 38 digits")
    return Constant(Decimal(text) if "." in text else int(text), token.at)


_LEAVES: Final[Mapping[str, Callable[[Token], Node]]] = {
    "number": _number,
    "text": lambda token: Constant(token.text, token.at),
    "name": lambda token: Name(token.text, token.at),
}
