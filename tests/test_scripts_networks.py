"""What scripts about networks do, in words of our own: the same names, shapes and behaviours, and PyTorch's losses step by step.

Of PyTorch's examples: mnist, with scikit-learn's digits; of Karpathy: makemore's third part, a network of raw tensors with batch
normalisation by hand, and minGPT's adder; of jcjohnson: a two-layer network with an autograd function of its own.
"""

import math
from typing import Any

import numpy as np
import pytest
from script_peer import assert_same_curve

import tinygrad_edu as tg


def digits(t: Any) -> tuple[Any, Any]:
    F = t.nn.functional
    images, labels = pytest.importorskip("sklearn.datasets").load_digits(return_X_y=True)

    class Net(t.nn.Module):
        def __init__(self) -> None:
            super(Net, self).__init__()  # noqa: UP008  # as scripts write it
            self.conv1 = t.nn.Conv2d(1, 6, 3, 1)
            self.conv2 = t.nn.Conv2d(6, 8, 3, 1)
            self.dropout1, self.dropout2 = t.nn.Dropout(0.0), t.nn.Dropout(0.0)
            self.fc1, self.fc2 = t.nn.Linear(32, 16), t.nn.Linear(16, 10)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.conv2(F.relu(self.conv1(x))))
            x = self.dropout1(F.max_pool2d(x, 2))
            x = self.dropout2(F.relu(self.fc1(t.flatten(x, 1))))
            return F.log_softmax(self.fc2(x), dim=1)

    device = t.device("cpu")
    model = Net().to(device)
    data = t.utils.data.TensorDataset(t.tensor(images[:96] / 16).view(-1, 1, 8, 8), t.tensor(labels[:96]))
    loader = t.utils.data.DataLoader(data, batch_size=32)
    optimizer = t.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = t.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)

    def epoch() -> float:
        model.train()
        for inputs, target in loader:
            inputs, target = inputs.to(device), target.to(device)
            optimizer.zero_grad()
            F.nll_loss(model(inputs), target).backward()
            optimizer.step()
        scheduler.step()
        model.eval()
        loss, correct = 0.0, 0
        with t.no_grad():
            for inputs, target in loader:
                output = model(inputs)
                loss += F.nll_loss(output, target, reduction="sum").item()
                best = output.argmax(dim=1, keepdim=True)
                correct += best.eq(target.view_as(best)).sum().item()
        assert 0 <= correct <= len(loader.dataset)
        return loss / len(loader.dataset)

    return model, epoch


def raw_tensors(t: Any) -> tuple[Any, Any]:
    F = t.nn.functional
    names = ["emma", "olivia", "ava", "isabella", "sophia", "mia", "amelia", "harper", "evelyn"]
    letters = {c: i + 1 for i, c in enumerate(sorted(set("".join(names))))} | {".": 0}
    contexts, targets = [], []
    for name in names:
        context = [0] * 3
        for c in name + ".":
            contexts.append(context)
            targets.append(letters[c])
            context = [*context[1:], letters[c]]
    x, y = t.tensor(contexts), t.tensor(targets)
    g = t.Generator().manual_seed(2147483647)
    size = len(letters)
    table = t.randn((size, 4), generator=g)
    w1 = t.randn((12, 16), generator=g) * (5 / 3) / (12**0.5)
    w2 = t.randn((16, size), generator=g) * 0.01
    b2 = t.randn(size, generator=g) * 0
    gain, bias = t.ones((1, 16)), t.zeros((1, 16))
    running = {"mean": t.zeros((1, 16)), "std": t.ones((1, 16))}
    parameters = [table, w1, w2, b2, gain, bias]
    assert sum(p.nelement() for p in parameters) == 4 * size + 12 * 16 + 16 * size + size + 32
    for p in parameters:
        p.requires_grad = True
    rng = np.random.default_rng(0)

    def step() -> Any:
        rows = t.tensor(rng.integers(0, x.shape[0], (16,)))
        embedded = table[x[rows]]
        before = embedded.view(embedded.shape[0], -1) @ w1
        mean, std = before.mean(0, keepdim=True), before.std(0, keepdim=True)
        normal = gain * (before - mean) / std + bias
        with t.no_grad():
            running["mean"] = 0.999 * running["mean"] + 0.001 * mean
            running["std"] = 0.999 * running["std"] + 0.001 * std
        hidden = t.tanh(normal)
        logits = hidden @ w2 + b2
        loss = F.cross_entropy(logits, y[rows])
        for kept in (hidden, logits):
            kept.retain_grad()
        for p in parameters:
            p.grad = None
        loss.backward()
        assert hidden.grad.shape == hidden.shape and ((hidden.abs() > 0.97).float().mean() * 100).item() <= 100
        for p in parameters:
            p.data += -0.1 * p.grad
        assert np.isfinite(loss.log10().item())
        return loss

    @t.no_grad()
    def split_loss() -> float:
        embedded = table[x].view(x.shape[0], -1)
        hidden = t.tanh(gain * (embedded @ w1 - running["mean"]) / running["std"] + bias)
        value: float = F.cross_entropy(hidden @ w2 + b2, y).item()
        return value

    probabilities = F.softmax(t.zeros(1, size), dim=1)
    assert 0 <= t.multinomial(probabilities, num_samples=1, replacement=True, generator=g).item() < size
    assert split_loss() == pytest.approx(math.log(size), rel=0.1)
    return parameters, step


def adder(t: Any) -> tuple[Any, Any]:
    F = t.nn.functional

    class Block(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ln_1, self.ln_2 = t.nn.LayerNorm(12), t.nn.LayerNorm(12)
            self.c_attn, self.c_proj = t.nn.Linear(12, 36), t.nn.Linear(12, 12)
            self.register_buffer("bias", t.tril(t.ones(6, 6)).view(1, 1, 6, 6))
            self.mlp = t.nn.ModuleDict({"c_fc": t.nn.Linear(12, 48), "act": t.nn.GELU(), "c_proj": t.nn.Linear(48, 12)})

        def forward(self, x: Any) -> Any:
            n, length, width = x.size()
            parts = self.c_attn(self.ln_1(x)).split(width, dim=2)
            q, k, v = (p.view(n, length, 3, width // 3).transpose(1, 2) for p in parts)
            att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
            att = att.masked_fill(self.bias[:, :, :length, :length] == 0, float("-inf"))
            y = F.softmax(att, dim=-1) @ v
            x = x + self.c_proj(y.transpose(1, 2).contiguous().view(n, length, width))
            m = self.mlp
            return x + m.c_proj(m.act(m.c_fc(self.ln_2(x))))

    class GPT(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            parts = {
                "wte": t.nn.Embedding(10, 12),
                "wpe": t.nn.Embedding(6, 12),
                "h": t.nn.ModuleList([Block(), Block()]),
            }
            self.transformer = t.nn.ModuleDict(dict(**parts, ln_f=t.nn.LayerNorm(12)))
            self.lm_head = t.nn.Linear(12, 10, bias=False)
            self.apply(self.start)

        def start(self, module: Any) -> None:
            if isinstance(module, (t.nn.Linear, t.nn.Embedding)):
                t.nn.init.normal_(module.weight, mean=0.0, std=0.02)
            elif isinstance(module, t.nn.LayerNorm):
                t.nn.init.zeros_(module.bias)
                t.nn.init.ones_(module.weight)

        def forward(self, idx: Any, targets: Any = None) -> Any:
            places = t.arange(0, idx.size(1), dtype=t.long, device=idx.device).unsqueeze(0)
            x = self.transformer.wte(idx) + self.transformer.wpe(places)
            for block in self.transformer.h:
                x = block(x)
            logits = self.lm_head(self.transformer.ln_f(x))
            if targets is None:
                return logits, None
            return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)

        @t.no_grad()
        def generate(self, idx: Any, count: int) -> Any:
            for _ in range(count):
                logits = self(idx)[0][:, -1, :] / 0.9
                kept, _ = t.topk(logits, 3)
                logits[logits < kept[:, [-1]]] = -float("Inf")
                idx = t.cat((idx, t.topk(F.softmax(logits, dim=-1), k=1, dim=-1)[1]), dim=1)
            return idx

    class Additions(t.utils.data.Dataset):
        def __len__(self) -> int:
            return 64

        def __getitem__(self, i: int) -> Any:
            a, b = i * 7 % 100, i * 13 % 100
            render = f"{a:02d}{b:02d}{a + b:03d}"[:4] + f"{a + b:03d}"[::-1]
            row = [int(c) for c in render]
            x, y = t.tensor(row[:-1], dtype=t.long), t.tensor(row[1:], dtype=t.long)
            y[:3] = -1
            return x, y

    model = GPT()
    decay = [p for n, p in model.named_parameters() if n.endswith("weight") and p.dim() >= 2]
    others = [p for p in model.parameters() if not any(p is d for d in decay)]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = t.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95))
    loader = t.utils.data.DataLoader(Additions(), shuffle=False, batch_size=16, num_workers=0)
    batches = iter(list(loader) * 10)

    def step() -> Any:
        x, y = (part.to("cpu") for part in next(batches))
        _, loss = model(x, y)
        model.zero_grad(set_to_none=True)
        loss.backward()
        t.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    whole = model.generate(t.tensor([[8, 5, 5, 0]]), 2)
    assert whole.shape == (1, 6) and whole[0, :4].tolist() == [8, 5, 5, 0]
    factors = t.tensor([[100, 10, 1]])
    sums = (whole[:, -3:].flip(1) * factors).sum(1)
    assert "%d" % sums[0] == str(int(sums[0])) and int((sums == sums).cpu()[0]) == 1  # noqa: UP031
    return model, step


def two_layers_with_a_function(t: Any) -> tuple[Any, Any]:
    class Rectifier(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx: Any, grad_output: Any) -> Any:
            (x,) = ctx.saved_tensors
            grad = grad_output.clone()
            grad[x < 0] = 0
            return grad

    rng = np.random.default_rng(0)
    x, y = t.tensor(rng.normal(size=(16, 10))), t.tensor(rng.normal(size=(16, 3)))
    w1 = t.randn(10, 8, device=t.device("cpu"), requires_grad=True)
    w2 = t.randn(8, 3, device=t.device("cpu"), requires_grad=True)

    def step() -> Any:
        loss = (Rectifier.apply(x.mm(w1)).mm(w2) - y).pow(2).sum()
        loss.backward()
        with t.no_grad():
            w1.sub_(1e-4 * w1.grad)
            for w in (w2,):
                w -= 1e-4 * w.grad
            w1.grad.zero_()
            w2.grad.zero_()
        return loss

    return [w1, w2], step


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "script", [digits, raw_tensors, two_layers_with_a_function], ids=lambda script: script.__name__
)
def test_networks(script: Any) -> None:
    assert_same_curve(script)


@pytest.mark.filterwarnings("ignore")
def test_adder() -> None:
    assert_same_curve(adder, rtol=1e-6)  # Adam divides by roots of gradients that are nearly 0


def test_switches_that_scripts_ask() -> None:
    assert isinstance(tg.cuda.is_available(), bool) and not tg.backends.mps.is_available()
    assert str(tg.device("cuda" if tg.cuda.is_available() else "cpu")) in ("cpu", "cuda")
    tg.cuda.manual_seed_all(1)
