"""A Transformer translates dates, or the sentences of a file of yours.

::

    python examples/transformer_translate.py                       # "march 3rd, 1999" to "1999-03-03", letter by letter
    python examples/transformer_translate.py --pairs deu.txt       # two columns and a tab between them, word by word

What there is to learn from it:

* **No recurrence.** The encoder reads all letters at once; the decoder is trained on all letters of the answer at once,
  each of which sees those before it alone. Only writing goes step by step, and keeps the keys and values of what was written.
* **Attention is an alignment.** The picture shows, for each letter that is written, at which letters of the source the last
  layer looks: at the year for the year, at the name of the month for its number.
* **How it is trained**: the rate rises and then falls, and a tenth of each target is spread over all letters (label smoothing),
  which keeps the network from being too sure. Of new dates 97% are without a mistake after 100 s on one core.

Source: Vaswani et al., Attention is all you need (2017)."""

from __future__ import annotations

import time
from pathlib import Path

from common import Training, begin, build_parser, finish, number

import tinygrad_edu as tg
from tinygrad_edu import datasets, nn, optim, plots
from tinygrad_edu.models import AttentionDecoder, AttentionEncoder, Seq2Seq
from tinygrad_edu.text import BOS, EOS, PAD, UNK, EncodedPairs, Vocabulary, read_pairs, words
from tinygrad_edu.utils.data import BucketBatchSampler, DataLoader


def written(model: Seq2Seq, data: EncodedPairs, longest: int) -> list[str]:
    """What the model writes for every source."""
    found: list[str] = []
    for batch in DataLoader(data, batch_size=200, collate_fn=data.collate):
        source = batch.source.to(tg.get_default_device())
        found += [data.decode(tokens) for tokens in model.generate(source, batch.lengths, max_length=longest)]
    return found


def draw_alignment(model: Seq2Seq, data: EncodedPairs, source: Vocabulary) -> object:
    """Where the last layer looks while it reads the target of the first pair."""
    batch = data.collate([data[0]])
    weights = model.align(batch.source.to(tg.get_default_device()), batch.target.to(tg.get_default_device()))[0]
    ax = plots.new_axes(size=(6.0, 4.0))[0]
    ax.imshow(weights.cpu().numpy(), cmap="viridis", vmin=0, aspect="auto")
    read, answer = source.decode(batch.source[0]), data.target.decode(batch.target[0, 1:])
    ax.set(xticks=range(len(read)), yticks=range(len(answer)), xlabel="source", ylabel="written")
    ax.set_xticklabels(read, rotation=0 if max(map(len, read)) == 1 else 90)
    ax.set_yticklabels(answer)
    return ax


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Train, and return the share of held-out pairs that are translated without a mistake."""
    parser = build_parser(__doc__, "transformer_translate", resume=True)
    parser.add_argument("--pairs", type=Path, metavar="FILE", help="translate these: source, tab, target on each line")
    parser.add_argument("--train", type=number(int, 10), default=8000, help="pairs to learn from, at most")
    parser.add_argument("--test", type=number(int, 1), default=500, help="other pairs to be tested on")
    parser.add_argument("--epochs", type=number(int, 1), default=15, help="passes over the pairs")
    parser.add_argument("--width", type=number(int, 4), default=64, help="of the network, a multiple of 4")
    parser.add_argument("--layers", type=number(int, 1), default=2, help="of encoder and decoder")
    parser.add_argument("--dropout", type=number(float, 0, 1), default=0.0, help="share of elements zeroed in training")
    parser.add_argument("--batch", type=number(int, 1), default=64, help="pairs a step")
    parser.add_argument("--lr", type=number(float, 0, above=True), default=2e-3, help="highest learning rate of AdamW")
    args = begin(parser, argv)
    if args.width % 4:
        parser.error(f"--width must be a multiple of the 4 heads, got {args.width}")
    cut = list if args.pairs is None else words
    try:
        pairs = datasets.dates(args.train + args.test) if args.pairs is None else read_pairs(args.pairs)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if len(pairs) <= args.test:
        parser.error(f"{len(pairs)} pairs leave none to learn from; lower --test, which is {args.test}")
    order = tg.randperm(len(pairs), device="cpu").tolist()
    held_out = [pairs[i] for i in order[: args.test]]
    known = [pairs[i] for i in order[args.test :][: args.train]]
    least = 1 if args.pairs is None else 2
    source, target = (
        Vocabulary.build((t for pair in known for t in cut(pair[side])), min_count=least, specials=(PAD, UNK, BOS, EOS))
        for side in (0, 1)
    )
    train, test = (EncodedPairs(part, source, target, cut) for part in (known, held_out))
    longest = [max(len(data[i][side]) for data in (train, test) for i in range(len(data))) for side in (0, 1)]
    sizes = {"width": args.width, "heads": 4, "layers": args.layers, "dropout": args.dropout}
    encoder = AttentionEncoder(len(source), longest=longest[0], **sizes)
    decoder = AttentionDecoder(len(target), longest=longest[1], **sizes)
    model = Seq2Seq(encoder, decoder, bos=target[BOS], eos=target[EOS], padding=target[PAD])
    loader = DataLoader(train, batch_sampler=BucketBatchSampler(train.lengths, args.batch), collate_fn=train.collate)
    optimizer = optim.AdamW(model.parameters(), lr=args.lr)
    total = args.epochs * len(loader)
    schedule = optim.lr_scheduler.LambdaLR(optimizer, optim.lr_scheduler.warmup_cosine(max(1, total // 10), total + 1))
    device, began = tg.get_default_device(), time.process_time()
    history: dict[str, list[float]] = {"train/loss": [], "test/right": []}
    training = Training(args, parser, model=model, optimizer=optimizer, schedule=schedule, history=history)
    wanted = [test.decode(test[i][1][1:-1]) for i in range(len(test))]
    bar = training.progress(args.epochs, "translating", "epoch", tokens=train.tokens)
    for _ in bar:
        losses = []
        for batch in loader:
            loss = model.loss(batch.source.to(device), batch.target.to(device), batch.lengths, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
        answers = written(model, test, longest[1])
        history["train/loss"].append(tg.stack(losses).mean().item())
        history["test/right"].append(sum(a == b for a, b in zip(answers, wanted, strict=True)) / len(wanted))
        bar.set_postfix(loss=f"{history['train/loss'][-1]:.3f}", right=f"{history['test/right'][-1]:.1%}")
    answers = written(model, test, longest[1])
    for (text, _), answer, right in list(zip(held_out, answers, wanted, strict=True))[:8]:
        print(f"{text:>32.32}  {answer}" + ("" if answer == right else f"   (right: {right})"))
    share = history["test/right"][-1]
    print(
        f"\n{share:.1%} of {len(wanted)} new pairs without a mistake, after {time.process_time() - began:.0f} s of CPU time"
    )
    curves = {"losses.png": plots.plot_history(history), "alignment.png": draw_alignment(model, test, source)}
    finish(
        args, curves, "In alignment.png: where does the network look for the month's number, and where for the year?"
    )
    return {"right": share, "loss": history["train/loss"][-1]}


if __name__ == "__main__":
    main()
