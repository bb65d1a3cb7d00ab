"""A recurrent network reads a name letter by letter, and says where it is from; another one writes new names.

::

    python examples/names.py
    python examples/names.py --names FOLDER

The names need no download: Unicode gives each syllable of a writing system its name, and Python knows them. "ggyael" is a Korean
syllable, "nzup" is one of Yi, "lugal" the Sumerian sign for a king. `--names` reads lists of your own: a file KIND.txt for each kind
in a folder, a name on each line.

What there is to learn from it:

* **Many to one.** The network's state after the last letter is what it remembers of the name. A linear layer reads the kind from it.
  Names of a batch differ in length: they are packed, so that nobody reads padding.
* **The confusion matrix** shows which kinds sound alike.
* **One to many.** The writer gets the kind along with each letter, and predicts the next letter; what it draws is read again. Its
  judge is the first network. How many of its names are in no list?

Of 338 names that it has not seen the reader recognises 92% (24% would be right by always saying "Hangul" or "Yi"). Of the
writer's names 44% are in no list, and the reader takes 86% for what they were meant to be: after 15 seconds of one core for both.

Source of the task: the character-level tutorials of PyTorch, by Sean Robertson."""

from __future__ import annotations

import random

from common import begin, build_parser, finish, number, progress
from sound_names import read_folder, unicode_names

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim, plots
from tinygrad_edu.models import generate
from tinygrad_edu.nn.utils.rnn import pack_padded_sequence, pad_sequence
from tinygrad_edu.text import BOS, EOS, PAD, UNK, Vocabulary

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
Named = tuple[str, int]


class Reader(nn.Module):
    """Names (T, N) to the scores of their kinds (N, C)."""

    def __init__(self, letters: int, kinds: int, hidden: int, cell: str) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters, hidden)
        self.rnn = CELLS[cell](hidden, hidden)
        self.linear = nn.Linear(hidden, kinds)

    def forward(self, names: tg.Tensor, lengths: list[int]) -> tg.Tensor:
        packed = pack_padded_sequence(self.embedding(names), lengths, enforce_sorted=False)
        _, state = self.rnn(packed)
        return self.linear((state[0] if isinstance(state, tuple) else state)[-1])


class Writer(nn.Module):
    """Letters (T, N) and the kinds of names (N,) to the scores of the letters that follow (T, N, V)."""

    def __init__(self, letters: int, kinds: int, hidden: int, cell: str) -> None:
        super().__init__()
        self.letters = nn.Embedding(letters, hidden)
        self.kinds = nn.Embedding(kinds, hidden)
        self.rnn = CELLS[cell](2 * hidden, hidden)
        self.linear = nn.Linear(hidden, letters)

    def forward(self, letters: tg.Tensor, kinds: tg.Tensor, state: object = None) -> tuple[tg.Tensor, object]:
        kind = self.kinds(kinds).expand(len(letters), -1, -1)
        out, state = self.rnn(tg.cat([self.letters(letters), kind], 2), state)
        return self.linear(out), state

    def write(self, kind: int, count: int, vocabulary: Vocabulary, temperature: float) -> list[str]:
        """Draw names of one kind, letter by letter."""

        def step(letters: tg.Tensor, state: object) -> tuple[tg.Tensor, object]:
            scores, state = self(letters[None], tg.full((len(letters),), kind), state)
            return scores[0], state

        start = tg.full((count, 1), vocabulary[BOS])
        banned = [vocabulary[special] for special in (PAD, UNK, BOS)]
        found = generate(step, start, 20, temperature=temperature, stop=[vocabulary[EOS]], banned=banned)
        return ["".join(vocabulary.decode(row)) for row in found]


class Data:
    """Names as numbers."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    def to_read(self, batch: list[Named]) -> tuple[tg.Tensor, list[int], tg.Tensor]:
        """Letters (T, N), lengths and kinds."""
        x = pad_sequence([tg.tensor(self.vocabulary.encode(name)) for name, _ in batch])
        return x, [len(name) for name, _ in batch], tg.tensor([kind for _, kind in batch])

    def to_write(self, batch: list[Named]) -> tuple[tg.Tensor, tg.Tensor, tg.Tensor]:
        """Letters (T, N), those that follow, with -100 behind the end, and kinds."""
        codes = [self.vocabulary.encode([BOS, *name, EOS]) for name, _ in batch]
        x = pad_sequence([tg.tensor(row[:-1]) for row in codes])
        y = pad_sequence([tg.tensor(row[1:]) for row in codes], padding_value=-100)
        return x, y, tg.tensor([kind for _, kind in batch])

    @staticmethod
    def batches(names: list[Named], size: int) -> list[list[Named]]:
        order = tg.randperm(len(names)).tolist()
        return [[names[i] for i in order[k : k + size]] for k in range(0, len(names), size)]


def judged(reader: Reader, data: Data, names: list[Named]) -> tg.Tensor:
    """The kinds that the reader takes names for."""
    with tg.no_grad():
        x, lengths, _ = data.to_read(names)
        return reader(x, lengths).argmax(1)


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Train the reader and the writer; return how often the reader is right, and how the writer's names are judged."""
    parser = build_parser(__doc__, "names")
    parser.add_argument("--names", metavar="FOLDER", help="lists of names, KIND.txt, in place of Unicode's")
    parser.add_argument("--cell", choices=CELLS, default="gru", help="the recurrent network")
    parser.add_argument("--hidden", type=number(int, 1), default=64, help="size of its state")
    parser.add_argument("--each", type=number(int, 10), default=400, help="names of each kind at most")
    parser.add_argument("--epochs", type=number(int, 1), default=20, help="passes over the names, for each network")
    parser.add_argument("--batch", type=number(int, 1), default=32, help="names a step")
    parser.add_argument("--lr", type=number(float, 0, above=True), default=4e-3, help="learning rate of Adam")
    parser.add_argument("--temperature", type=number(float, 0), default=0.7, help="how daring the writer is")
    args = begin(parser, argv)
    try:
        lists = unicode_names() if args.names is None else read_folder(args.names)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    draw = random.Random(args.seed)
    kinds = list(lists)
    train: list[Named] = []
    test: list[Named] = []
    for k, names in enumerate(lists.values()):
        some = draw.sample(names, min(args.each, len(names)))
        test += [(name, k) for name in some[: len(some) // 5]]
        train += [(name, k) for name in some[len(some) // 5 :]]
    letters = Vocabulary.build((c for name, _ in train for c in name), specials=(PAD, UNK, BOS, EOS))
    data = Data(letters)
    reader = Reader(len(letters), len(kinds), args.hidden, args.cell)
    writer = Writer(len(letters), len(kinds), args.hidden, args.cell)

    def reading(batch: list[Named]) -> tg.Tensor:
        x, lengths, y = data.to_read(batch)
        return F.cross_entropy(reader(x, lengths), y)

    def writing(batch: list[Named]) -> tg.Tensor:
        x, y, kind = data.to_write(batch)
        return F.cross_entropy(writer(x, kind)[0].flatten(0, 1), y.flatten())

    history: dict[str, list[float]] = {}
    for name, model, loss_of in (("reader", reader, reading), ("writer", writer, writing)):
        optimizer = optim.Adam(model.parameters(), lr=args.lr)
        scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
        bar = progress(range(args.epochs), name, "epoch")
        for _ in bar:
            for batch in data.batches(train, args.batch):
                loss = loss_of(batch)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
            scheduler.step()
            with tg.no_grad():
                history.setdefault(f"{name}, new names", []).append(loss_of(test).item())
            bar.set_postfix(loss=f"{history[f'{name}, new names'][-1]:.3f}")
    truth = tg.tensor([kind for _, kind in test])
    found = judged(reader, data, test)
    largest = max(sum(k == kind for _, k in test) for kind in range(len(kinds))) / len(test)
    result = {"right": (found == truth).float().mean().item(), "largest kind": largest}
    print(
        f"{len(train)} names of {len(kinds)} kinds to learn from; of {len(test)} new ones {result['right']:.1%} are recognised"
    )
    print(f"(always saying the most frequent kind would be right in {largest:.1%})\n\nwritten:")
    known = {name for names in lists.values() for name in names}
    written: list[Named] = []
    for k, kind in enumerate(kinds):
        mine = [name for name in writer.write(k, 50, letters, args.temperature) if name]
        written += [(name, k) for name in mine]
        print(f"{kind:>12}: {', '.join(dict.fromkeys(mine[:8]))}")
    taken = judged(reader, data, written)
    result["as meant"] = (taken == tg.tensor([k for _, k in written])).float().mean().item()
    result["new"] = sum(name not in known for name, _ in written) / len(written)
    print(
        f"\nthe reader takes {result['as meant']:.1%} of what was written for what was meant; {result['new']:.1%} is in no list"
    )
    matrix = plots.plot_confusion_matrix(plots.confusion_matrix(truth, found, len(kinds)), kinds)
    matrix.tick_params(axis="x", rotation=60)
    finish(
        args,
        {"confusion.png": matrix, "history.png": plots.plot_history(history)},
        "The confusion matrix: which kinds are taken for each other, and do they sound alike to you? The written names: would you "
        "tell them from real ones?",
    )
    return result


if __name__ == "__main__":
    main()
