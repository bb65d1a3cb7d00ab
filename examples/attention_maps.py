"""Attention as pictures, head by head: how two layers together learn to repeat what they have seen.

::

    python examples/attention_maps.py
    python examples/attention_maps.py --model DIR --sentence "The cat sat on the mat because it was tired."

A GPT of two layers reads random letters that begin again after a while, not always after the same number. The first time
nothing can be predicted; the second time everything, by who remembers. Then the weights of each head are drawn, and measured.
With `--model` it is the heads of a network that its home library has saved (BERT, GPT-2 or LLaMA, with its tokenizer.json).

What there is to learn from it:

* **Row i of a picture says where token i looks.** Each row is a distribution; in a GPT the upper triangle is empty.
* **Previous-token heads** draw a line next to the diagonal: token i looks at token i - 1. One in the first layer is enough to
  write into every place which letter came before.
* **Induction heads** in the second layer draw a line further off: token i looks at the place behind the earlier occurrence of the
  same letter, whose predecessor (as the first layer has noted there) is what was just read. What stands there comes next.
* **They arrive together**, and the loss falls when they do: within three quarters of a minute on one core.

Source: Olsson et al., In-context learning and induction heads (2022)."""

from __future__ import annotations

from pathlib import Path

from common import begin, build_parser, finish, number, progress

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import optim, plots
from tinygrad_edu.models import GPT, GPTConfig, attention_maps, load_pretrained
from tinygrad_edu.text import SubwordTokenizer

LETTERS = 24


def repeating(count: int, length: int) -> tuple[tg.Tensor, tg.Tensor]:
    """Rows (N, T) of random letters that begin again, and after how many letters each row does."""
    periods = tg.randint(length // 4, length // 2 + 1, (count,))
    letters = tg.randint(0, LETTERS, (count, length))
    return letters.gather(1, tg.arange(length) % periods[:, None]), periods


def train(model: GPT, steps: int, length: int, lr: float) -> list[float]:
    """Predict the letters that have been there before; return the losses."""
    optimizer = optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    schedule = optim.lr_scheduler.LambdaLR(
        optimizer, optim.lr_scheduler.warmup_cosine(max(1, steps // 20), steps + 1, 0.1)
    )
    losses = []
    bar = progress(range(steps), "repeating", tokens=32 * length)
    for _ in bar:
        rows, periods = repeating(32, length + 1)
        known = tg.arange(length) + 1 >= periods[:, None]
        loss = F.cross_entropy(model(rows[:, :-1])[known], rows[:, 1:][known])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        bar.set_postfix(loss=f"{losses[-1]:.3f}")
    return losses


def measure(model: GPT, length: int, count: int = 64) -> list[list[tuple[float, float]]]:
    """For each layer and head how much it looks at the previous token, and at the one behind the same letter one period ago."""
    rows, periods = repeating(count, length)
    place = tg.arange(length)
    back = place - periods[:, None] + 1  # (N, T)
    second = back >= 1
    index = back.clamp(min=0)[:, None, :, None]
    found = []
    for weights in attention_maps(model, rows):
        heads = weights.shape[1]
        previous = weights.diagonal(-1, 2, 3).mean((0, 2)).tolist()
        behind = weights.gather(3, index.expand(-1, heads, -1, -1))[..., 0]  # (N, H, T)
        mask = second[:, None].expand(-1, heads, -1).to(behind.dtype)
        induction = ((behind * mask).sum((0, 2)) / mask.sum((0, 2))).tolist()
        found.append(list(zip(previous, induction, strict=True)))
    return found


def draw(maps: list[tg.Tensor], titles: list[list[str]], labels: list[str] | None = None) -> list[object]:
    """The weights of the first row of a batch: a row of pictures for each layer, one for each head."""
    heads = maps[0].shape[1]
    size = 2.0 if labels is None else 2.8
    axes = plots.new_axes(len(maps), heads, (size, size))
    for i, weights in enumerate(maps):
        for j in range(heads):
            ax = axes[i * heads + j]
            ax.imshow(weights[0, j].cpu().numpy(), cmap="viridis", vmin=0)
            ax.set_title(titles[i][j], fontsize=8)
            ax.set(xticks=[], yticks=[])
            if labels is not None:
                ax.set(xticks=range(len(labels)), yticks=range(len(labels)))
                ax.set_xticklabels(labels, rotation=90, fontsize=6)
                ax.set_yticklabels(labels, fontsize=6)
    return axes


def look_into(folder: Path, sentence: str, layers: int) -> list[object]:
    """The heads of the last layers of a saved network as it reads a sentence."""
    model, tokenizer = load_pretrained(folder), SubwordTokenizer.load(folder / "tokenizer.json")
    tokens = tokenizer.encode(sentence)
    maps = attention_maps(model, tg.tensor(tokens)[None])
    first = max(0, len(maps) - layers)
    titles = [[f"layer {i + 1}, head {j + 1}" for j in range(maps[0].shape[1])] for i in range(first, len(maps))]
    return draw(maps[first:], titles, [tokenizer.decode([token]) for token in tokens])


def main(argv: list[str] | None = None) -> dict[str, object]:
    """Train and draw; return the last losses and what the heads do."""
    parser = build_parser(__doc__, "attention_maps")
    parser.add_argument("--steps", type=number(int, 10), default=1500, help="batches of 32 rows to train on")
    parser.add_argument("--length", type=number(int, 8), default=40, help="letters in a row")
    parser.add_argument("--heads", type=number(int, 1), default=4, help="of each of the two layers")
    parser.add_argument("--lr", type=number(float, 0, above=True), default=3e-3, help="highest learning rate of AdamW")
    parser.add_argument("--model", type=Path, metavar="DIR", help="look into a saved network in place of training one")
    parser.add_argument("--sentence", default="The cat sat on the mat because it was tired.", help="what that reads")
    parser.add_argument("--layers", type=number(int, 1), default=3, help="how many of its last layers to draw")
    args = begin(parser, argv)
    if args.model is not None:
        try:
            axes = look_into(args.model, args.sentence, args.layers)
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            parser.error(str(error))
        finish(args, {"sentence.png": axes}, "Which heads look at a neighbour, which at the marks around the sentence?")
        return {}
    model = GPT(GPTConfig(LETTERS, args.length, n_layer=2, n_head=args.heads, n_embd=16 * args.heads))
    losses = train(model, args.steps, args.length, args.lr)
    model.eval()
    scores = measure(model, args.length)
    print("where the heads look, mean weights:      previous token    behind the same letter, one period ago")
    for i, layer in enumerate(scores):
        for j, (previous, induction) in enumerate(layer):
            print(f"  layer {i + 1}, head {j + 1} {previous:36.0%} {induction:28.0%}")
    rows, _ = repeating(1, args.length)
    titles = [[f"previous {p:.0%}, induction {q:.0%}" for p, q in layer] for layer in scores]
    curve = plots.new_axes(size=(5.0, 3.0))[0]
    curve.plot(losses)
    curve.set(xlabel="step", ylabel="loss on what was seen before", ylim=(0, None))
    finish(
        args,
        {"heads.png": draw(attention_maps(model, rows), titles), "loss.png": curve},
        "In heads.png a line next to the diagonal is a head that looks at the previous token, one further off looks behind the same "
        "letter one period ago. In loss.png nothing happens for a while, and then it falls: then the two have found each other.",
    )
    return {"losses": losses, "scores": scores}


if __name__ == "__main__":
    main()
