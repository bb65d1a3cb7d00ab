"""Train a recurrent network to predict the next character of a text, and compare it with counting.

::

    python examples/char_lm.py                                # three minutes on two cores
    python examples/char_lm.py --text my.txt --device cuda
    python examples/char_lm.py --resume                       # go on after an interruption, as if there had been none
    python examples/char_lm.py --sample-only --temperature 0.5 --top-p 0.9 --prompt "The "

What there is to learn from it:

* **Truncated backpropagation through time.** The text is read as N parallel streams. Each step unrolls the network over
  the next T characters of every stream; its hidden state starts where the step before ended, but *detached*: values
  flow from chunk to chunk, gradients don't, so that a step costs the same however long the text.
* **Measures.** The mean cross-entropy on text that wasn't trained on, in bits per character (what a compressor based on
  the model would need) and as perplexity, :math:`2^{bits}` (the model is as unsure as among so many equal choices). The
  same characters are predicted by an n-gram model that only counts (``ngram.py``).
* **Restarting.** A checkpoint holds everything that the next step depends on: parameters, optimizer moments, carried
  state, and the random state of dropout. A resumed run gives the very losses of an uninterrupted one, bit for bit.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from char_lm_options import MODEL_OPTIONS, RUN_OPTIONS, build_parser
from ngram import held_out_bits
from text_data import PARTS, Corpus, load_corpus, streams
from tqdm import tqdm

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim
from tinygrad_edu.models import generate, stream
from tinygrad_edu.models.language_model import held_out_loss
from tinygrad_edu.random import default_generator
from tinygrad_edu.utils.bptt import detach_state

State = list[tuple[tg.Tensor, ...]]  # for each layer: (h,), or (h, c) of an LSTM; each of shape (1, N, H)


class CharLM(nn.Module):
    """Embedding, recurrent layers, and a linear layer that gives one logit for each character of the alphabet.

    Parameters
    ----------
    vocab_size
        The number of different characters V.
    cell
        ``"rnn"``, ``"gru"`` or ``"lstm"``.
    embedding, hidden, layers
        Sizes: the vector of a character, the hidden state H, and how many recurrent layers are stacked.
    dropout, input_dropout
        The shares of the outputs of each recurrent layer, and of the embeddings, that are zeroed while training.
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        cell: str,
        embedding: int,
        hidden: int,
        layers: int,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        kind = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.embed = nn.Embedding(vocab_size, embedding)
        self.recurrent = nn.ModuleList([kind(hidden if i else embedding, hidden) for i in range(layers)])
        self.input_dropout = nn.Dropout(input_dropout)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, vocab_size)

    def forward(self, characters: tg.Tensor, state: State | None = None) -> tuple[tg.Tensor, State]:
        """Map characters (T, N) and the state before them to logits (T, N, V) and the state after them."""
        x = self.input_dropout(self.embed(characters))
        after: State = []
        for i, layer in enumerate(self.recurrent):
            before = None
            if state is not None:
                before = state[i] if isinstance(layer, nn.LSTM) else state[i][0]
            x, end = layer(x, before)
            x = self.dropout(x)
            after.append(end if isinstance(end, tuple) else (end,))
        return self.head(x), after

    def step(self, characters: tg.Tensor, state: State | None = None) -> tuple[tg.Tensor, State]:
        """Map one character of each text (N,) to the logits (N, V) of the next one: what ``generate`` asks for."""
        return self.prefill(characters.unsqueeze(1), state)

    def prefill(self, characters: tg.Tensor, state: State | None = None) -> tuple[tg.Tensor, State]:
        """Map the beginnings of texts (N, T) to the logits (N, V) of what follows."""
        logits, state = self(characters.transpose(0, 1), state)
        return logits[-1], state


def learning_rate(step: int, total: int, peak: float, warmup: float) -> float:
    """Rise linearly over the first ``warmup`` share of the steps, then fall to zero along half a cosine."""
    done = step / total
    return peak * min(1.0, (done + 1 / total) / max(warmup, 1 / total)) * 0.5 * (1.0 + math.cos(math.pi * done))


@dataclass
class Run:
    """A training run: everything that a checkpoint must hold, and nothing else."""

    options: dict[str, Any]  # the values of RUN_OPTIONS
    vocabulary: str
    digest: str  # of the text
    device: str
    model: CharLM
    optimizer: optim.Optimizer
    step: int = 0
    state: State | None = None  # carried from chunk to chunk; None at the beginning of an epoch
    losses: list[float] = field(default_factory=list)  # of every step, nats per character
    epochs: list[dict[str, float]] = field(default_factory=list)  # measures at the end of every epoch

    @classmethod
    def new(cls, options: dict[str, Any], vocabulary: str, digest: str, device: str) -> Run:
        """Draw fresh parameters from the seed."""
        tg.manual_seed(options["seed"])
        model = CharLM(len(vocabulary), **{name: options[name] for name in MODEL_OPTIONS}).to(device)
        return cls(options, vocabulary, digest, device, model, optim.Adam(model.parameters(), lr=options["lr"]))

    @classmethod
    def from_checkpoint(cls, saved: dict[str, Any], device: str) -> Run:
        """Put a run back to where ``save`` left it."""
        run = cls.new(saved["options"], saved["vocabulary"], saved["digest"], device)
        run.model.load_state_dict(saved["model"])
        run.optimizer.load_state_dict(saved["optimizer"])
        run.step, run.losses, run.epochs = saved["step"], list(saved["losses"]), list(saved["epochs"])
        if saved["state"] is not None:
            run.state = [tuple(part.to(device) for part in layer) for layer in saved["state"]]
        default_generator(device).set_state(saved["rng"])  # last, because building the model has drawn from it
        return run

    def save(self, path: Path) -> None:
        """Write the checkpoint; whoever is interrupted while writing still has the one before."""
        saved = {
            "options": self.options,
            "vocabulary": self.vocabulary,
            "digest": self.digest,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "state": None if self.state is None else [list(layer) for layer in self.state],
            "losses": self.losses,
            "epochs": self.epochs,
            "rng": default_generator(self.device).get_state(),
        }
        tg.save(saved, path)


def train_step(run: Run, inputs: tg.Tensor, targets: tg.Tensor, total_steps: int) -> float:
    """Make one step of truncated backpropagation on a chunk (T, N), and return its loss in nats per character."""
    options = run.options
    lr = learning_rate(run.step, total_steps, options["lr"], options["warmup"])
    run.optimizer.param_groups[0]["lr"] = lr
    logits, state = run.model(inputs, run.state)
    loss = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))
    run.optimizer.zero_grad()
    loss.backward()
    # Through T steps a gradient may grow exponentially; its direction is still right, its length isn't.
    nn.utils.clip_grad_norm_(run.model.parameters(), options["clip"])
    run.optimizer.step()
    run.step += 1
    run.state = detach_state(state)  # the T of truncated backpropagation ends here
    run.losses.append(loss.item())
    return run.losses[-1]


def train(run: Run, corpus: Corpus, args: argparse.Namespace, ngram_bits: float | None) -> None:
    """Train to the last epoch, writing checkpoints; report each epoch."""
    n, t = args.batch_size, args.bptt
    steps = (corpus.train.size - 1) // n // t  # in an epoch
    total_steps = steps * args.epochs
    bar = tqdm(
        total=total_steps * n * t, initial=run.step * n * t, unit="char", unit_scale=True, disable=None, smoothing=0.1
    )
    run.model.train()
    with bar:
        for epoch in range(run.step // steps, args.epochs):
            # The seed of an epoch, rather than a generator that all share: there is no state of it to be restored.
            chunks = streams(corpus.train, n, np.random.default_rng([args.seed, epoch]))
            inputs, targets = (tg.tensor(codes, device=args.device) for codes in chunks)
            began, before = time.perf_counter(), run.step
            for k in range(run.step % steps, steps):
                rows = slice(k * t, (k + 1) * t)
                loss = train_step(run, inputs[rows], targets[rows], total_steps)
                if not math.isfinite(loss):
                    raise SystemExit(f"char_lm.py: the loss is {loss} in step {run.step}: try a lower --lr or --clip")
                bar.update(n * t)
                bar.set_postfix(epoch=epoch + 1, bits=f"{loss / math.log(2):.3f}", refresh=False)
                if run.step % args.checkpoint_every == 0 and run.step % steps:
                    run.save(args.out / "checkpoint")
            speed = (run.step - before) * n * t / (time.perf_counter() - began)
            end_epoch(run, corpus, args, run.losses[epoch * steps :], speed, ngram_bits)


def end_epoch(
    run: Run, corpus: Corpus, args: argparse.Namespace, losses: list[float], speed: float, ngram_bits: float | None
) -> None:
    """Measure the model on held-out text, write checkpoint and history, and print one line."""
    run.state = None  # the next epoch enters the text elsewhere
    nats = held_out_loss(run.model, tg.tensor(corpus.held_out, device=args.device), chunk=256)
    bits, train_bits = nats / math.log(2), sum(losses) / len(losses) / math.log(2)
    run.epochs.append({"train_bits": train_bits, "held_out_bits": bits, "perplexity": math.exp(nats)})
    run.save(args.out / "checkpoint")
    write_history(run, args.out, ngram_bits)
    # Chance comes from a generator of its own, so that a look at a sample doesn't change the training that follows.
    generator = tg.Generator(args.device).manual_seed(len(run.epochs))
    prompt = tg.tensor(corpus.encode("The ") or [0], device=args.device)
    text = decode(run, generate(run.model, prompt, 40, temperature=0.5, generator=generator))
    tqdm.write(
        f"epoch {len(run.epochs):2d}/{args.epochs}: train {train_bits:.3f}, held-out {bits:.3f} bits per character, "
        f"perplexity {math.exp(nats):.2f}, {speed / 1e3:.1f}k chars/s   The {text!r}"
    )


def decode(run: Run, codes: list[int]) -> str:
    """Turn codes back into text."""
    return "".join(run.vocabulary[c] for c in codes)


def write_history(run: Run, out: Path, ngram_bits: float | None) -> None:
    """Write all losses as JSON, whole or not at all."""
    history = {"losses": run.losses, "epochs": run.epochs, "ngram_bits": ngram_bits}
    temporary = out / "history.json.tmp"
    temporary.write_text(json.dumps(history))
    os.replace(temporary, out / "history.json")


def ngram_baseline(corpus: Corpus, max_order: int) -> float:
    """Score Kneser-Ney models of all orders on the held-out text; print them, and return the bits of the best."""
    bits = held_out_bits(corpus, max_order)
    best = int(np.argmin(bits))  # picked on the held-out text itself, which favours the baseline: so it should be
    print("\nThe baseline counts: modified Kneser-Ney n-grams. Held-out bits per character by order:")
    print("  " + "  ".join(f"{n}: {b:.3f}" for n, b in enumerate(bits, start=1)))
    print(f"  best: order {best + 1} with {bits[best]:.3f} bits, perplexity {2 ** bits[best]:.2f}\n")
    return float(bits[best])


def plot(run: Run, ngram_bits: float | None, path: Path) -> bool:
    """Draw the losses into a picture; without matplotlib there is none."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    bits = np.array(run.losses) / math.log(2)
    window = max(1, bits.size // 200)
    smooth = np.convolve(bits, np.ones(window) / window, mode="valid")
    steps = bits.size // max(1, len(run.epochs))
    axes = (figure := Figure(figsize=(8, 5), layout="constrained")).add_subplot()
    axes.plot(np.arange(smooth.size) + window, smooth, color="tab:blue", alpha=0.6, label="training, with dropout")
    ends = steps * np.arange(1, len(run.epochs) + 1)
    axes.plot(ends, [e["held_out_bits"] for e in run.epochs], "o-", color="tab:orange", label="held-out")
    if ngram_bits is not None:
        axes.axhline(ngram_bits, color="black", linestyle="--", label="held-out, best n-gram")
    axes.set(xlabel="step", ylabel="bits per character", ylim=(min(1.0, bits.min()), min(4.5, bits.max())))
    axes.set_title(f"{run.options['cell'].upper()} with {run.options['hidden']} hidden units")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)
    return True


def print_sample(run: Run, args: argparse.Namespace) -> None:
    """Print a longer sample, character by character as it comes, and write it beside the checkpoint."""
    code = {c: i for i, c in enumerate(run.vocabulary)}
    prompt = [code[c] for c in args.prompt if c in code] or [0]
    print(f"\nA sample at temperature {args.temperature:g} ({args.out / 'sample.txt'}):\n")
    text = decode(run, prompt)
    print("  | " + text.replace("\n", "\n  | "), end="", flush=True)
    for _, drawn in stream(
        run.model,
        tg.tensor(prompt, device=args.device),
        args.sample_length,
        temperature=args.temperature,
        top_k=args.top_k,
        top_p=args.top_p,
        stop=[[code[c] for c in end] for end in args.stop if all(c in code for c in end)],
        generator=tg.Generator(args.device).manual_seed(args.seed),
    ):
        character = run.vocabulary[drawn]
        print("\n  | " if character == "\n" else character, end="", flush=True)
        text += character
    print()
    (args.out / "sample.txt").write_text(text, encoding="utf-8")


def print_conclusion(run: Run, args: argparse.Namespace, ngram_bits: float | None) -> None:
    """Say what came out, and what to look at."""
    last = run.epochs[-1]
    bits = last["held_out_bits"]
    print(f"\nHeld-out text: {bits:.3f} bits per character, perplexity {last['perplexity']:.2f}", end="")
    if ngram_bits is None:
        print(".")
    elif bits < ngram_bits:
        print(f"; the best n-gram needs {ngram_bits:.3f}, {100 * (ngram_bits / bits - 1):.1f} % more.")
    else:
        print(f"; the best n-gram is ahead with {ngram_bits:.3f}: train longer, or with more --hidden units.")
    drawn = plot(run, ngram_bits, args.out / "loss.png")
    print("\nLook at:")
    picture = "the loss curves: where the held-out one crosses the n-gram, and how far the training one falls below it"
    print(f"  {args.out / 'loss.png'}: {picture}" if drawn else "  (no picture: matplotlib isn't installed)")
    print(f"  {args.out / 'history.json'}: every loss")
    print("  the sample above: does it close its brackets and quotes, indent its code, end its words?")
    print("  and at what --sample-only --temperature 0.3 (or 1.0) changes in it")


def parse(argv: list[str] | None) -> tuple[argparse.Namespace, dict[str, Any] | None]:
    """Return the options and, for ``--resume`` and ``--sample-only``, the checkpoint that gives the defaults."""
    parser = build_parser()
    args = parser.parse_args(argv)
    try:
        tg.zeros(1, device=args.device)
    except (RuntimeError, ValueError, TypeError, ImportError) as error:
        parser.error(f"argument --device: {error}")
    if not (args.resume or args.sample_only):
        return args, None
    path = args.out / "checkpoint"
    try:
        saved = tg.load(path)
        options = {name: saved["options"][name] for name in RUN_OPTIONS}
    except FileNotFoundError:
        parser.error(f"there is no checkpoint {path} to continue from")
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        parser.error(f"{path} is not a checkpoint of this example: {error}")
    # An option that isn't on the command line now takes the value of the checkpoint.
    parser.set_defaults(**options)
    args = parser.parse_args(argv)
    changed = [name for name in RUN_OPTIONS if getattr(args, name) != options[name]]
    if args.resume and changed:
        was = " ".join(f"--{name.replace('_', '-')} {options[name]}" for name in changed)
        now = " ".join(f"--{name.replace('_', '-')} {getattr(args, name)}" for name in changed)
        parser.error(f"argument --resume: {path} was made with {was}, not {now}; leave that out, or start anew")
    return args, saved


def prepare(argv: list[str] | None) -> tuple[argparse.Namespace, dict[str, Any] | None, Corpus | None]:
    """Check everything that a user can get wrong, before anything is computed or written."""
    args, saved = parse(argv)
    parser = build_parser()
    corpus = None
    if not args.sample_only:
        try:
            corpus = load_corpus(args.text, keep_repeats=args.keep_repeats)
        except (OSError, ValueError) as error:
            parser.error(f"argument --text: {error}")
        if corpus.train.size <= args.batch_size * args.bptt:
            parser.error(
                f"the training text has {corpus.train.size} characters; --batch-size {args.batch_size} and "
                f"--bptt {args.bptt} need more than {args.batch_size * args.bptt}"
            )
        if saved is not None and saved["digest"] != corpus.digest:
            parser.error(f"argument --resume: {args.out / 'checkpoint'} was made from another text")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"argument --out: {error}")
    return args, saved, corpus


def print_plan(run: Run, corpus: Corpus, args: argparse.Namespace) -> None:
    """Say what is going to be trained on what."""
    print(f"Text: {corpus.read:,} characters, {len(corpus.vocabulary)} different.", end=" ")
    print("Repeated paragraphs are kept." if args.keep_repeats else "Repeated paragraphs are dropped.")
    print(f"  {corpus.train.size:,} for training; {corpus.held_out.size:,}, the ends of {PARTS} equal parts, held out")
    size = sum(p.numel() for p in run.model.parameters())
    print(
        f"Model: {args.layers} {args.cell.upper()} layer(s), {args.hidden} hidden units, {size:,} parameters", end="; "
    )
    print(f"going on after step {run.step}" if run.step else "nothing learned yet")


def main(argv: list[str] | None = None) -> None:
    """Run the example."""
    args, saved, corpus = prepare(argv)
    if saved is not None:
        run = Run.from_checkpoint(saved, args.device)
    else:
        options = {name: getattr(args, name) for name in RUN_OPTIONS}
        run = Run.new(options, corpus.vocabulary, corpus.digest, args.device)
    if corpus is None:
        return print_sample(run, args)

    print_plan(run, corpus, args)
    ngram_bits = ngram_baseline(corpus, args.ngram_order) if args.ngram_order else None
    began = time.perf_counter()
    try:
        train(run, corpus, args, ngram_bits)
    except KeyboardInterrupt:
        raise SystemExit(f"\nStopped. --resume continues from {args.out / 'checkpoint'}.") from None
    print(f"Trained in {time.perf_counter() - began:.0f} s.")
    print_sample(run, args)
    print_conclusion(run, args, ngram_bits)


if __name__ == "__main__":
    sys.exit(main())
