"""What the gates of an LSTM do while it reads: forget, input and output, unit by unit and character by character.

::

    python examples/lstm_gates.py
    python examples/lstm_gates.py --read "a text of your own, (with brackets)"

What there is to learn from it, from a small LSTM that has learned to guess the next character of the topics of Python's ``help()``:

* **Forget gate near 1**: the unit keeps what it knows; **near 0**: it begins anew. Units divide the work: some of them keep for
  whole lines, others are wiped at the end of each word.
* **Input gate**: when something new is written into the memory. **Output gate**: when the memory is shown to the
  rest of the network, which may be long after it was written.
* Nobody told any unit what to watch. To find those that watch the ends of words, the forget gates of all units are compared
  with where the spaces are, on text that the network was not trained on (Karpathy, Johnson and Li, 2015, look at such units too).

It trains for a quarter of a minute (14 s of CPU time, 2.3 bits a character). The gates are computed from the weights step by
step, by the equations of ``nn.LSTM``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from common import begin, build_parser, finish, number, progress
from text_data import Corpus, load_corpus, streams

import tinygrad_edu as tg
from tinygrad_edu import nn, optim, plots
from tinygrad_edu.utils.bptt import TruncatedBPTT

GATES = ("input", "forget", "output")


class CharLSTM(nn.Module):
    """Characters to logits of the next ones: an embedding, one LSTM layer, a linear layer."""

    def __init__(self, vocabulary: int, size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 32)
        self.lstm = nn.LSTM(32, size)
        self.head = nn.Linear(size, vocabulary)

    def forward(self, codes: tg.Tensor, state: Any = None) -> tuple[tg.Tensor, Any]:
        """(T, N) to logits (T, N, V) and the state."""
        out, state = self.lstm(self.embedding(codes), state)
        return self.head(out), state


@tg.no_grad()
def gates(model: CharLSTM, codes: tg.Tensor) -> dict[str, np.ndarray[Any, Any]]:
    """The gates of each unit while one sequence (T,) is read, each (T, H)."""
    lstm = model.lstm
    h = c = tg.zeros(lstm.hidden_size)
    found: dict[str, list[Any]] = {name: [] for name in GATES}
    for x in model.embedding(codes):
        all_gates = lstm.weight_ih_l0 @ x + lstm.bias_ih_l0 + lstm.weight_hh_l0 @ h + lstm.bias_hh_l0
        i, f, g, o = all_gates.chunk(4)
        i, f, o = i.sigmoid(), f.sigmoid(), o.sigmoid()
        c = f * c + i * g.tanh()
        h = o * c.tanh()
        for name, gate in zip(GATES, (i, f, o), strict=True):
            found[name].append(gate.cpu().numpy())
    return {name: np.stack(rows) for name, rows in found.items()}


def train(model: CharLSTM, corpus: Corpus, steps: int, batch: int = 32, length: int = 50) -> None:
    """Train by truncated backpropagation through time, from the beginning of the text on."""
    optimizer = optim.Adam(model.parameters(), lr=0.004)
    rng = np.random.default_rng(0)
    walk = TruncatedBPTT(model, length)
    bar = progress(range(steps), "training", tokens=batch * length)
    rest = iter(bar)
    while True:
        walk.reset()
        inputs, targets = (tg.tensor(part) for part in streams(corpus.train, batch, rng))
        for chunk in walk.walk(inputs, targets):
            if next(rest, None) is None:
                return
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(chunk.output.flatten(0, 1), chunk.target.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            bar.set_postfix(bits=f"{loss.item() / math.log(2):.2f}", refresh=False)


@tg.no_grad()
def bits(model: CharLSTM, codes: tg.Tensor) -> float:
    """Bits for each character of a sequence (T,)."""
    logits, _ = model(codes[:-1, None])
    return nn.functional.cross_entropy(logits[:, 0], codes[1:]).item() / math.log(2)


def correlation(values: np.ndarray[Any, Any], event: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The correlation of each column of (T, H) with where an event happens, (T,)."""
    a, b = values - values.mean(0), event - event.mean()
    return (a * b[:, None]).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum() + 1e-12)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Train, look for units, and draw; return what was found as numbers."""
    parser = build_parser(__doc__, "lstm_gates")
    parser.add_argument("--text", metavar="FILE", help="train on this text instead of Python's help topics")
    parser.add_argument("--read", metavar="TEXT", help="what to read for the picture, instead of held-out text")
    parser.add_argument("--steps", type=number(int, 1), default=600, help="training steps")
    parser.add_argument("--size", type=number(int, 4), default=96, help="units")
    args = begin(parser, argv)
    try:
        corpus = load_corpus(args.text)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    model = CharLSTM(len(corpus.vocabulary), args.size)
    train(model, corpus, args.steps)

    held_out = tg.tensor(corpus.held_out[:2000, 3], dtype=tg.int64)
    score = bits(model, held_out)
    text = [corpus.vocabulary[code] for code in held_out.tolist()]
    found = gates(model, held_out)
    events = {
        "spaces": np.array([c == " " for c in text], float),
        "ends of lines": np.array([c == "\n" for c in text], float),
        "letters": np.array([c.isalpha() for c in text], float),
    }
    # Halves: units are chosen on the one and judged on the other, since the best of many looks good by chance.
    half = len(text) // 2
    chosen: dict[str, tuple[int, float]] = {}
    for what, event in events.items():
        first = correlation(found["forget"][:half], event[:half])
        unit = int(np.abs(first).argmax())
        chosen[what] = unit, float(correlation(found["forget"][half:], event[half:])[unit])
        print(f"unit {unit:3}: its forget gate goes with the {what}, correlation {chosen[what][1]:+.2f} on other text")
    kept = found["forget"].mean(0)
    order = np.argsort(kept)
    print(
        f"held out: {score:.2f} bits a character; mean forget gate {kept.mean():.2f}, from {kept.min():.2f} to {kept.max():.2f}"
    )

    read = args.read or "".join(text[half : half + 90])
    codes = corpus.encode(read)
    if len(codes) < 2:
        parser.error("--read: at least two characters that the text has are needed")
    shown = [corpus.vocabulary[code].replace("\n", "¶").replace(" ", "␣") for code in codes]
    seen = gates(model, tg.tensor(codes, dtype=tg.int64))
    special = list(dict.fromkeys(unit for unit, _ in chosen.values()))
    rest = [int(u) for u in order[np.linspace(0, len(order) - 1, 9).astype(int)] if int(u) not in special]
    units = special + rest
    axes = plots.new_axes(3, 1, (max(8.0, 0.16 * len(shown)), 2.6))
    for ax, name in zip(axes, ("forget", "input", "output"), strict=True):
        image = ax.imshow(seen[name][:, units].T, aspect="auto", cmap="RdYlBu", vmin=0, vmax=1, interpolation="nearest")
        ax.set_xticks(range(len(shown)), shown, fontsize=7, family="monospace")
        ax.set_yticks(range(len(units)), [f"unit {u}" for u in units], fontsize=7)
        ax.axhline(len(special) - 0.5, color="black", linewidth=1)
        ax.set_title(f"{name} gate", fontsize=10)
        ax.figure.colorbar(image, ax=ax, pad=0.01)
    finish(
        args,
        {"lstm_gates.png": axes},
        "Above the black line the units whose forget gates go with the spaces (␣), the ends of lines (¶) and the letters best. Red is "
        "closed: where a row of the first picture is red at each space, this unit is wiped between words; where it is blue "
        "all along, it keeps. Below the line other units, from the most forgetful to the most faithful.",
    )
    return {
        "bits": score,
        "correlation": {what: value for what, (_, value) in chosen.items()},
        "forget": (float(kept.min()), float(kept.max())),
    }


if __name__ == "__main__":
    main()
