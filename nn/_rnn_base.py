"""What RNN, LSTM and GRU share: parameters, layers, directions, packed sequences, and the checks of what comes in."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from tinygrad_edu import _state
from tinygrad_edu.creation import empty, zeros
from tinygrad_edu.errors import describe
from tinygrad_edu.nn import functional as F
from tinygrad_edu.nn import init
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.parameter import Parameter
from tinygrad_edu.nn.utils.rnn import PackedSequence
from tinygrad_edu.ops._casting import single
from tinygrad_edu.ops.gather import index_select
from tinygrad_edu.ops.joining import cat, stack
from tinygrad_edu.ops.rearrange import flip
from tinygrad_edu.ops.recurrent import gru, lstm, lstm_projected, rnn_relu, rnn_tanh
from tinygrad_edu.tensor import Tensor

__all__ = ["RNNBase"]

# Each mode's function for one layer in one direction, and the number of gates that it stacks in its weights.
_MODES: dict[str, tuple[Any, int]] = {
    "RNN_TANH": (rnn_tanh, 1),
    "RNN_RELU": (rnn_relu, 1),
    "LSTM": (lstm, 4),
    "GRU": (gru, 3),
}


class RNNBase(Module):
    """What recurrent layers share: parameters, layers, directions, and the checks of what comes in.

    Parameters
    ----------
    mode : "RNN_TANH", "RNN_RELU", "LSTM" or "GRU"
    input_size, hidden_size : int
        I and H.
    num_layers : int, default 1
        L; each layer reads the outputs of the one before.
    bias : bool, default True
    batch_first : bool, default False
        Whether sequences come and go as (N, T, …) instead of (T, N, …); states are not concerned.
    dropout : float, default 0.0
        Probability of dropping elements of the outputs between layers, while training.
    bidirectional : bool, default False
        Whether a second set of weights reads the sequence backwards.
    proj_size : int, default 0
        The size P < H to which an LSTM projects its outputs; 0 for none.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    between : Module, optional
        Another kind of dropout between layers, such as `VariationalDropout`: it maps the outputs of each layer but the last, in
        place of `dropout`.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = self._get_name()
        if mode not in _MODES:
            raise ValueError(f"{name}: mode must be one of {', '.join(_MODES)}, got {mode!r}")
        for what, value in (("input_size", input_size), ("hidden_size", hidden_size), ("num_layers", num_layers)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name}: {what} must be an integer, got {value!r}")
            if value < 1:
                raise ValueError(f"{name}: {what} must be at least 1, got {value}")
        if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
            raise ValueError(f"{name}: dropout must be a probability between 0 and 1, got {dropout!r}")
        if isinstance(proj_size, bool) or not isinstance(proj_size, int) or not 0 <= proj_size < hidden_size:
            raise ValueError(f"{name}: proj_size must be an integer from 0 to hidden_size - 1, got {proj_size!r}")
        if proj_size and mode != "LSTM":
            raise ValueError(f"{name}: proj_size is an argument of LSTM alone")
        if dropout and num_layers == 1:
            warnings.warn(f"{name}: dropout={dropout} acts between layers, and there is one layer only", stacklevel=3)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.between: Module | None = None
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        outputs = proj_size or hidden_size
        rows = _MODES[mode][1] * hidden_size
        directions = 2 if bidirectional else 1
        self._names: list[list[str]] = []  # of the weights of layer 0, of layer 0 backwards, of layer 1, …
        for layer in range(num_layers):
            columns = input_size if layer == 0 else outputs * directions
            for suffix in ("", "_reverse")[:directions]:
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, columns), "weight_hh": (rows, outputs)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = {f"{kind}_l{layer}{suffix}": shape for kind, shape in shapes.items()}
                for weight, shape in names.items():
                    self.register_parameter(weight, Parameter(empty(shape, device=device, dtype=dtype)))
                self._names.append(list(names))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights and biases anew from U(-1/√H, 1/√H)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Do nothing: weights are laid out for the backend at each call. It is here because scripts call it."""

    @property
    def _flat_weights_names(self) -> list[str]:
        """The names of all parameters in order, which scripts walk over to initialise them."""
        return [name for names in self._names for name in names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._names]

    def _sequence(self, input: Any) -> tuple[Tensor | PackedSequence, bool]:
        """The input as (T, N, I) or packed, and whether it has a batch dimension."""
        name = self._get_name()
        packed = isinstance(input, PackedSequence)
        if _state.casting_threads and not packed:
            (input,) = single(input)
        data = input.data if packed else input
        if not isinstance(data, Tensor):
            raise TypeError(f"{name}: expected a Tensor or a PackedSequence as input, got {describe(input)}")
        shape = tuple(data.shape)
        if packed and len(shape) != 2:
            raise ValueError(f"{name}: expected a packed sequence of vectors, with data (steps, I), got shape {shape}")
        if len(shape) not in (2, 3):
            raise ValueError(f"{name}: expected an input of 2 dimensions (T, I) or 3 with a batch, got shape {shape}")
        if shape[-1] != self.input_size:
            raise ValueError(f"{name}: expected a last dimension of input_size = {self.input_size}, got shape {shape}")
        weight = getattr(self, self._names[0][0])
        if data.dtype is not weight.dtype:
            raise TypeError(
                f"{name}: the input is {data.dtype} and the weights {weight.dtype}; convert one with .to(dtype)"
            )
        if packed:
            return input, True
        batched = len(shape) == 3
        x: Tensor = data.unsqueeze(1) if not batched else data.transpose(0, 1) if self.batch_first else data
        if x.shape[0] == 0:
            raise ValueError(f"{name}: expected at least one time step, got shape {shape}")
        return x, batched

    def _state(self, state: Tensor | None, x: Tensor | PackedSequence, batched: bool, what: str, size: int) -> Tensor:
        """An initial state as (L·directions, N, size): the one that was given, checked and in the order of x, or zeros."""
        if isinstance(x, PackedSequence):
            data, n, order = x.data, int(x.batch_sizes[0].item()), x.sorted_indices
        else:
            data, n, order = x, x.shape[1], None
        count = len(self._names)
        if state is None:
            return zeros(count, n, size, dtype=data.dtype, device=data.device)
        name = self._get_name()
        if not isinstance(state, Tensor):
            raise TypeError(f"{name}: expected a Tensor as {what}, got {describe(state)}")
        expected = (count, n, size) if batched else (count, size)
        if tuple(state.shape) != expected:
            raise ValueError(f"{name}: expected {what} of shape {expected}, got {tuple(state.shape)}")
        if state.dtype is not data.dtype:
            raise TypeError(f"{name}: the input is {data.dtype} and {what} {state.dtype}; convert one with .to(dtype)")
        if order is not None:
            return index_select(state, 1, order)
        return state if batched else state.unsqueeze(1)

    def _run(
        self, input: Tensor | PackedSequence, states: tuple[Tensor, ...], batched: bool
    ) -> tuple[Tensor | PackedSequence, list[Tensor]]:
        """All layers in all directions: the outputs of the last, and each state after the last step, stacked."""
        packed = input if isinstance(input, PackedSequence) else None
        x = input.data if isinstance(input, PackedSequence) else input
        sizes = [int(n) for n in packed.batch_sizes.tolist()] if packed else []
        function = _projected if self.proj_size else _MODES[self.mode][0]
        directions = 2 if self.bidirectional else 1
        finals: list[tuple[Tensor, ...]] = []
        for layer in range(self.num_layers):
            if layer:
                x = self._drop(x, packed)
            outputs = []
            for direction in range(directions):
                i = layer * directions + direction
                weights = [getattr(self, name) for name in self._names[i]]
                if not self.bias:
                    weights[2:2] = [None, None]
                start = tuple(state[i] for state in states)
                if packed:
                    out, final = _over_packed(function, x, sizes, start, weights, bool(direction))
                else:
                    out, *final = function(flip(x, 0) if direction else x, *start, *weights)
                    out = flip(out, 0) if direction else out
                outputs.append(out)
                finals.append(tuple(final))
            x = outputs[0] if directions == 1 else cat(outputs, -1)
        ends = [final[0].unsqueeze(0) if len(finals) == 1 else stack(final) for final in zip(*finals, strict=True)]
        if packed:
            if packed.unsorted_indices is not None:
                ends = [index_select(end, 1, packed.unsorted_indices) for end in ends]
            return packed._with(x), ends
        if not batched:
            return x.squeeze(1), [end.squeeze(1) for end in ends]
        return (x.transpose(0, 1) if self.batch_first else x), ends

    def _drop(self, x: Tensor, packed: PackedSequence | None) -> Tensor:
        """What the next layer reads of the outputs of a layer."""
        if self.between is None:
            return F.dropout(x, self.dropout, self.training) if self.dropout else x
        if packed is None:
            return self.between(x)
        return self.between(packed._with(x)).data

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size:
            text += f", proj_size={self.proj_size}"
        for name, default in (
            ("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0), ("bidirectional", False)
        ):  # fmt: skip
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        return text


def _projected(x: Tensor, h: Tensor, c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Any, b_hh: Any, w_hr: Tensor) -> Any:
    return lstm_projected(x, h, c, w_ih, w_hh, w_hr, b_ih, b_hh)


def _over_packed(
    function: Callable[..., Any],
    data: Tensor,
    sizes: list[int],
    states: tuple[Tensor, ...],
    weights: list[Any],
    backwards: bool,
) -> tuple[Tensor, list[Tensor]]:
    """One layer in one direction over packed sequences: stretches of steps that the same sequences have are run as one.

    Forwards the sequences that end leave the batch with their states. Backwards they join it, each where it ends.
    """
    stretches: list[tuple[int, int, int]] = []  # first row, steps, sequences
    row = 0
    for size in sizes:
        if stretches and stretches[-1][2] == size:
            first, steps, _ = stretches[-1]
            stretches[-1] = first, steps + 1, size
        else:
            stretches.append((row, 1, size))
        row += size
    if backwards:
        stretches.reverse()
    now = [state[: stretches[0][2]] for state in states]
    outs: list[Tensor] = []
    left: list[list[Tensor]] = []
    for first, steps, size in stretches:
        have = now[0].shape[0]
        if size < have:
            left.append([state[size:] for state in now])
            now = [state[:size] for state in now]
        elif size > have:
            now = [cat([state, start[have:size]]) for state, start in zip(now, states, strict=True)]
        x = data[first : first + steps * size].unflatten(0, (steps, size))
        out, *now = function(flip(x, 0) if backwards else x, *now, *weights)
        outs.append((flip(out, 0) if backwards else out).flatten(0, 1))
    if backwards:
        outs.reverse()
    left.append(now)
    left.reverse()
    ends = [cat(parts) if len(parts) > 1 else parts[0] for parts in map(list, zip(*left, strict=True))]
    return cat(outs) if len(outs) > 1 else outs[0], ends
