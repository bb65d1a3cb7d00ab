"""A variational autoencoder: digits as points of a plane, and new digits from it.

::

    python examples/vae.py

What there is to learn from it (Kingma and Welling, 2014):

* **The encoder** gives for each image not a point but a normal distribution, its mean and the logarithm of its
  variance.
* **The reparametrisation** z = μ + σ ε, with ε drawn from N(0, 1), moves the randomness out of the way of the
  gradient, which then reaches μ and σ.
* **The loss** has two parts: how unlikely the image is under what the decoder makes of z, and how far the
  distribution is from N(0, 1): the Kullback-Leibler divergence ½ Σ (μ² + σ² - 1 - ln σ²). The second keeps the plane
  filled, so that a random point of it decodes to a digit."""

from __future__ import annotations

from common import begin, build_parser, digits, finish, number, progress

import tinygrad_edu as tg
import tinygrad_edu.nn.functional as F
from tinygrad_edu import nn, optim, plots


class VAE(nn.Module):
    """Images (N, 1, 8, 8) to a distribution over points (N, latent), and back.

    Parameters
    ----------
    latent
        The number of coordinates of a point.
    hidden
        Units of the hidden layers.
    """

    def __init__(self, latent: int, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.mean = nn.Linear(hidden, latent)
        self.log_variance = nn.Linear(hidden, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 64),
            nn.Unflatten(1, (1, 8, 8)),
        )

    def encode(self, x: tg.Tensor) -> tuple[tg.Tensor, tg.Tensor]:
        """Return the mean and the logarithm of the variance."""
        h = self.encoder(x)
        return self.mean(h), self.log_variance(h)

    def losses(self, x: tg.Tensor) -> tuple[tg.Tensor, tg.Tensor]:
        """Return the error of the reconstruction and the divergence from N(0, 1), in nats an image."""
        mean, log_variance = self.encode(x)
        z = mean + (log_variance / 2).exp() * tg.randn_like(mean)
        error = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum") / len(x)
        divergence = (mean**2 + log_variance.exp() - 1 - log_variance).sum() / (2 * len(x))
        return error, divergence


def main(argv: list[str] | None = None) -> dict[str, float]:
    """Train, and return both losses on the test images at the beginning and the end."""
    parser = build_parser(__doc__, "vae")
    parser.add_argument("--epochs", type=number(int, 1), default=60, help="passes over the training images")
    parser.add_argument(
        "--latent", type=number(int, 2), default=2, help="coordinates of a point; the picture of the plane needs 2"
    )
    parser.add_argument("--hidden", type=number(int, 1), default=128, help="units of the hidden layers")
    parser.add_argument("--lr", type=number(float, 0, above=True), default=2e-3, help="learning rate of Adam")
    args = begin(parser, argv)
    x, _, x_test, y_test = digits()
    model = VAE(args.latent, args.hidden)
    optimizer = optim.Adam(model.parameters(), lr=args.lr)

    def test() -> tuple[float, float]:
        with tg.no_grad():
            error, divergence = model.losses(x_test)
        return error.item(), divergence.item()

    history: dict[str, list[float]] = {"reconstruction": [], "divergence": []}
    first = test()
    bar = progress(range(args.epochs), "training", "epoch")
    for _ in bar:
        for rows in tg.randperm(len(x)).split(64):
            error, divergence = model.losses(x[rows])
            optimizer.zero_grad()
            (error + divergence).backward()
            optimizer.step()
        for name, value in zip(history, test(), strict=True):
            history[name].append(value)
        bar.set_postfix({name: f"{values[-1]:.2f}" for name, values in history.items()})
    last = test()
    result = {"first": sum(first), "last": sum(last), "reconstruction": last[0], "divergence": last[1]}
    print(
        f"test images: {result['first']:.1f} nats before training, {result['last']:.1f} after, {last[1]:.1f} of them for their place"
    )
    axes = plots.new_axes(1, 3, (4.5, 4))
    with tg.no_grad():
        mean, _ = model.encode(x_test)
        points = mean.cpu().numpy()
        shown = axes[0].scatter(points[:, 0], points[:, 1], c=y_test.cpu().numpy(), cmap="tab10", s=12)
        axes[0].set_title("where the test digits lie")
        axes[0].figure.colorbar(shown, ax=axes[0], ticks=range(10))
        if args.latent == 2:
            side = tg.linspace(-2, 2, 12)
            up, across = tg.meshgrid(side.flip(0), side, indexing="ij")
            grid = model.decoder(tg.stack([across.flatten(), up.flatten()], 1)).sigmoid()
            plots.plot_images(grid, columns=12, title="what lies at each point of [-2, 2]²", ax=axes[1])
        new = model.decoder(tg.randn(64, args.latent)).sigmoid()
        plots.plot_images(new, title="new digits", ax=axes[2])
    finish(
        args,
        {"vae.png": axes, "history.png": plots.plot_history(history)},
        "Digits of a kind lie together, without having been told which is which. Walk through the plane: one "
        "digit turns into another on the way.",
    )
    return result


if __name__ == "__main__":
    main()
