"""Skip-gram with negative sampling: two tables of 50,000 rows, of which a step touches some 2,000.

PyTorch gets embeddings with ``sparse=True``, without which its step fills and reads both tables; here gradients of tables always
follow the rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.registry import Context, Step, workload

VOCABULARY, DIMENSIONS, BATCH, NEGATIVES = 50_000, 100, 512, 5
BATCHES = 16


def _words(ctx: Context, power: float, *shape: int) -> Any:
    """Word numbers that follow a power of Zipf's law."""
    weight = np.arange(1, VOCABULARY + 1) ** -power
    return ctx.rng.choice(VOCABULARY, size=shape, p=weight / weight.sum())


@workload()
def word2vec_ns(ctx: Context) -> Step:
    """Skip-gram with 5 negative samples: 50000 words, 100 dimensions, batch 512, SGD on sparse gradients."""
    nn, logsigmoid, bmm = ctx.lib.nn, ctx.lib.nn.functional.logsigmoid, ctx.lib.bmm

    class SkipGram(nn.Module):  # type: ignore[misc, name-defined]  # the library is known at run time only
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(VOCABULARY, DIMENSIONS, sparse=True)
            self.output = nn.Embedding(VOCABULARY, DIMENSIONS, sparse=True)

        def forward(self, centers: Any, words: Any) -> Any:
            scores = bmm(self.output(words), self.embedding(centers).unsqueeze(2)).squeeze(2)  # (N, 1 + K)
            return -logsigmoid(scores * signs).sum(1).mean()

    model = ctx.load_weights(SkipGram())
    optimizer = ctx.lib.optim.SGD(model.parameters(), lr=10.0)  # of the mean of 512 losses
    signs = ctx.tensor(np.array([1] + NEGATIVES * [-1], np.float32))
    data = []
    for _ in range(BATCHES):
        near = _words(ctx, 1.0, BATCH, 2)
        words = np.concatenate([near[:, 1:], _words(ctx, 0.75, BATCH, NEGATIVES)], axis=1)
        data.append((ctx.tensor(near[:, 0].copy()), ctx.tensor(words), ctx.tensor(words[0])))
    count = 0

    def step() -> tuple[Any, Any]:
        nonlocal count
        centers, words, some = data[count % BATCHES]
        count += 1
        optimizer.zero_grad()
        loss = model(centers, words)
        loss.backward()
        optimizer.step()
        return loss, model.output.weight.detach()[some]

    return step
