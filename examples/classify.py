"""Training a classifier in the plainest way: what the examples share so that each can show its own point."""

from __future__ import annotations

from typing import Any

from common import Training, progress

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim

__all__ = ["accuracy", "fit"]

Data = tuple[tg.Tensor, tg.Tensor]


def accuracy(model: Any, data: Data, batch: int = 1000) -> float:
    """Return the share of right answers, in evaluation mode."""
    x, y = data
    training = model.training
    model.eval()
    with tg.no_grad():
        right = sum(
            (model(x[i : i + batch]).argmax(1) == y[i : i + batch]).sum().item() for i in range(0, len(y), batch)
        )
    model.train(training)
    return right / len(y)


def fit(
    model: nn.Module,
    train: Data,
    test: Data,
    *,
    epochs: int,
    optimizer: optim.Optimizer,
    batch: int = 64,
    scheduler: optim.lr_scheduler.LRScheduler | None = None,
    augment: Any = None,
    label: str = "training",
    training: Training | None = None,
    tokens: int = 0,
) -> dict[str, list[float]]:
    """Train by minibatches in a new random order each epoch.

    Parameters
    ----------
    training
        A run that can be interrupted, with the history as its part of that name.
    tokens
        How many each example has, to be counted in place of epochs.

    Returns
    -------
    dict
        After each epoch ``train/loss`` (its mean), ``train/accuracy`` and ``test/accuracy``.
    """
    x, y = train
    history: dict[str, list[float]] = {} if training is None else training.parts["history"]
    for name in ("train/loss", "train/accuracy", "test/accuracy"):
        history.setdefault(name, [])
    if training is None:
        bar = progress(range(epochs), label, "epoch", tokens=tokens * len(y))
    else:
        bar = training.progress(epochs, label, "epoch", tokens=tokens * len(y))
    for _ in bar:
        order = tg.randperm(len(y))
        losses = []
        for i in range(0, len(y), batch):
            rows = order[i : i + batch]
            inputs = x[rows] if augment is None else augment(x[rows])
            loss = F.cross_entropy(model(inputs), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        if scheduler is not None:
            scheduler.step()
        history["train/loss"].append(tg.stack(losses).mean().item())
        history["train/accuracy"].append(accuracy(model, train))
        history["test/accuracy"].append(accuracy(model, test))
        bar.set_postfix(loss=f"{history['train/loss'][-1]:.3f}", test=f"{history['test/accuracy'][-1]:.1%}")
    return history
