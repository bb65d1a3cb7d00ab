"""From logits to the next token: what may be drawn, and the draw itself.

Every function takes logits (…, V) and returns logits of the same shape, in which -inf means never, so that they can be
put one behind the other; `sample` draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tinygrad_edu.nn.functional as F
from tinygrad_edu.creation import tensor
from tinygrad_edu.errors import describe
from tinygrad_edu.generator import Generator
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.ops._types import demand
from tinygrad_edu.random import multinomial
from tinygrad_edu.tensor import Tensor

__all__ = ["apply_temperature", "ban_tokens", "keep_top_k", "keep_top_p", "penalize_repeats", "sample"]


def _check_logits(name: str, logits: Any) -> None:
    """Raise unless there is a logit for each token of some vocabulary."""
    if not isinstance(logits, Tensor) or not logits.dim() or not logits.is_floating_point() or not logits.shape[-1]:
        raise TypeError(f"{name}: expected floating-point logits of shape (..., V), got {describe(logits)}")


def check_count(name: str, what: str, value: Any) -> None:
    """Raise unless a value is an integer from 0 up."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name}: {what} must be an integer of at least 0, got {value!r}")


def check_temperature(name: str, temperature: float) -> None:
    """Raise unless a temperature is a finite number from 0 up."""
    if isinstance(temperature, bool) or not isinstance(temperature, (int, float)) or not 0 <= temperature < math.inf:
        raise ValueError(f"{name}: temperature must be a finite number of at least 0, got {temperature!r}")


def check_top_k(name: str, k: int) -> None:
    """Raise unless `k` counts tokens."""
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ValueError(f"{name}: top_k must be a positive integer, got {k!r}")


def check_top_p(name: str, p: float) -> None:
    """Raise unless `p` is a probability above 0."""
    if isinstance(p, bool) or not isinstance(p, (int, float)) or not 0 < p <= 1:
        raise ValueError(f"{name}: top_p must be a probability above 0 and at most 1, got {p!r}")


def check_penalty(name: str, penalty: float) -> None:
    """Raise unless a penalty of repetition is a finite number above 0."""
    if isinstance(penalty, bool) or not isinstance(penalty, (int, float)) or not 0 < penalty < math.inf:
        raise ValueError(f"{name}: repetition_penalty must be a finite number above 0, got {penalty!r}")


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Divide by a temperature: below 1 the likely becomes likelier, above 1 all become more alike.

    The largest logit is moved to 0 first, which changes no probability and keeps a low temperature from overflowing.

    Parameters
    ----------
    logits : Tensor, (…, V)
    temperature : float
        Above 0.

    Raises
    ------
    ValueError
        When the temperature is 0 (greedy, which `sample` knows) or below, or not finite.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models.sampling import apply_temperature
    >>> apply_temperature(tg.tensor([1.0, 3.0, 2.0]), 0.5)
    tensor([-4.,  0., -2.])
    """
    _check_logits("apply_temperature", logits)
    check_temperature("apply_temperature", temperature)
    if not temperature:
        raise ValueError("apply_temperature: nothing can be divided by a temperature of 0; take the largest logit")
    behind = (logits - logits.amax(-1, keepdim=True)).double()  # where the smallest temperature is not 0
    return (behind / temperature).to(logits.dtype)


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the `k` largest logits and put the others to -inf; of equal ones at the limit the first tokens stay.

    Source: Fan, Lewis and Dauphin, Hierarchical neural story generation, ACL 2018.

    Parameters
    ----------
    logits : Tensor, (…, V)
    k : int
        How many tokens may be drawn; all where there are fewer.

    Raises
    ------
    ValueError
        When `k` is not a positive integer.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models.sampling import keep_top_k
    >>> keep_top_k(tg.tensor([1.0, 3.0, 2.0]), 2)
    tensor([-inf,   3.,   2.])
    """
    _check_logits("keep_top_k", logits)
    check_top_k("keep_top_k", k)
    if k >= logits.shape[-1]:
        return logits
    smallest = logits.topk(k).values[..., -1:]
    above, level = logits > smallest, logits == smallest
    room = k - above.sum(-1, keepdim=True)
    return logits.masked_fill(~(above | (level & (level.cumsum(-1) <= room))), -math.inf)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the nucleus, the fewest tokens whose probabilities add up to `p` at least, and put the others to -inf.

    Source: Holtzman et al., The curious case of neural text degeneration, ICLR 2020.

    Parameters
    ----------
    logits : Tensor, (…, V)
    p : float
        Above 0 and at most 1. The likeliest token always stays; of equal ones the first do.

    Raises
    ------
    ValueError
        When `p` is no such probability.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models.sampling import keep_top_p
    >>> keep_top_p(tg.tensor([0.2, 0.5, 0.3]).log(), 0.75).exp()
    tensor([0.0000, 0.5000, 0.3000])
    """
    _check_logits("keep_top_p", logits)
    check_top_p("keep_top_p", p)
    if p == 1:
        return logits
    order = logits.argsort(-1, descending=True, stable=True)
    likely = F.softmax(logits.double().gather(-1, order), -1)
    before = likely.cumsum(-1) - likely  # the probability of all that are likelier
    kept = (before < p).logical_or(order == order[..., :1])
    return logits.masked_fill(~kept.gather(-1, order.argsort(-1)), -math.inf)


def penalize_repeats(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Make tokens that occurred less likely: positive logits are divided by the penalty, negative ones multiplied.

    Source: Keskar et al., CTRL: a conditional Transformer language model for controllable generation, 2019.

    Parameters
    ----------
    logits : Tensor, (…, V)
    seen : Tensor of bool, (…, V)
        Which tokens occurred.
    penalty : float
        Above 1 to discourage, below to encourage; 1 changes nothing.

    Raises
    ------
    ValueError
        When the penalty is not a finite number above 0, or `seen` is no mask of this shape.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models.sampling import penalize_repeats
    >>> penalize_repeats(tg.tensor([2.0, 2.0, -1.0]), tg.tensor([True, False, True]), 2.0)
    tensor([ 1.,  2., -2.])
    """
    _check_logits("penalize_repeats", logits)
    check_penalty("penalize_repeats", penalty)
    if not isinstance(seen, Tensor) or seen.dtype.name != "bool" or seen.shape != logits.shape:
        raise ValueError(f"penalize_repeats: seen must be bool{list(logits.shape)}, got {describe(seen)}")
    return logits.where(~seen, (logits / penalty).where(logits > 0, logits * penalty))


def ban_tokens(logits: Tensor, tokens: Sequence[int]) -> Tensor:
    """Put the logits of some tokens to -inf.

    Raises
    ------
    IndexError
        When a token is not in the vocabulary.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models.sampling import ban_tokens
    >>> ban_tokens(tg.tensor([2.0, 1.0, 0.0]), [0, 2])
    tensor([-inf,   1., -inf])
    """
    _check_logits("ban_tokens", logits)
    size = logits.shape[-1]
    for token in tokens:
        if not 0 <= token < size:
            raise IndexError(f"ban_tokens: token {token} is not in a vocabulary of {size}")
    if not tokens:
        return logits
    return logits.index_fill(-1, tensor(list(tokens), dtype="int64", device=logits.device), -math.inf)


def sample(
    logits: Tensor,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Draw a token for each row from softmax(logits / temperature), among the `top_k` and then the nucleus `top_p`.

    Parameters
    ----------
    logits : Tensor, (N, V) or (V,)
    temperature : float, default 1
        0 takes the likeliest token, the first of equal ones.
    top_k, top_p : optional
        See `keep_top_k` and `keep_top_p`.
    generator : Generator, optional
        Where chance comes from; by default the device's own generator.

    Returns
    -------
    Tensor of int64, (N,) or ()

    Raises
    ------
    ValueError
        When an argument is out of its range, a logit is NaN or +inf, or all logits of a row are -inf.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu.models import sample
    >>> logits = tg.tensor([[0.0, 2.0, 1.0]]).expand(1000, 3)
    >>> drawn = sample(logits, top_k=2, generator=tg.Generator().manual_seed(0))
    >>> drawn.bincount(minlength=3) / 1000  # softmax of (2, 1) is (0.731, 0.269)
    tensor([0.0000, 0.7330, 0.2670])
    """
    _check_logits("sample", logits)
    check_temperature("sample", temperature)
    if logits.dim() > 2:
        raise ValueError(f"sample: logits must have shape (N, V) or (V,), got {tuple(logits.shape)}")
    with no_grad():
        largest = logits.amax(-1, keepdim=True)
        demand((logits < math.inf) & (largest > -math.inf), "sample: logits must be below inf, and not -inf for all")
        if not temperature:
            return logits.argmax(-1)
        logits = apply_temperature(logits, temperature)
        if top_k is not None:
            logits = keep_top_k(logits, top_k)
        if top_p is not None:
            logits = keep_top_p(logits, top_p)
        return multinomial(F.softmax(logits, -1), 1, generator=generator).squeeze(-1)
