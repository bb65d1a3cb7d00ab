"""The parts of models of sequences alone: one recurrent layer, and a table of vectors by its number of rows."""

from __future__ import annotations

from typing import Any

from benchmarks.registry import Context, Step, workload

BATCH, TIME = 20, 35
VOCABULARIES = (10_000, 100_000, 1_000_000, 10_000_000)
SIZE, BAGS, WORDS = 16, 512, 8  # of a vector; a batch has so many bags of so many words
BATCHES = 4


def _lstm_layer(hidden: int) -> None:
    def build(ctx: Context) -> Step:
        layer = ctx.load_weights(ctx.lib.nn.LSTM(hidden, hidden))
        x = ctx.normal(TIME, BATCH, hidden, requires_grad=True)
        cotangent = ctx.normal(TIME, BATCH, hidden)

        def step() -> tuple[Any, ...]:
            layer.zero_grad()
            x.grad = None
            out, _ = layer(x)
            out.backward(cotangent)
            return out, x.grad, layer.weight_ih_l0.grad, layer.weight_hh_l0.grad

        return step

    build.__doc__ = f"One LSTM layer of {hidden}, forward and backward alone: batch {BATCH}, {TIME} time steps."
    workload(name=f"lstm_layer/{hidden}", check_steps=1, rtol=(1e-5,))(build)


def _embedding(rows: int, optimizer: str) -> None:
    def build(ctx: Context) -> Step:
        nn = ctx.lib.nn
        table = ctx.lib.full((rows, SIZE), 0.1, device=ctx.device)
        embedding = nn.Embedding.from_pretrained(table, freeze=False, sparse=True)
        change = getattr(ctx.lib.optim, optimizer)(embedding.parameters(), lr=0.1)
        data = [(ctx.tensor(ctx.rng.integers(0, rows, (BAGS, WORDS))), ctx.normal(BAGS, SIZE)) for _ in range(BATCHES)]
        count = 0

        def step() -> Any:
            nonlocal count
            words, target = data[count % BATCHES]
            count += 1
            change.zero_grad()
            loss = nn.functional.mse_loss(embedding(words).sum(1), target, reduction="sum")
            loss.backward()
            change.step()
            return loss

        return step

    build.__doc__ = (
        f"A table of {rows} rows of {SIZE}, {BAGS * WORDS} of them looked up, {optimizer} with sparse gradients."
    )
    # Each batch comes a second time, so that the loss tells whether the step before moved the right rows.
    workload(name=f"embedding/{rows}/{optimizer.lower()}", check_steps=BATCHES + 2, rtol=(2e-6,))(build)


for _hidden in (200, 650):
    _lstm_layer(_hidden)
for _rows in VOCABULARIES:
    _embedding(_rows, "SGD")
for _rows in (VOCABULARIES[0], VOCABULARIES[-1]):
    _embedding(_rows, "SparseAdam")
