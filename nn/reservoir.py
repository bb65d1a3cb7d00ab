"""Echo-state networks: a recurrent network that is drawn and left as it is, and a read-out that is trained."""

from __future__ import annotations

from typing import Any

from tinygrad_edu import linalg
from tinygrad_edu.creation import eye
from tinygrad_edu.errors import describe
from tinygrad_edu.grad_mode import no_grad
from tinygrad_edu.nn import init
from tinygrad_edu.nn.linear import Linear
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.more_cells import LeakyRNNCell
from tinygrad_edu.nn.recurrence import unroll
from tinygrad_edu.tensor import Tensor

__all__ = ["EchoState", "ridge_regression"]


def ridge_regression(x: Tensor, y: Tensor, penalty: float = 1e-6) -> tuple[Tensor, Tensor]:
    """The linear map with the least Σ ‖x W ᵀ + b - y‖² + penalty ‖W‖², in closed form.

    With x and y less their means, W = yᵀ x (xᵀ x + penalty I)⁻¹, computed in double precision.

    Parameters
    ----------
    x : Tensor, (samples, I)
    y : Tensor, (samples, O)
    penalty : float, default 1e-6
        Not on b.

    Returns
    -------
    weight : Tensor, (O, I)
    bias : Tensor, (O,)

    Raises
    ------
    ValueError
        For x and y that are no matrices with the same number of rows, and a negative penalty.
    LinAlgError
        Without a penalty, when the samples don't determine W.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> x = tg.tensor([[0.0], [1.0], [2.0]])
    >>> weight, bias = nn.ridge_regression(x, 3 * x + 1, penalty=0)
    >>> weight.item(), bias.item()
    (3.0, 1.0)
    """
    if x.dim() != 2 or y.dim() != 2 or x.shape[0] != y.shape[0] or not x.shape[0]:
        raise ValueError(
            f"ridge_regression: expected x (samples, I) and y (samples, O), got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    if penalty < 0:
        raise ValueError(f"ridge_regression: penalty must not be negative, got {penalty}")
    wide_x, wide_y = x.double(), y.double()
    mean_x, mean_y = wide_x.mean(0), wide_y.mean(0)
    wide_x, wide_y = wide_x - mean_x, wide_y - mean_y
    gram = wide_x.mT @ wide_x + penalty * eye(x.shape[1], dtype=wide_x.dtype, device=x.device)
    weight = linalg.solve(gram, wide_x.mT @ wide_y).mT
    return weight.to(y.dtype), (mean_y - weight @ mean_x).to(y.dtype)


class EchoState(Module):
    """An echo-state network: a fixed random reservoir of leaky units, and a trained linear read-out.

    hₜ = (1 - α) hₜ₋₁ + α tanh(W_ih xₜ + b + W_hh hₜ₋₁), yₜ = W hₜ + b_y.

    The spectral radius of W_hh decides for how long the states remember: below 1 the state forgets where it started, slowly near to
    1. W and b_y alone are trained: in closed form by :meth:`fit`, or by any optimizer, for which the read-out alone has gradients.

    Sources: Jaeger, The "echo state" approach to analysing and training recurrent neural networks (2001); Lukoševičius, A practical
    guide to applying echo state networks (2012).

    Parameters
    ----------
    input_size, reservoir_size, output_size : int
        I, H and O.
    spectral_radius : float, default 0.9
    leak : float or Tensor (H,), default 1.0
        α.
    input_scale : float, default 1.0
        W_ih and b are drawn from U(-input_scale, input_scale).
    density : float, default 1.0
        The share of elements of W_hh that are not zero.
    batch_first : bool, default False
        Whether sequences come and go as (N, T, …) instead of (T, N, …).

    Attributes
    ----------
    cell : LeakyRNNCell
        The reservoir, without gradients.
    readout : Linear

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> _ = tg.manual_seed(0)
    >>> wave = tg.arange(400.0).mul(0.2).sin().reshape(-1, 1, 1)
    >>> net = nn.EchoState(1, 100, 1)
    >>> state = net.fit(wave[:300], wave[1:301], washout=50)
    >>> y, _ = net(wave[300:-1], state)
    >>> (y - wave[301:]).abs().max().item() < 0.01
    True
    """

    def __init__(
        self,
        input_size: int,
        reservoir_size: int,
        output_size: int,
        spectral_radius: float = 0.9,
        leak: float | Tensor = 1.0,
        input_scale: float = 1.0,
        density: float = 1.0,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.spectral_radius, self.input_scale, self.density = spectral_radius, input_scale, density
        self.batch_first = batch_first
        self.cell = LeakyRNNCell(input_size, reservoir_size, leak, device=device, dtype=dtype).requires_grad_(False)
        self.readout = Linear(reservoir_size, output_size, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the reservoir and the read-out anew."""
        for name, parameter in self.cell.named_parameters():
            bound = 0.0 if name == "bias_hh" else self.input_scale  # one bias is enough
            init.uniform_(parameter, -bound, bound)
        init.spectral_radius_(self.cell.weight_hh, self.spectral_radius, self.density)
        self.readout.reset_parameters()

    def forward(self, input: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Sequences (T, N, I) and a state (N, H), zeros where it is left out, to outputs (T, N, O) and the last state."""
        states, last = self.states(input, state)
        return self.readout(states), last

    def states(self, input: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The states of the reservoir, (T, N, H) in the layout of the input, and the last one, (N, H)."""
        size = self.cell.input_size
        if not isinstance(input, Tensor) or input.dim() != 3 or input.shape[-1] != size:
            raise ValueError(f"EchoState: expected sequences of shape (…, …, {size}), got {describe(input)}")
        out, last = unroll(self.cell, input.transpose(0, 1) if self.batch_first else input, state)
        return out.transpose(0, 1) if self.batch_first else out, last

    @no_grad()
    def fit(
        self, input: Tensor, target: Tensor, penalty: float = 1e-6, washout: int = 0, state: Tensor | None = None
    ) -> Tensor:
        """Set the read-out to the best one by :func:`ridge_regression`, and return the state after the last step.

        Parameters
        ----------
        input : Tensor, (T, N, I)
        target : Tensor, (T, N, O)
        penalty : float, default 1e-6
        washout : int, default 0
            The first steps, in which the state still remembers where it started, are left out.
        state : Tensor, (N, H), optional

        Raises
        ------
        ValueError
            For a target of another shape, and when no step is left.
        """
        states, last = self.states(input, state)
        if target.dim() != 3 or target.shape[:2] != input.shape[:2]:
            raise ValueError(
                f"EchoState.fit: expected a target for each step of {tuple(input.shape)}, got {tuple(target.shape)}"
            )
        if self.batch_first:
            states, target = states.transpose(0, 1), target.transpose(0, 1)
        if not 0 <= washout < states.shape[0]:
            raise ValueError(f"EchoState.fit: washout must leave some of {states.shape[0]} steps, got {washout}")
        weight, bias = ridge_regression(states[washout:].flatten(0, 1), target[washout:].flatten(0, 1), penalty)
        self.readout.load_state_dict({"weight": weight, "bias": bias})
        return last

    def extra_repr(self) -> str:
        return f"spectral_radius={self.spectral_radius}"
