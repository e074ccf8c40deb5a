"""Terms of the user's own: functions of a training step, added to the total loss (Eq. 13)."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor

from dmrnet.objectives.term import Step, Term

TermFunction = Callable[[Step], Tensor]
"""Function from a training step to a scalar."""


class FunctionTerm(Term):
    """A term that a function computes.

    Args:
        function: Function from a `Step` to a scalar; its name is that of the term.
        weight: Weight of the term.
        name: Another name.

    Raises:
        TypeError: Raised by `forward` if it returns anything but a scalar of a floating type.
    """

    def __init__(
        self, function: TermFunction, weight: float = 1.0, name: str | None = None
    ) -> None:
        super().__init__(name or name_of_function(function), weight)
        # In a tuple, so that a function that is a module is no part of this one.
        self._function = (function,)
        self._warned = False

    def forward(self, step: Step) -> Tensor:
        """Return what the function returns, once it is checked."""
        value: object = self._function[0](step)
        if not (isinstance(value, Tensor) and value.shape == () and value.is_floating_point()):
            got = type(value).__name__
            if isinstance(value, Tensor):
                got = f"{value.dtype} of shape {tuple(value.shape)}"
            raise TypeError(
                f"the term {self.name}: expected a scalar tensor of a floating type, such as "
                f"values.mean(), got {got}"
            )
        if torch.is_grad_enabled() and not value.requires_grad and not self._warned:
            self._warned = True
            warnings.warn(
                f"the term {self.name} has no gradient, so it trains nothing; compute it from "
                "step.out, step.rep or step.feats without detach()",
                stacklevel=2,
            )
        return value


def own_terms(terms: Iterable[Term | TermFunction]) -> list[Term]:
    """Return terms of what the user gave: terms, or functions from a `Step` to a scalar.

    Functions of one name, such as several lambdas, are numbered: ``term``, ``term-2``.

    Raises:
        TypeError: If one is neither.
        ValueError: If a term has parameters, since those are of a method.
    """
    if callable(terms) or not isinstance(terms, Iterable):
        raise TypeError(f"expected terms as a list, such as [term], got {type(terms).__name__}")
    checked: list[Term] = []
    same: Counter[str] = Counter()
    for term in terms:
        if isinstance(term, Term):
            if term.state_dict():
                raise ValueError(
                    f"the term {term.name} has parameters or buffers of its own; give a method "
                    "that has this term, as a function from a task to a Method"
                )
            checked.append(term)
        elif callable(term):
            name = name_of_function(term)
            same[name] += 1
            checked.append(
                FunctionTerm(term, name=f"{name}-{same[name]}" if same[name] > 1 else name)
            )
        else:
            raise TypeError(
                "expected each of terms as a function from a Step to a scalar, or a Term, got "
                f"{type(term).__name__}"
            )
    return checked


def name_of_function(function: object) -> str:
    """Return the name of a function or callable object; ``term`` of a lambda."""
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__name__", type(function).__name__)
    return "term" if name == "<lambda>" else str(name)
