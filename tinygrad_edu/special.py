"""Special functions under the names of ``torch.special``: ``tg.special.i0e``, ``tg.special.gammainc``, …

>>> import tinygrad_edu as tg
>>> tg.special.gammaln(tg.tensor([5.0])).exp()  # 4!
tensor([24.])
"""

from __future__ import annotations

from tinygrad_edu.ops.activation import log_softmax, softmax
from tinygrad_edu.ops.elementwise import (
    digamma,
    erf,
    erfc,
    erfinv,
    exp2,
    expm1,
    i0,
    i0e,
    i1,
    i1e,
    log1p,
    logit,
    polygamma,
    round,
    sinc,
    xlogy,
)
from tinygrad_edu.ops.elementwise import digamma as psi
from tinygrad_edu.ops.elementwise import igamma as gammainc
from tinygrad_edu.ops.elementwise import igammac as gammaincc
from tinygrad_edu.ops.elementwise import lgamma as gammaln
from tinygrad_edu.ops.elementwise import mvlgamma as multigammaln
from tinygrad_edu.ops.elementwise import sigmoid as expit
from tinygrad_edu.ops.reduce import logsumexp

__all__ = [
    "digamma",
    "erf",
    "erfc",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammainc",
    "gammaincc",
    "gammaln",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "log1p",
    "log_softmax",
    "logit",
    "logsumexp",
    "multigammaln",
    "polygamma",
    "psi",
    "round",
    "sinc",
    "softmax",
    "xlogy",
]
