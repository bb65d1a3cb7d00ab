"""A cell over time: what makes a recurrent layer of any cell, one step after the other.

A new recurrence needs nothing but a cell, ``state = cell(x_t, state)``; layers, directions, layouts and sequences of different
lengths are the same for all. With :class:`LSTMCell` this computes what the fused :class:`LSTM` computes, and is its readable form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Any, overload

from tinygrad_edu.creation import tensor
from tinygrad_edu.errors import describe
from tinygrad_edu.nn.containers import ModuleList
from tinygrad_edu.nn.dropout import VariationalDropout
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from tinygrad_edu.ops.gather import index_select
from tinygrad_edu.ops.joining import cat, stack
from tinygrad_edu.ops.rearrange import flip
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.utils.bptt import map_state

__all__ = ["Recurrence", "unroll"]

State = Any  # a tensor, or tuples and lists of tensors, the first of which is the output
Cell = Callable[[Tensor, State], State]


@overload
def unroll(cell: Cell, input: Tensor, state: State = None, reverse: bool = False) -> tuple[Tensor, State]: ...


@overload
def unroll(
    cell: Cell, input: PackedSequence, state: State = None, reverse: bool = False
) -> tuple[PackedSequence, State]: ...


def unroll(
    cell: Cell, input: Tensor | PackedSequence, state: State = None, reverse: bool = False
) -> tuple[Tensor | PackedSequence, State]:
    """Feed a sequence into a cell step by step, from a state to the state after the last step.

    Parameters
    ----------
    cell : callable
        ``state = cell(x_t, state)`` for x_t (N, …); the state is a tensor (N, …), or a tuple or list of states of which the first
        tensor is the output of the step. The first state is None where none is given.
    input : Tensor, (T, N, …), or PackedSequence
    state : optional
        What the cell takes; in the order of the sequences as they are packed.
    reverse : bool, default False
        Whether each sequence is read from its end; outputs still stand at the steps that they belong to.

    Returns
    -------
    outputs : Tensor, (T, N, …), or PackedSequence
    state
        Each sequence's state after its own last step.

    Raises
    ------
    TypeError
        For an input that is no sequence, and a cell that returns no tensors.
    ValueError
        For an empty sequence.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> def running_mean(x, state):
    ...     return x if state is None else 0.5 * state + 0.5 * x
    >>> nn.unroll(running_mean, tg.tensor([[4.0], [2.0], [0.0]]))
    (tensor([[4.0000],
            [3.0000],
            [1.5000]]), tensor([1.5000]))
    """
    if isinstance(input, PackedSequence):
        sizes = [int(n) for n in input.batch_sizes.tolist()]
        data = input.data
        turned = tensor(_turned(sizes), device=data.device) if reverse else None
        if turned is not None:
            data = index_select(data, 0, turned)
        outputs, state = _walk(cell, data.split(sizes), state)
        out = cat(outputs)
        return input._with(out if turned is None else index_select(out, 0, turned)), state
    if not isinstance(input, Tensor) or input.dim() < 2:
        raise TypeError(f"unroll: expected a sequence (T, N, …) or a PackedSequence, got {describe(input)}")
    if not input.shape[0]:
        raise ValueError(f"unroll: expected at least one time step, got shape {tuple(input.shape)}")
    outputs, state = _walk(cell, (flip(input, 0) if reverse else input).unbind(0), state)
    out = stack(outputs)
    return flip(out, 0) if reverse else out, state


def _walk(cell: Cell, steps: Iterable[Tensor], state: State) -> tuple[list[Tensor], State]:
    """Feed in the steps; where one has fewer rows, the last sequences have ended, and their states wait for the others."""
    outputs: list[Tensor] = []
    ended: list[State] = []
    for x in steps:
        rows = x.shape[0]
        if outputs and rows < outputs[-1].shape[0]:
            ended.append(map_state(lambda s, n=rows: s[n:], state))
            state = map_state(lambda s, n=rows: s[:n], state)
        state = cell(x, state)
        outputs.append(_output(state))
    return outputs, map_state(lambda *parts: cat(parts), state, *reversed(ended)) if ended else state


def _output(state: State) -> Tensor:
    """The first tensor of a state."""
    first = state
    while isinstance(first, (tuple, list)) and first:
        first = first[0]
    if not isinstance(first, Tensor):
        raise TypeError(
            f"unroll: the cell must return a tensor, or a tuple that begins with one, got {describe(state)}"
        )
    return first


def _turned(sizes: list[int]) -> list[int]:
    """For each row of a packed sequence, the row of the same sequence that is as far from its end as this one from its start."""
    lengths = [sum(size > i for size in sizes) for i in range(sizes[0])]
    starts = [0, *accumulate(sizes)]
    return [starts[lengths[i] - 1 - t] + i for t, size in enumerate(sizes) for i in range(size)]


class Recurrence(Module):
    """A recurrent layer of any cell: layers on top of each other, one or both directions, sequences of different lengths.

    Parameters
    ----------
    cell : callable
        A class of cells, or a function that makes one: ``cell(input_size, hidden_size, **options)``. The cell maps x_t (N, I) and
        a state to the next state, whose first tensor is (N, H); see :func:`unroll`.
    input_size, hidden_size : int
        I and H.
    num_layers : int, default 1
        L; each layer reads the outputs of the one before.
    batch_first : bool, default False
        Whether sequences come and go as (N, T, …) instead of (T, N, …); states are not concerned.
    dropout : float, default 0.0
        Probability of dropping the outputs between layers while training, with one mask for all steps.
    bidirectional : bool, default False
        Whether a second cell reads the sequence backwards; outputs are then (T, N, 2H).
    **options
        For the cells.

    Attributes
    ----------
    cells : ModuleList
        L·directions of them: the first layer's, forwards and backwards, then the next layer's.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn
    >>> layer = nn.Recurrence(nn.LayerNormLSTMCell, 10, 20, num_layers=2)
    >>> out, (h, c) = layer(tg.randn(5, 3, 10))
    >>> out.shape, h.shape, c.shape
    (Size([5, 3, 20]), Size([2, 3, 20]), Size([2, 3, 20]))

    A cell of one's own:

    >>> class Decay(nn.Module):
    ...     def __init__(self, input_size, hidden_size):
    ...         super().__init__()
    ...         self.linear = nn.Linear(input_size, hidden_size)
    ...     def forward(self, x, h):
    ...         new = self.linear(x)
    ...         return new if h is None else 0.9 * h + new
    >>> nn.Recurrence(Decay, 10, 20, bidirectional=True)(tg.randn(5, 3, 10))[0].shape
    Size([5, 3, 40])
    """

    def __init__(
        self,
        cell: Callable[..., Module],
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        if isinstance(num_layers, bool) or not isinstance(num_layers, int) or num_layers < 1:
            raise ValueError(f"Recurrence: num_layers must be a positive integer, got {num_layers!r}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.batch_first, self.bidirectional = batch_first, bidirectional
        directions = 2 if bidirectional else 1
        self.cells = ModuleList(
            cell(directions * hidden_size if layer else input_size, hidden_size, **options)
            for layer in range(num_layers)
            for _ in range(directions)
        )
        self.dropout = VariationalDropout(dropout)

    def forward(
        self, input: Tensor | PackedSequence, state: State = None, lengths: Any = None
    ) -> tuple[Tensor | PackedSequence, State]:
        """Run over sequences.

        Parameters
        ----------
        input : Tensor, (T, N, I), with `batch_first` (N, T, I), or (T, I) without a batch; or PackedSequence
        state : optional
            The states to start from, in the structure of the cell's, each tensor (L·directions, N, …); without N where the
            input has none.
        lengths : list or Tensor of int, (N,), optional
            Of padded sequences: what lies behind them is not read, and zero in the output.

        Returns
        -------
        output : Tensor, (T, N, H·directions), or PackedSequence
            The outputs of the last layer, in the layout of the input.
        state
            The states of each layer and direction after the last step of each sequence.
        """
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ValueError("Recurrence: a PackedSequence has its own lengths; give none beside it")
            return self._packed(input, state)
        if not isinstance(input, Tensor):
            raise TypeError(f"Recurrence: expected a Tensor or a PackedSequence as input, got {describe(input)}")
        if input.dim() not in (2, 3) or input.shape[-1] != self.input_size:
            raise ValueError(
                f"Recurrence: expected an input (T, {self.input_size}) or one of 3 dimensions with a batch, "
                f"got shape {tuple(input.shape)}"
            )
        if lengths is not None and input.dim() == 3:
            packed = pack_padded_sequence(input, lengths, self.batch_first, enforce_sorted=False)
            out, state = self._packed(packed, state)
            steps = input.shape[1 if self.batch_first else 0]
            return pad_packed_sequence(out, self.batch_first, total_length=steps)[0], state
        if lengths is not None:
            raise ValueError(f"Recurrence: lengths belong to a batch, but the input has shape {tuple(input.shape)}")
        if input.dim() == 2:
            state = None if state is None else map_state(lambda s: s.unsqueeze(1), state)
            out, state = self._layers(input.unsqueeze(1), state, 1)
            return out.squeeze(1), map_state(lambda s: s.squeeze(1), state)
        x = input.transpose(0, 1) if self.batch_first else input
        out, state = self._layers(x, state, x.shape[1])
        return out.transpose(0, 1) if self.batch_first else out, state

    def _packed(self, input: PackedSequence, state: State) -> tuple[PackedSequence, State]:
        """Run over packed sequences; states come and go in the order that the sequences had before they were sorted."""
        order, back = input.sorted_indices, input.unsorted_indices
        if state is not None and order is not None:
            state = map_state(lambda s: index_select(s, 1, order), state)
        out, state = self._layers(input, state, int(input.batch_sizes[0].item()))
        return out, state if back is None else map_state(lambda s: index_select(s, 1, back), state)

    def _layers(self, x: Any, state: State, batch: int) -> tuple[Any, State]:
        """All layers in all directions over (T, N, I) or packed sequences; states stacked."""
        if state is not None:
            map_state(lambda s: self._check_state(s, batch), state)
        directions = 2 if self.bidirectional else 1
        ends: list[State] = []
        for layer in range(self.num_layers):
            if layer:
                x = self.dropout(x)
            outputs = []
            for direction in range(directions):
                at = layer * directions + direction
                start = None if state is None else map_state(lambda s, i=at: s[i], state)
                out, end = unroll(self.cells[at], x, start, bool(direction))
                outputs.append(out)
                ends.append(end)
            x = outputs[0] if directions == 1 else _side_by_side(outputs)
        return x, map_state(lambda *parts: stack(parts), *ends)

    def _check_state(self, s: Tensor, batch: int) -> Tensor:
        if s.dim() < 2 or s.shape[0] != len(self.cells) or s.shape[1] != batch:
            raise ValueError(
                f"Recurrence: expected states of shape ({len(self.cells)}, {batch}, …) for {len(self.cells)} cells and "
                f"{batch} sequences, got {tuple(s.shape)}"
            )
        return s

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        for name, usual in (("num_layers", 1), ("batch_first", False), ("bidirectional", False)):
            if getattr(self, name) != usual:
                text += f", {name}={getattr(self, name)}"
        return text


def _side_by_side(outputs: list[Any]) -> Any:
    """The outputs of both directions, joined along the features."""
    if isinstance(outputs[0], PackedSequence):
        return outputs[0]._with(cat([out.data for out in outputs], -1))
    return cat(outputs, -1)
