"""Which devices or jobs a condition can be true of, where it names them: then nothing else has to be read."""

from __future__ import annotations

from hotori.hub.query.syntax import Binary, Constant, Expression, Member, Path


def named(condition: Expression | None, member: str) -> frozenset[str] | None:
    """The only texts that a member of a wanted row can be; None where the condition does not say so."""
    match condition:
        case Binary("and", left, right):
            return _both(named(left, member), named(right, member))
        case Binary("or", left, right):
            one, other = named(left, member), named(right, member)
            return None if one is None or other is None else one | other
        case Binary("=", path, Constant(value)) | Binary("=", Constant(value), path) if path == Path((member,)):
            return frozenset([value]) if isinstance(value, str) else frozenset()
        case Member(operand, options, False) if operand == Path((member,)):
            return frozenset(option for option in options if isinstance(option, str))
        case _:
            return None


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other
