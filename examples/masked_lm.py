"""A small BERT learns Python's documentation by filling gaps.

::

    python examples/masked_lm.py
    python examples/masked_lm.py --text my.txt --steps 3000

What there is to learn from it:

* **A gap is seen from both sides.** A language model reads from left to right; BERT is shown a window of a text in which 15% of the
  tokens are covered, and guesses these from all the others. Of the covered ones 80% are replaced by a mark, 10% by another token
  and 10% stay, so that the network cannot tell by the mark alone where it will be asked.
* **Measure against what is cheap.** Guessing the most frequent word is right in 3% of the gaps, and guessing by the two neighbours
  alone, from counts, in 17%. The network needs a minute on one core to find out that neighbours matter, and then passes them
  (18%); most of what BERT is known for takes longer texts and patience.
* **What it has learned** can be asked in words: the sentences at the end have a gap, and the likeliest tokens are printed.

Source: Devlin et al., BERT, NAACL (2019)."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from pathlib import Path

from common import begin, build_parser, finish, number, progress

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim, plots
from tinygrad_edu.models import BertConfig, BertForMaskedLM
from tinygrad_edu.text import PAD, UNK, TokenWindows, Vocabulary, bundled_text, drop_repeats, read_text, words

MASK = "<mask>"
SENTENCES = (
    "the object is not <mask>",
    "raises an <mask> if the file does not exist",
    "the <mask> of the list",
    "a class that inherits <mask> another class",
)


def cover(tokens: tg.Tensor, vocab_size: int, mask: int, share: float = 0.15) -> tuple[tg.Tensor, tg.Tensor]:
    """Windows (N, T) with gaps, and where the gaps are: at words that are known, which come after the three marks."""
    places = (tg.rand(*tokens.shape) < share) & (tokens > 2)
    fate = tg.rand(*tokens.shape)
    covered = tokens.masked_fill(places & (fate < 0.8), mask)
    return tg.where(places & (fate >= 0.9), tg.randint(3, vocab_size, tokens.shape), covered), places


class Neighbours:
    """Guessing by counts: the token seen most often between these two neighbours, else after the left one, else at all."""

    def __init__(self, tokens: list[int]) -> None:
        self.between: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
        self.after: dict[int, Counter[int]] = defaultdict(Counter)
        self.most = Counter(token for token in tokens if token > 2).most_common(1)[0][0]
        for left, token, right in zip(tokens, tokens[1:], tokens[2:], strict=False):
            if token > 2:
                self.between[left, right][token] += 1
                self.after[left][token] += 1

    def guess(self, left: int, right: int) -> int:
        for counts in (self.between.get((left, right)), self.after.get(left)):
            if counts:
                return counts.most_common(1)[0][0]
        return self.most


def baselines(train: list[int], windows: tg.Tensor, covered: tg.Tensor, places: tg.Tensor) -> dict[str, float]:
    """How often the most frequent token, and the neighbours, are right about the gaps."""
    neighbours = Neighbours(train)
    rows, gaps, where = windows.tolist(), covered.tolist(), places.nonzero().tolist()
    right = [
        neighbours.guess(gaps[i][j - 1] if j else -1, gaps[i][j + 1] if j + 1 < len(gaps[i]) else -1) == rows[i][j]
        for i, j in where
    ]
    frequent = [rows[i][j] == neighbours.most for i, j in where]
    return {"most frequent": sum(frequent) / len(where), "neighbours": sum(right) / len(where)}


def evaluate(model: BertForMaskedLM, windows: tg.Tensor, covered: tg.Tensor, places: tg.Tensor) -> tuple[float, float]:
    """The mean loss in bits, and the share of gaps that are filled as they were."""
    model.eval()
    loss, right = 0.0, 0.0
    with tg.no_grad():
        for i in range(0, len(windows), 32):
            part = slice(i, i + 32)
            logits, answers = model(covered[part], places=places[part]), windows[part][places[part]]
            loss += F.cross_entropy(logits, answers, reduction="sum").item()
            right += (logits.argmax(1) == answers).sum().item()
    model.train()
    gaps = places.sum().item()
    return loss / gaps / math.log(2), right / gaps


def fill(model: BertForMaskedLM, vocabulary: Vocabulary, sentence: str, count: int = 4) -> list[str]:
    """The likeliest tokens for the gap of a sentence."""
    tokens = tg.tensor(vocabulary.encode(words(sentence)))[None]
    model.eval()
    with tg.no_grad():
        logits = model(tokens, places=tokens == vocabulary[MASK])[0]
    logits[:3] = -math.inf  # not the marks themselves
    return vocabulary.decode(logits.topk(count).indices)


def main(argv: list[str] | None = None) -> dict[str, object]:
    """Train; return the measures and what fills the gaps of the sentences."""
    parser = build_parser(__doc__, "masked_lm")
    parser.add_argument("--text", type=Path, metavar="FILE", help="learn this text in place of Python's documentation")
    parser.add_argument("--steps", type=number(int, 10), default=1500, help="batches of 64 windows to train on")
    parser.add_argument("--length", type=number(int, 4), default=16, help="tokens in a window")
    parser.add_argument("--vocabulary", type=number(int, 10), default=2000, help="how many different words to know")
    parser.add_argument("--width", type=number(int, 4), default=96, help="of the network, a multiple of 4")
    parser.add_argument("--layers", type=number(int, 1), default=2, help="of the network")
    parser.add_argument("--lr", type=number(float, 0, above=True), default=1e-3, help="highest learning rate of AdamW")
    args = begin(parser, argv)
    try:
        text = bundled_text() if args.text is None else drop_repeats(read_text(args.text))
        tokens = words(text)
        held = len(tokens) // 20
        vocabulary = Vocabulary.build(tokens[:-held], max_size=args.vocabulary, specials=(PAD, UNK, MASK), min_count=2)
        codes = vocabulary.encode(tokens)
        train, test = TokenWindows(codes[:-held], args.length), TokenWindows(codes[-held:], args.length)
        config = BertConfig(
            len(vocabulary),
            args.width,
            args.layers,
            4,
            4 * args.width,
            args.length,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=args.width**-0.5,
        )
    except (OSError, ValueError) as error:
        parser.error(str(error))
    model = BertForMaskedLM(config)
    windows = test.rows(range(min(len(test), 500)))[0].to(args.device)
    covered, places = cover(windows, len(vocabulary), vocabulary[MASK])
    result = baselines(codes[:-held].tolist(), windows, covered, places)
    optimizer = optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.01)
    factor = optim.lr_scheduler.warmup_cosine(max(1, args.steps // 10), args.steps + 1)
    schedule = optim.lr_scheduler.LambdaLR(optimizer, factor)
    history: dict[str, list[float]] = {"train/loss": [], "test/loss": []}
    draw, losses = random.Random(args.seed), []
    bar = progress(range(args.steps), "filling gaps")
    for step in bar:
        batch = train.rows([draw.randrange(len(train)) for _ in range(64)])[0].to(args.device)
        given, gaps = cover(batch, len(vocabulary), vocabulary[MASK])
        loss = F.cross_entropy(model(given, places=gaps), batch[gaps])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item() / math.log(2))
        if (step + 1) % max(1, args.steps // 10) == 0:
            bits, right = evaluate(model, windows, covered, places)
            history["train/loss"].append(sum(losses) / len(losses))
            history["test/loss"].append(bits)
            losses = []
            speed = 64 * args.length / max(bar.format_dict["elapsed"] / (step + 1), 1e-9)
            bar.set_postfix(bits=f"{bits:.2f}", right=f"{right:.1%}", tokens_s=f"{speed:.0f}")
    result["network"] = right
    print("gaps of held-out text that are filled as they were:")
    for name, share in result.items():
        print(f"  {name:<14} {share:.1%}")
    filled = {sentence: fill(model, vocabulary, sentence) for sentence in SENTENCES}
    for sentence, guesses in filled.items():
        print(f"{sentence.replace(MASK, '____'):<48} {', '.join(guesses)}")
    finish(
        args,
        {"history.png": plots.plot_history(history)},
        "The words that fill the gaps are of the right kind (a noun, a preposition, an error) long before they are the right ones.",
    )
    return {"right": result, "bits": history["test/loss"], "filled": filled}


if __name__ == "__main__":
    main()
