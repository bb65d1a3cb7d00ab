"""Transformers: attention alone, and small language models of the GPT kind."""

from __future__ import annotations

from typing import Any

from benchmarks.registry import Context, Step, workload

BATCHES = 8
VOCABULARY = 65  # characters
# Of the loss; of a gradient, which sums float32 numbers of both signs over all tokens.
RTOL = (5e-5, 1e-3)


def _attention(ctx: Context, batch: int, heads: int, length: int, width: int) -> Step:
    """Causal attention with its derivatives; heads lie side by side in memory, as a layer leaves them."""
    attention = ctx.lib.nn.functional.scaled_dot_product_attention
    q, k, v = (ctx.normal(batch, length, heads, width, requires_grad=True) for _ in range(3))
    cotangent = ctx.normal(batch, length, heads, width).transpose(1, 2)

    def step() -> tuple[Any, Any]:
        q.grad = k.grad = v.grad = None
        out = attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True)
        out.backward(cotangent)
        return k.grad[0, 0].sum(), out

    return step


for _batch, _length in ((16, 64), (4, 256), (1, 1024), (1, 4096)):

    @workload(name=f"attention/{_length}", check_steps=1, rtol=(1e-3, 1e-3))
    def _build(ctx: Context, batch: int = _batch, length: int = _length) -> Step:
        """Causal attention, 4 heads of 64, forward and backward, at one length."""
        return _attention(ctx, batch, 4, length, 64)


def _gpt(ctx: Context, layers: int, heads: int, width: int, block: int, batch: int) -> Step:
    """A decoder of Transformer blocks with layer norm first, learned positions, GELU; AdamW."""
    nn, F = ctx.lib.nn, ctx.lib.nn.functional

    class Block(nn.Module):  # type: ignore[misc, name-defined]  # the library is known at run time only
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x: Any) -> Any:
            n, t, c = x.shape
            q, k, v = (
                part.view(n, t, heads, c // heads).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(c, dim=2)
            )
            out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(out.transpose(1, 2).reshape(n, t, c))
            return x + self.down(F.gelu(self.up(self.norm2(x))))

    class GPT(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.positions = nn.Embedding(VOCABULARY, width), nn.Embedding(block, width)
            self.blocks = nn.ModuleList([Block() for _ in range(layers)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY, bias=False)

        def forward(self, tokens: Any) -> Any:
            x = self.tokens(tokens) + self.positions.weight
            for layer in self.blocks:
                x = layer(x)
            return self.head(self.norm(x))

    model = ctx.load_weights(GPT())
    optimizer = ctx.lib.optim.AdamW(model.parameters(), lr=3e-4)
    data = []
    for _ in range(BATCHES):
        text = ctx.rng.integers(0, VOCABULARY, (batch, block + 1))
        data.append((ctx.tensor(text[:, :-1].copy()), ctx.tensor(text[:, 1:].reshape(-1))))
    count = 0

    def step() -> tuple[Any, Any]:
        nonlocal count
        tokens, targets = data[count % BATCHES]
        count += 1
        optimizer.zero_grad()
        loss = F.cross_entropy(model(tokens).view(-1, VOCABULARY), targets)
        loss.backward()
        optimizer.step()
        return loss, model.blocks[0].qkv.weight.grad

    return step


@workload(rtol=RTOL)
def gpt_tiny(ctx: Context) -> Step:
    """GPT of 4 layers, 4 heads, width 128, block 64, batch 12, 65 characters; AdamW."""
    return _gpt(ctx, 4, 4, 128, 64, 12)


@workload(rtol=RTOL, check_steps=3)
def gpt_small(ctx: Context) -> Step:
    """GPT of 6 layers, 6 heads, width 384, block 256, batch 4, 65 characters; AdamW."""
    return _gpt(ctx, 6, 6, 384, 256, 4)
