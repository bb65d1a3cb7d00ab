"""Encoder and decoder with attention: all steps of the decoder in one call, and step by step.

The sizes are those of a small model of sentences: 64 pairs, 25 tokens read, 20 written, 256 units.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.registry import Context, Step, workload

VOCABULARY, HIDDEN, BATCH, READ, WRITTEN = 2_000, 256, 64, 25, 20
BATCHES = 4
RTOL = (2e-6, 1e-4)


def _translation(ctx: Context, additive: bool) -> Step:
    """Embeddings, two LSTMs, attention with a mask of lengths, Linear to the vocabulary; cross-entropy, Adam."""
    lib, nn = ctx.lib, ctx.lib.nn

    class Translation(nn.Module):  # type: ignore[misc, name-defined]  # the library is known at run time only
        def __init__(self) -> None:
            super().__init__()
            self.source = nn.Embedding(VOCABULARY, HIDDEN)
            self.target = nn.Embedding(VOCABULARY, HIDDEN)
            self.encoder = nn.LSTM(HIDDEN, HIDDEN)
            self.decoder = nn.LSTM(2 * HIDDEN if additive else HIDDEN, HIDDEN)
            self.key = nn.Linear(HIDDEN, HIDDEN, bias=False)
            self.query = nn.Linear(HIDDEN, HIDDEN, bias=False)
            self.energy = nn.Linear(HIDDEN, 1, bias=False)
            self.combine = nn.Linear(2 * HIDDEN, HIDDEN)
            self.head = nn.Linear(HIDDEN, VOCABULARY)

        def forward(self, source: Any, hidden: Any, target: Any) -> Any:
            memory, state = self.encoder(self.source(source))
            memory = memory.transpose(0, 1)  # (N, S, H)
            keys, x = self.key(memory), self.target(target)
            if additive:
                out, contexts = self._step_by_step(x, state, memory, keys, hidden)
            else:
                out, _ = self.decoder(x, state)
                out = out.transpose(0, 1)
                scores = (out @ keys.transpose(1, 2)).masked_fill(hidden, -1e9)
                contexts = nn.functional.softmax(scores, dim=-1) @ memory
            return self.head(lib.tanh(self.combine(lib.cat([contexts, out], -1))))

        def _step_by_step(self, x: Any, state: Any, memory: Any, keys: Any, hidden: Any) -> tuple[Any, Any]:
            """The additive score with the state before each step."""
            outs, contexts = [], []
            for x_t in x:
                query = self.query(state[0][-1]).unsqueeze(1)
                scores = self.energy(lib.tanh(query + keys)).transpose(1, 2).masked_fill(hidden, -1e9)
                context = (nn.functional.softmax(scores, dim=-1) @ memory).squeeze(1)
                out, state = self.decoder(lib.cat([x_t, context], -1).unsqueeze(0), state)
                outs.append(out[0])
                contexts.append(context)
            return lib.stack(outs, 1), lib.stack(contexts, 1)

    model = ctx.load_weights(Translation())
    optimizer = lib.optim.Adam(model.parameters(), lr=1e-3)
    data = []
    for _ in range(BATCHES):
        lengths = ctx.rng.integers(READ // 2, READ + 1, BATCH)
        source = ctx.rng.integers(1, VOCABULARY, (READ, BATCH))
        written = ctx.rng.integers(1, VOCABULARY, (WRITTEN + 1, BATCH))
        hidden = np.arange(READ) >= lengths[:, None, None]
        data.append([ctx.tensor(a) for a in (source, hidden, written[:-1], written[1:].T.reshape(-1))])
    count = 0

    def step() -> tuple[Any, Any]:
        nonlocal count
        source, hidden, read, wanted = data[count % BATCHES]
        count += 1
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(source, hidden, read).reshape(-1, VOCABULARY), wanted)
        loss.backward()
        gradient = model.key.weight.grad
        optimizer.step()
        return loss, gradient

    return step


@workload(name="attention_luong", check_steps=3, rtol=RTOL)
def attention_luong(ctx: Context) -> Step:
    """Encoder and decoder, LSTM 256, bilinear attention after all steps at once, batch 64, 25 and 20 tokens, Adam."""
    return _translation(ctx, additive=False)


@workload(name="attention_bahdanau", check_steps=3, rtol=RTOL)
def attention_bahdanau(ctx: Context) -> Step:
    """The same with additive attention before each step, step by step."""
    return _translation(ctx, additive=True)
