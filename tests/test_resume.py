"""A training run that is killed again and again ends with the same bits as one that isn't."""

import random
import subprocess
import sys
import time

import pytest

SCRIPT = """
import os, sys
from itertools import islice
import tinygrad_edu as tg
from tinygrad_edu import datasets, nn, optim, transforms
from tinygrad_edu.utils.data import DataLoader

folder, workers = sys.argv[1], int(sys.argv[2])
path = os.path.join(folder, "run.safetensors")
tg.manual_seed(0)
augment = transforms.Compose([transforms.ToTensor(), transforms.RandomAffine(10, (0.1, 0.1)), transforms.GaussianNoise()])
order = tg.Generator().manual_seed(1)
loader = DataLoader(datasets.Shapes(n_samples=60, size=8, transform=augment), 8, True, num_workers=workers, generator=order)
model = nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 10))
optimizer = optim.Adam(model.parameters(), lr=0.01)
scheduler = optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
epoch = done = 0
if os.path.exists(path):
    state = tg.load(path)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    epoch, done = state["epoch"], state["done"]
    order.set_state(state["order"])
    tg.set_rng_state(state["rng"])
for epoch in range(epoch, 3):
    start = order.get_state()
    for images, labels in islice(loader, done, None):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        done += 1
        if done == len(loader):
            scheduler.step()
        state = {name: part.state_dict() for name, part in parts.items()}
        tg.save(state | {"epoch": epoch, "done": done, "order": start, "rng": tg.get_rng_state()}, path)
        print(epoch, done, flush=True)
    done = 0
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_killing_and_resuming_changes_no_bit(tmp_path, workers):
    def run(folder, kill_after):
        """Train until the end, or be killed some moments after as many steps; return whether it came to the end."""
        command = [sys.executable, "-c", SCRIPT, str(folder), str(workers)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            for _ in range(kill_after or 0):
                child.stdout.readline()
            if kill_after is not None:
                time.sleep(random.Random(kill_after).random() * 0.01)
                child.kill()
            child.stdout.read()
        return child.returncode == 0

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    assert run(whole, None)
    for steps in (3, 7, 5):
        run(broken, steps)
    assert run(broken, None)
    assert (whole / "run.safetensors").read_bytes() == (broken / "run.safetensors").read_bytes()
