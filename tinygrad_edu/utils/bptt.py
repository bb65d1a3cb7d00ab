"""Truncated backpropagation through time: training on sequences that are too long to be unrolled whole.

The walk goes forward k1 steps at a time; the loss of these steps sends gradients back through k2 ≥ k1 steps, and
beyond that
through none. Values flow on: the hidden state at the beginning of a window is the one that the network had there.
Source: Williams and Peng, An efficient gradient-based algorithm for on-line training of recurrent network
trajectories, 1990.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from tinygrad_edu.errors import describe
from tinygrad_edu.ops.joining import cat
from tinygrad_edu.tensor import Tensor

__all__ = ["Chunk", "TruncatedBPTT", "detach_state", "map_state", "parallel_streams", "reset_state"]

State = Any  # a tensor, None, or tuples, lists, dicts and data classes of states


def map_state(
    function: Callable[..., Any], state: State, *others: State, is_leaf: Callable[[State], bool] | None = None
) -> State:
    """Apply a function to every tensor of a state of any structure; the structure stays.

    A structure is made of tuples, named tuples, lists, dicts and data classes. What `is_leaf` says yes to is handed to
    the function whole. With `others`, states of the same structure, the function gets the corresponding tensors of all.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> map_state(lambda t: t + 1, (tg.zeros(1), {"c": [tg.ones(1)]}))
    (tensor([1.]), {'c': [tensor([2.])]})
    >>> map_state(lambda a, b: a - b, (tg.ones(1),), (tg.ones(1),))
    (tensor([0.]),)
    """

    def call(*parts: State) -> State:
        return map_state(function, *parts, is_leaf=is_leaf)

    if isinstance(state, Tensor) or (is_leaf is not None and is_leaf(state)):
        return function(state, *others)
    if isinstance(state, dict):
        return type(state)({key: call(state[key], *(o[key] for o in others)) for key in state})
    if isinstance(state, (tuple, list)):
        made = [call(*parts) for parts in zip(state, *others, strict=True)]
        # A named tuple takes its fields one by one.
        return type(state)(*made) if hasattr(state, "_fields") else type(state)(made)
    if is_dataclass(state) and not isinstance(state, type):
        names = [f.name for f in fields(state) if f.init]
        return replace(state, **{name: call(*(getattr(s, name) for s in (state, *others))) for name in names})
    return state


def detach_state(state: State) -> State:
    """Cut a state off the graph that made it: its values stay, gradients end here."""
    return map_state(lambda t: t.detach(), state)


def reset_state(state: State, ended: Tensor, batch_dim: int = 1) -> State:
    """Set the states of some sequences of a batch to zero, which also keeps gradients from flowing back into them.

    Parameters
    ----------
    state : Tensor, or a structure of tensors
    ended : Tensor of bool, (N,)
        The sequences to begin anew.
    batch_dim : int, default 1
        Which dimension of each tensor counts the sequences: 1 in the states of ``nn.LSTM``, 0 in those of
        ``nn.LSTMCell``.

    Raises
    ------
    ValueError
        When a tensor has another number of sequences.
    """

    def reset(t: Tensor) -> Tensor:
        if t.dim() <= batch_dim or t.shape[batch_dim] != ended.shape[0]:
            raise ValueError(
                f"reset_state: dimension {batch_dim} of a state of shape {tuple(t.shape)} does not count {ended.shape[0]} sequences"
            )
        return t.masked_fill(ended.reshape(-1, *[1] * (t.dim() - batch_dim - 1)), 0)

    return map_state(reset, state)


def parallel_streams(tokens: Tensor, batch_size: int) -> Tensor:
    """Cut one long sequence into `batch_size` streams of equal length that are read side by side.

    Parameters
    ----------
    tokens : Tensor, (steps, …)
    batch_size : int
        N; what is left over at the end is dropped.

    Returns
    -------
    Tensor, (T, N, …)

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> parallel_streams(tg.arange(7), 2)
    tensor([[0, 3],
            [1, 4],
            [2, 5]])
    """
    if batch_size < 1 or tokens.shape[0] < batch_size:
        raise ValueError(f"parallel_streams: cannot cut {tokens.shape[0]} steps into {batch_size} streams")
    steps = tokens.shape[0] // batch_size
    return tokens[: steps * batch_size].unflatten(0, (batch_size, steps)).transpose(0, 1)


@dataclass
class Chunk:
    """One stop of the walk.

    Attributes
    ----------
    output : anything
        What the model made of the new steps.
    target : Tensor or None
        The targets of the new steps.
    start : int
        The place of the first new step in what `walk` was given.
    steps : int
        How many new steps there are: k1, or fewer at the end.
    """

    output: Any
    target: Tensor | None
    start: int
    steps: int


class TruncatedBPTT:
    """Walk over long sequences in chunks, and carry the hidden state from chunk to chunk.

    With k2 = k1 the sequence falls into pieces, each of which is unrolled alone from the detached state that the
    one before left. With k2 > k1
    the k2 - k1 steps before each piece are computed once more, with the parameters as they are by then, so that
    gradients of
    the new steps reach back through them; an optimizer may step after each chunk in both cases. Memory does not
    depend on the length of the sequence.

    Parameters
    ----------
    model : callable
        ``output, state = model(input, state)``, for any structure of states; the first state is None.
        ``output`` is a tensor with the time in `time_dim`.
    k1 : int
        New steps in a chunk.
    k2 : int, optional
        Steps that gradients reach back from the end of a chunk, a multiple of `k1`; by default `k1`.
    time_dim : int, default 0
        Which dimension of inputs, targets and outputs is the time: 1 with ``batch_first``.
    state_batch_dim : int, default 1
        Which dimension of the states counts the sequences; see :func:`reset_state`.

    Attributes
    ----------
    state
        The state after the last chunk, detached: what to save in a checkpoint together with the model where k2 = k1.

    Raises
    ------
    ValueError
        For a `k1` below 1, or a `k2` that is no multiple of it.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import nn, optim
    >>> from tinygrad_edu.utils.bptt import TruncatedBPTT
    >>> rnn = nn.RNN(1, 4)
    >>> optimizer = optim.SGD(rnn.parameters(), lr=0.1)
    >>> x, y = tg.randn(100, 2, 1), tg.randn(100, 2, 4)
    >>> for chunk in TruncatedBPTT(rnn, k1=40).walk(x, y):
    ...     loss = nn.functional.mse_loss(chunk.output, chunk.target)
    ...     optimizer.zero_grad()
    ...     loss.backward()
    ...     norm = nn.utils.clip_grad_norm_(rnn.parameters(), 0.25)
    ...     optimizer.step()
    ...     print(chunk.start, chunk.steps)
    0 40
    40 40
    80 20
    """

    def __init__(
        self,
        model: Callable[[Tensor, State], tuple[Any, State]],
        k1: int,
        k2: int | None = None,
        *,
        time_dim: int = 0,
        state_batch_dim: int = 1,
    ) -> None:
        k2 = k1 if k2 is None else k2
        if isinstance(k1, bool) or not isinstance(k1, int) or k1 < 1:
            raise ValueError(f"TruncatedBPTT: k1 must be a positive integer, got {k1!r}")
        if isinstance(k2, bool) or not isinstance(k2, int) or k2 < k1 or k2 % k1:
            raise ValueError(f"TruncatedBPTT: k2 must be a multiple of k1 = {k1}, got {k2!r}")
        self.model = model
        self.k1, self.k2 = k1, k2
        self.time_dim, self.state_batch_dim = time_dim, state_batch_dim
        self.reset()

    def reset(self) -> None:
        """Forget the state: what comes next is the beginning of another sequence."""
        self.state: State = None
        self._from: State = None  # the state before the pieces below
        self._pieces: list[
            tuple[Tensor, list[Tensor] | None]
        ] = []  # the last k2/k1 - 1 chunks: inputs, and where they reset

    def walk(self, input: Tensor, target: Tensor | None = None, resets: Tensor | None = None) -> Iterator[Chunk]:
        """Go over a sequence, from the state that the walk before left.

        The model is called for a chunk when it is asked for, so a step of the optimizer after the chunk before is felt.

        Parameters
        ----------
        input : Tensor, (T, N, …)
        target : Tensor, (T, …), optional
            Cut along with the input.
        resets : Tensor of bool, (T, N), optional
            True where a new document begins: the state of that sequence is zero before this step. With
            `time_dim` 1 it is (N, T).

        Yields
        ------
        Chunk

        Raises
        ------
        ValueError
            When there is no step, or `target` or `resets` have another length.
        """
        dim = self.time_dim
        if not isinstance(input, Tensor) or input.dim() <= dim:
            raise TypeError(f"walk: the input must be a tensor with a time in dimension {dim}, got {describe(input)}")
        steps = input.shape[dim]
        if not steps:
            raise ValueError("walk: the sequence is empty")
        for name, other in (("target", target), ("resets", resets)):
            if other is not None and (other.dim() <= dim or other.shape[dim] != steps):
                raise ValueError(
                    f"walk: the {name} must have {steps} steps in dimension {dim}, got shape {tuple(other.shape)}"
                )
        for start in range(0, steps, self.k1):
            count = min(self.k1, steps - start)
            marks = None
            if resets is not None:
                marks = list(resets.narrow(dim, start, count).transpose(0, dim))
            output = self._advance(input.narrow(dim, start, count), marks)
            yield Chunk(output, None if target is None else target.narrow(dim, start, count), start, count)

    def _advance(self, piece: Tensor, resets: list[Tensor] | None) -> Any:
        """Run the model over the window that ends with a new piece; return its output on that piece."""
        state = self._from
        first: State = None
        for i, (old, marks) in enumerate(self._pieces):
            _, state = self._call(old, marks, state)
            if i == 0:
                first = detach_state(state)
        output, state = self._call(piece, resets, state)
        self.state = detach_state(state)
        keep = self.k2 // self.k1 - 1
        if not keep:
            self._from = self.state
            return output
        self._pieces.append((piece, resets))
        if len(self._pieces) > keep:
            self._pieces.pop(0)
            self._from = first
        return output

    def _call(self, piece: Tensor, resets: list[Tensor] | None, state: State) -> tuple[Any, State]:
        """Run the model over a piece, which falls into parts where documents begin."""
        dim, steps = self.time_dim, piece.shape[self.time_dim]
        cuts = [] if resets is None else [i for i, mark in enumerate(resets) if mark.any().item()]
        outputs = []
        for begin, end in zip([0, *(c for c in cuts if c)], [*(c for c in cuts if c), steps], strict=True):
            if resets is not None and begin in cuts and state is not None:
                state = reset_state(state, resets[begin], self.state_batch_dim)
            result = self.model(piece.narrow(dim, begin, end - begin), state)
            if not isinstance(result, tuple) or len(result) != 2:
                raise TypeError(f"TruncatedBPTT: the model must return a pair (output, state), got {describe(result)}")
            outputs.append(result[0])
            state = result[1]
        return (outputs[0] if len(outputs) == 1 else cat(outputs, dim)), state
