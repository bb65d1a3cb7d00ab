"""Recurrent word-level language models, trained by truncated backpropagation through time.

The sizes are those of the small model of Zaremba et al., "Recurrent Neural Network Regularization" (2014): vocabulary
10,000, 200 units, batch 20, 35 time steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.registry import Context, Step, workload

VOCABULARY, HIDDEN, BATCH, TIME = 10_000, 200, 20, 35
BATCHES = 8
# Of the loss; of the gradient norm, which PyTorch's float32 sum gets wrong by up to 3e-4, and of what it scales.
RTOL = (5e-5, 1e-3)


def _zipf_tokens(ctx: Context, *shape: int) -> Any:
    """Token ids that follow Zipf's law, as words do: rows of the embedding repeat within a batch."""
    weight = 1.0 / np.arange(1, VOCABULARY + 1)
    return ctx.rng.choice(VOCABULARY, size=shape, p=weight / weight.sum())


def _language_model(ctx: Context, layer: str, num_layers: int) -> Step:
    """Embedding, `num_layers` of ``nn.<layer>``, Linear to the vocabulary; cross-entropy, clipping, SGD."""
    nn, cross_entropy = ctx.lib.nn, ctx.lib.nn.functional.cross_entropy

    class LanguageModel(nn.Module):  # type: ignore[misc, name-defined]  # the library is known at run time only
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(VOCABULARY, HIDDEN)
            self.recurrent = getattr(nn, layer)(HIDDEN, HIDDEN, num_layers=num_layers)
            self.decoder = nn.Linear(HIDDEN, VOCABULARY)

        def forward(self, tokens: Any, state: Any) -> tuple[Any, Any]:
            outputs, state = self.recurrent(self.embedding(tokens), state)  # (T, N, H)
            return self.decoder(outputs), state

    model = ctx.load_weights(LanguageModel())
    parameters = list(model.parameters())
    optimizer = ctx.lib.optim.SGD(parameters, lr=1.0)
    data = []
    for _ in range(BATCHES):
        text = _zipf_tokens(ctx, TIME + 1, BATCH)
        data.append((ctx.tensor(text[:-1]), ctx.tensor(text[1:].reshape(-1))))
    state: Any = None
    count = 0

    def step() -> tuple[Any, Any, Any]:
        nonlocal state, count
        tokens, targets = data[count % BATCHES]
        count += 1
        optimizer.zero_grad()
        logits, state = model(tokens, state)
        state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
        loss = cross_entropy(logits.reshape(-1, VOCABULARY), targets)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(parameters, 0.25)
        optimizer.step()
        return loss, norm, model.recurrent.weight_ih_l0.grad

    return step


@workload(rtol=RTOL)
def rnn_lm(ctx: Context) -> Step:
    """Language model: one tanh RNN layer of 200, vocabulary 10000, batch 20, 35 time steps, SGD."""
    return _language_model(ctx, "RNN", 1)


@workload(rtol=RTOL)
def gru_lm(ctx: Context) -> Step:
    """Language model: two GRU layers of 200, vocabulary 10000, batch 20, 35 time steps, SGD."""
    return _language_model(ctx, "GRU", 2)


@workload(rtol=RTOL)
def lstm_lm(ctx: Context) -> Step:
    """Language model: two LSTM layers of 200, vocabulary 10000, batch 20, 35 time steps, SGD."""
    return _language_model(ctx, "LSTM", 2)
