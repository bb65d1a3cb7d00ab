"""A small GPT learns to write, character by character, and samples while it trains; beside it an LSTM with as much time.

::

    python examples/char_gpt.py                                # a few minutes on two cores
    python examples/char_gpt.py --versus-lstm                  # then the network of char_lm.py, for as long
    python examples/char_gpt.py --resume                       # go on after an interruption, as if there had been none
    python examples/char_gpt.py --text my.txt --layers 6 --width 384 --heads 6 --block 256 --lr 3e-3 --device cuda

What there is to learn from it:

* **Attention in place of a state.** A recurrent network reads one character after the other and must squeeze the past into
  a vector. A Transformer sees the last ``--block`` characters as they are, and learns from all positions of a window at
  once; what was before the window it does not know.
* **The recipe.** Muon for the matrices of the blocks and AdamW for the rest (``--optimizer adamw``: for all), a learning rate that
  rises and then falls along a cosine, gradients clipped; ``--accumulate`` adds up the gradients of several small batches to
  those of a large one. With minutes to spend a small network that makes many steps is ahead of a large one: after 45 s two
  blocks, 64 wide, were at 2.04 bits, three blocks of 96 at 2.15 and four of 128 at 2.55; with AdamW alone at 2.34 (three of 96).
* **What it begins with.** GPT-2's parameters begin with a width of 0.02. For narrow vectors that is next to nothing: ``--spread 0.1``
  alone brought four blocks of 128 with AdamW from 3.13 to 2.83 bits. Dropout, which an LSTM of this size needs, slows so small
  a GPT down by more than it helps.
* **Who is better?** ``--versus-lstm`` measures it: the same text, the same seconds of the processor. With the default
  options the GPT is at 1.790 held-out bits after 138 s of one core, and the LSTM of ``char_lm.py``, trained by Adam,
  at 1.817: the GPT needs 1.5% less. With more time the LSTM is there, too: 1.786 after 196 s.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from char_lm import CharLM, learning_rate
from common import Parser, Training, begin, build_parser, finish, number
from text_data import Corpus, load_corpus, streams
from tqdm import tqdm

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim, plots
from tinygrad_edu.models import GPT, GPTConfig, SlidingWindow, generate
from tinygrad_edu.models.language_model import held_out_loss
from tinygrad_edu.utils.bptt import detach_state

# What may differ when a run is resumed; of the text only what it says matters.
FREE = "text versus_lstm prompt sample_length temperature top_k top_p".split()


def seconds(args: argparse.Namespace) -> float:
    """A clock: of the processor's time, so that a busy machine is fair to both; of a GPU's work that of the wall."""
    return time.process_time() if args.device == "cpu" else time.perf_counter()


def windows(codes: np.ndarray, args: argparse.Namespace, step: int, part: int) -> tuple[tg.Tensor, tg.Tensor]:
    """Draw windows of the text: characters (N, T), and for each the one that follows it.

    The step itself is the seed, so that there is no random state to be saved.
    """
    starts = np.random.default_rng([args.seed, step, part]).integers(0, codes.size - args.block, args.batch_size)
    drawn = codes[starts[:, None] + np.arange(args.block + 1)]
    return tg.tensor(drawn[:, :-1]), tg.tensor(drawn[:, 1:])


def held_out_bits(model: GPT, held_out: np.ndarray, block: int) -> float:
    """The mean cross-entropy in bits on held-out stretches (T, N), of the same characters that ``char_lm.py`` scores.

    A window of `block` characters slides by a quarter of its length, and only its last quarter is scored, so that each character
    has three quarters of a window before it (but for those at the beginning).
    """
    model.eval()
    total, stride = 0.0, max(1, block // 4)
    with tg.no_grad():
        for start in range(0, len(held_out) - 1, stride):
            part = tg.tensor(held_out[max(0, start + stride - block) : start + stride + 1].T)
            new = min(stride, len(held_out) - 1 - start)
            logits = model(part[:, :-1])[:, -new:]
            total += F.cross_entropy(logits.flatten(0, 1), part[:, -new:].flatten(), reduction="sum").item()
    model.train()
    return total / held_out[1:].size / math.log(2)


@dataclass
class Run:
    """What a training run is made of."""

    args: argparse.Namespace
    corpus: Corpus
    model: GPT
    optimizers: dict[str, optim.Optimizer]
    losses: list[float] = field(default_factory=list)  # of every step, in bits
    measured: list[list[float]] = field(default_factory=list)  # [step, held-out bits]
    clock: dict[str, float] = field(default_factory=lambda: {"seconds": 0.0})  # of training so far

    @classmethod
    def new(cls, args: argparse.Namespace, corpus: Corpus) -> Run:
        """Draw fresh parameters from the seed."""
        config = GPTConfig(
            vocab_size=len(corpus.vocabulary),
            block_size=args.block,
            n_layer=args.layers,
            n_head=args.heads,
            n_embd=args.width,
            dropout=args.dropout,
        )
        model = GPT(config)
        with tg.no_grad():  # GPT-2's width of 0.02 is made for vectors of a thousand numbers, not of a hundred
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.mul_(args.spread / 0.02)
        return cls(args, corpus, model, optimizers(model, args))


def optimizers(model: GPT, args: argparse.Namespace) -> dict[str, optim.Optimizer]:
    """The matrices of the blocks decay, and with ``--optimizer muon`` are for Muon; all else is for AdamW."""
    matrices = [p for p in model.transformer["h"].parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if all(p is not q for q in matrices)]
    groups = [{"params": others, "weight_decay": 0.0}]
    made: dict[str, optim.Optimizer] = {}
    if args.optimizer == "muon":
        made["muon"] = optim.Muon(matrices, lr=args.lr, weight_decay=args.weight_decay, adjust_lr_fn="match_rms_adamw")
    else:
        groups.append({"params": matrices, "weight_decay": args.weight_decay})
    made["adamw"] = optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.99))
    return made


def train_step(run: Run, step: int) -> float:
    """Make one step on ``--accumulate`` batches; return the loss in nats."""
    args = run.args
    for optimizer in run.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.lr, args.warmup)
    run.model.zero_grad()
    total = 0.0
    for part in range(args.accumulate):
        inputs, targets = windows(run.corpus.train, args, step, part)
        loss = F.cross_entropy(run.model(inputs).flatten(0, 1), targets.flatten()) / args.accumulate
        loss.backward()
        total += loss.item()
    nn.utils.clip_grad_norm_(run.model.parameters(), args.clip)
    for optimizer in run.optimizers.values():
        optimizer.step()
    return total


def train(run: Run, training: Training) -> None:
    """Train to the last step; now and then measure, and let the model write."""
    args = run.args
    bar = training.progress(args.steps, "GPT", tokens=args.batch_size * args.block * args.accumulate)
    for step in bar:
        began = seconds(args)
        run.losses.append(train_step(run, step) / math.log(2))
        run.clock["seconds"] += seconds(args) - began
        if not math.isfinite(run.losses[-1]):
            raise SystemExit(f"char_gpt.py: the loss is {run.losses[-1]} in step {step}: try a lower --lr")
        bar.set_postfix(bits=f"{run.losses[-1]:.3f}", refresh=False)
        if (step + 1) % args.eval_every == 0 or step + 1 == args.steps:
            bits = held_out_bits(run.model, run.corpus.held_out, args.block)
            run.measured.append([step + 1, bits])
            recent = float(np.mean(run.losses[-args.eval_every :]))
            line = f"step {step + 1:5d}: train {recent:.3f}, held-out {bits:.3f} bits per character"
            tqdm.write(f"{line}   {sample(run, 'The ', 50, step)!r}")


def sample(run: Run, prompt: str, length: int, seed: int) -> str:
    """Let the model continue a text."""
    args, corpus = run.args, run.corpus
    codes = corpus.encode(prompt) or [0]
    drawn = generate(
        SlidingWindow(run.model),
        tg.tensor(codes),
        length,
        temperature=args.temperature,
        top_k=args.top_k,
        top_p=args.top_p,
        generator=tg.Generator(args.device).manual_seed(seed),  # of its own: training goes on as if nobody had looked
    )
    return "".join(corpus.vocabulary[c] for c in [*codes, *drawn])


def lstm_for_as_long(corpus: Corpus, budget: float, args: argparse.Namespace) -> dict[str, float]:
    """Train the network of ``char_lm.py`` with its own recipe for so many seconds; return what it has reached.

    Its learning rate falls to zero at the end, too, so the steps that fit in are estimated first, from 20 of them.
    """
    tg.manual_seed(args.seed)
    n, t, peak = 32, 32, 8e-3
    model = CharLM(
        len(corpus.vocabulary), cell="lstm", embedding=64, hidden=384, layers=1, dropout=0.4, input_dropout=0.1
    )
    optimizer = optim.Adam(model.parameters(), lr=peak)
    inputs, targets = (tg.tensor(codes) for codes in streams(corpus.train, n, np.random.default_rng(args.seed)))
    chunks, state, total, began = len(inputs) // t, None, 20, 0.0
    step = -20
    bar = tqdm(total=round(budget), unit="s", desc="LSTM", disable=None, leave=False)
    while step < total:
        if step == 0:
            total = max(1, int(budget / ((seconds(args) - began) / 15)))
            began = seconds(args)
        if step == -15:
            began = seconds(args)
        at = step % chunks
        rows = slice(at * t, (at + 1) * t)
        optimizer.param_groups[0]["lr"] = learning_rate(max(step, 0), total, peak, 0.05)
        logits, state = model(inputs[rows], detach_state(state) if at else None)
        optimizer.zero_grad()
        F.cross_entropy(logits.flatten(0, 1), targets[rows].flatten()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        bar.n = min(round(budget), round(seconds(args) - began))
        bar.refresh()
    bar.close()
    bits = held_out_loss(model, tg.tensor(corpus.held_out), chunk=256) / math.log(2)
    return {"bits": bits, "seconds": seconds(args) - began, "epochs": total / chunks}


def options(parser: Parser) -> None:
    """Add the example's own options."""
    parser.add_argument("--text", metavar="FILE", help="a UTF-8 text, by default the topics of Python's help()")
    parser.add_argument("--layers", type=number(int, 1), default=2, help="blocks of the Transformer")
    parser.add_argument("--heads", type=number(int, 1), default=4, help="of each block; they divide the width")
    parser.add_argument("--width", type=number(int, 1), default=96, help="D, what a character's vector has")
    parser.add_argument("--block", type=number(int, 2), default=64, help="T, how many characters it sees")
    parser.add_argument("--dropout", type=number(float, 0, 1), default=0.0, help="share of elements zeroed")
    parser.add_argument("--steps", type=number(int, 1), default=1600, help="of the optimizer")
    parser.add_argument("--batch-size", type=number(int, 1), default=32, help="N, windows of a batch")
    parser.add_argument("--accumulate", type=number(int, 1), default=1, help="batches whose gradients make one step")
    parser.add_argument("--optimizer", choices=["muon", "adamw"], default="muon", help="of the blocks' matrices")
    parser.add_argument("--spread", type=number(float, 0, above=True), default=0.1, help="of the first parameters")
    parser.add_argument("--lr", type=number(float, 0, above=True), default=0.01, help="the highest learning rate")
    parser.add_argument("--warmup", type=number(float, 0, 1), default=0.05, help="share of steps in which it rises")
    parser.add_argument("--weight-decay", type=number(float, 0), default=0.3, help="of matrices")
    parser.add_argument("--clip", type=number(float, 0, above=True), default=1.0, help="largest norm of the gradient")
    parser.add_argument("--eval-every", metavar="STEPS", type=number(int, 1), default=400, help="measure and save")
    parser.add_argument("--versus-lstm", action="store_true", help="then train an LSTM for as long, and compare")
    parser.add_argument("--prompt", default="The ", help="how the last sample begins")
    parser.add_argument("--sample-length", type=number(int, 1), default=500, help="characters of it")
    parser.add_argument("--temperature", type=number(float, 0), default=0.7, help="0: always the likeliest character")
    parser.add_argument("--top-k", type=number(int, 1), help="draw among so many characters only")
    parser.add_argument("--top-p", type=number(float, 0, 1, above=True), help="draw among those of this nucleus")


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Train, and return the held-out bits per character and how they came down."""
    parser = build_parser(__doc__, "char_gpt", resume=True)
    options(parser)
    args = begin(parser, argv)
    try:
        corpus = load_corpus(args.text)
        run = Run.new(args, corpus)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if corpus.train.size <= args.block + 1:
        parser.error(f"the training text has {corpus.train.size} characters, too few for --block {args.block}")
    parts = {**run.optimizers, "losses": run.losses, "measured": run.measured, "clock": run.clock}
    training = Training(args, parser, free=FREE, text=corpus.digest, model=run.model, **parts)
    size = sum(p.numel() for p in run.model.parameters())
    print(
        f"{corpus.train.size:,} characters to train, {corpus.held_out.size:,} held out, {len(corpus.vocabulary)} "
        f"different; {size:,} parameters" + (f"; going on after step {training.done}" if training.done else "")
    )
    train(run, training)
    bits = run.measured[-1][1]
    result: dict[str, Any] = {"bits": bits, "measured": run.measured, "losses": run.losses}
    print(f"\nGPT:  {bits:.3f} held-out bits per character after {run.clock['seconds']:.0f} s of training")
    if args.versus_lstm:
        lstm = lstm_for_as_long(corpus, run.clock["seconds"], args)
        result["lstm"] = lstm["bits"]
        print(f"LSTM: {lstm['bits']:.3f} after {lstm['seconds']:.0f} s, {lstm['epochs']:.1f} epochs: ", end="")
        print(f"the GPT needs {abs(1 - bits / lstm['bits']):.1%} {'less' if bits < lstm['bits'] else 'more'}")
    print("\nA sample:\n")
    text = sample(run, args.prompt, args.sample_length, args.seed)
    print("\n".join("  | " + line for line in text.split("\n")))
    (axes,) = plots.plot_history({"train": run.losses}, smooth=0.95, xlabel="step")
    axes.plot(*zip(*run.measured, strict=True), "o-", label="held-out")
    axes.legend()
    axes.set(title="bits per character", ylim=(min(1.0, bits), 4.5))
    if "lstm" in result:
        axes.axhline(result["lstm"], color="black", linestyle="--", label="an LSTM after the same time")
        axes.legend()
    finish(
        args,
        {"bits.png": axes},
        "How the samples get from noise to words, to code that is almost right; how far the held-out curve stays above the "
        "training one (try --weight-decay 0), and whether it has stopped falling: then more --steps or --width pay.",
    )
    return result


if __name__ == "__main__":
    main()
