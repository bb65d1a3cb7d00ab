"""A Tree-LSTM works out logical expressions, larger ones than it has learned from; an LSTM that reads them as text does not.

::

    python examples/tree_expressions.py

What there is to learn from it:

* **The computation has the shape of the data.** "(not 1) and (0 xor 1)" is a tree; a Tree-LSTM goes up from the leaves, the same cell
  at every node, as one works it out by hand (Tai, Socher and Manning, 2015; Socher et al., 2011).
* **It is told nothing but the value of the whole.** What the parts are worth, it has to find out by itself; the table shows that the
  state of every node knows the value of its part.
* **Size.** Both see expressions of up to 6 values. A chain has to remember open brackets over longer and longer stretches
  in larger expressions; the tree only gets higher.
"""

from __future__ import annotations

import random
from typing import Any

from common import begin, build_parser, finish, number, progress

import tinygrad_edu as tg
from tinygrad_edu import nn, optim, plots

WORDS = ("0", "1", "not", "and", "or", "xor", "(", ")")
CODE = {word: i for i, word in enumerate(WORDS)}


class Expression:
    """An expression: its nodes from the leaves up, the children and the value of each, and the tokens of its text."""

    def __init__(self, rng: random.Random, leaves: int) -> None:
        self.words: list[int] = []
        self.children: list[list[int]] = []
        self.values: list[bool] = []
        self.tokens = self._grow(rng, leaves)[1]

    def _grow(self, rng: random.Random, leaves: int) -> tuple[int, list[int]]:
        """Add a part with so many values; return its node and its tokens."""
        if leaves == 1:
            if rng.random() < 0.3:
                node, tokens = self._grow(rng, 1)
                return self._add("not", [node], not self.values[node]), [CODE["("], CODE["not"], *tokens, CODE[")"]]
            value = rng.random() < 0.5
            return self._add(str(int(value)), [], value), [CODE[str(int(value))]]
        left = rng.randint(1, leaves - 1)
        a, a_tokens = self._grow(rng, left)
        b, b_tokens = self._grow(rng, leaves - left)
        word = rng.choice(["and", "or", "xor"])
        x, y = self.values[a], self.values[b]
        value = {"and": x and y, "or": x or y, "xor": x != y}[word]
        return self._add(word, [a, b], value), [CODE["("], *a_tokens, CODE[word], *b_tokens, CODE[")"]]

    def _add(self, word: str, children: list[int], value: bool) -> int:
        self.words.append(CODE[word])
        self.children.append(children)
        self.values.append(value)
        return len(self.words) - 1


class TreeReader(nn.Module):
    """Words at the nodes of a tree to logits of true at each node."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embedding, self.tree, self.head = nn.Embedding(len(WORDS), 16), nn.TreeLSTM(16, size), nn.Linear(size, 1)

    def nodes(self, batch: list[Expression]) -> tuple[tg.Tensor, list[int]]:
        """Logits of all nodes of a forest, and the numbers of the roots."""
        children, roots = nn.forest([e.children for e in batch])
        h, _ = self.tree(self.embedding(tg.tensor([w for e in batch for w in e.words])), children)
        return self.head(h)[:, 0], roots

    def forward(self, batch: list[Expression]) -> tg.Tensor:
        """Logits (N,) of whole expressions."""
        logits, roots = self.nodes(batch)
        return logits[tg.tensor(roots)]


class TextReader(nn.Module):
    """The same expressions as text, with brackets, read by an LSTM from left to right."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embedding, self.lstm, self.head = nn.Embedding(len(WORDS), 16), nn.LSTM(16, size), nn.Linear(size, 1)

    def forward(self, batch: list[Expression]) -> tg.Tensor:
        """Logits (N,) of whole expressions."""
        texts = nn.utils.rnn.pack_sequence([self.embedding(tg.tensor(e.tokens)) for e in batch], enforce_sorted=False)
        _, (h, _) = self.lstm(texts)
        return self.head(h[-1])[:, 0]


def truth(batch: list[Expression]) -> tg.Tensor:
    """The values of whole expressions, (N,)."""
    return tg.tensor([float(e.values[-1]) for e in batch])


def train(model: nn.Module, rng: random.Random, steps: int, most: int) -> None:
    """Train on fresh expressions of up to `most` values."""
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    bar = progress(range(steps), type(model).__name__)
    for step in bar:
        if step == 2 * steps // 3:
            optimizer.param_groups[0]["lr"] = 0.002
        batch = [Expression(rng, rng.randint(1, most)) for _ in range(64)]
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(batch), truth(batch))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)


@tg.no_grad()
def right(model: nn.Module, batch: list[Expression]) -> float:
    """The share of expressions whose value is found."""
    return ((model(batch) > 0) == (truth(batch) > 0.5)).float().mean().item()


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Train both; return how many expressions of each size they get right, and how many parts the tree knows."""
    parser = build_parser(__doc__, "tree_expressions")
    parser.add_argument("--steps", type=number(int, 1), default=300, help="training steps of 64 expressions")
    parser.add_argument("--size", type=number(int, 1), default=32, help="units")
    parser.add_argument("--most", type=number(int, 1), default=6, help="values in the largest expression to learn from")
    args = begin(parser, argv)
    sizes = [1, 2, 4, 6, 8, 12, 16, 24, 32]
    tests = {n: [Expression(random.Random(f"{args.seed} {n} {i}"), n) for i in range(200)] for n in sizes}
    shares: dict[str, list[float]] = {}
    axes = plots.new_axes()
    for name, model in (("Tree-LSTM", TreeReader(args.size)), ("LSTM over the text", TextReader(args.size))):
        train(model, random.Random(args.seed), args.steps, args.most)
        shares[name] = [right(model, tests[n]) for n in sizes]
        print(f"{name:20}" + "".join(f"{share:7.1%}" for share in shares[name]))
        axes[0].plot(sizes, shares[name], "o-", label=name)
        if isinstance(model, TreeReader):
            with tg.no_grad():
                logits, _ = model.nodes(tests[12])
            values = tg.tensor([value for e in tests[12] for value in e.values])
            parts = ((logits > 0) == values).float().mean().item()
    print("values in it        " + "".join(f"{n:7}" for n in sizes))
    print(f"the Tree-LSTM's states know {parts:.1%} of the values of all parts, of which it was told none")
    axes[0].axvspan(0, args.most, color="lightgray", alpha=0.5, label="sizes that were learned from")
    axes[0].axhline(0.5, color="gray", linewidth=0.8)
    axes[0].set(title="logical expressions worked out", xlabel="values in the expression", ylabel="share right")
    axes[0].legend(fontsize=8)
    finish(
        args,
        {"tree_expressions.png": axes},
        "Inside of the gray part both have seen such sizes. To the right of it the tree goes on, and the chain comes down.",
    )
    return {"sizes": sizes, "shares": shares, "parts": parts}


if __name__ == "__main__":
    main()
