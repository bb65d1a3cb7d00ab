"""``python -m tinygrad_edu.run``: scripts for PyTorch run unchanged, and say what is missing."""

import subprocess
import sys
from pathlib import Path

import pytest


def run(folder: Path, *arguments: str, **files: str) -> subprocess.CompletedProcess[str]:
    """Write files, run a script in their folder, and return what it printed."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "tinygrad_edu.run", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


SCRIPT = """
import sys
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.autograd import Variable
from torch.nn.modules.loss import CrossEntropyLoss
from torch.nn.parameter import Parameter
from torch.nn.utils.rnn import pack_padded_sequence
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms

import neighbour


class Numbers(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return torch.tensor([float(i)])


if __name__ == "__main__":
    print(sys.argv[1:], torch.Tensor.__module__, torch.float32, torch.zeros(2).shape, torch.zeros(0, dtype=torch.int32))
    print(neighbour.value, nn.Linear is torch.nn.Linear, CrossEntropyLoss is nn.CrossEntropyLoss)
    for way in ("fork", "spawn"):
        loader = DataLoader(Numbers(), batch_size=2, num_workers=1, multiprocessing_context=way)
        print(way, [b.flatten().tolist() for b in loader])
"""


def test_a_script_imports_this_library_as_torch(tmp_path: Path) -> None:
    done = run(
        tmp_path, "script.py", "-m", "x", script=SCRIPT, neighbour="import torch\nvalue = torch.ones(1).item()\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "['-m', 'x'] tinygrad_edu.tensor torch.float32 torch.Size([2]) tensor([], dtype=torch.int32)",
        "1.0 True True",
        "fork [[0.0, 1.0], [2.0, 3.0]]",
        "spawn [[0.0, 1.0], [2.0, 3.0]]",
    ]


def test_a_module_runs_with_its_package(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "other.py").write_text("import torch\nthree = torch.tensor(3)\n")
    text = "import sys\nfrom .other import three\nprint(three, sys.argv[1:], __name__, __package__)\n"
    (tmp_path / "package" / "__main__.py").write_text(text)
    done = run(tmp_path, "-m", "package", "--flag")
    assert (done.returncode, done.stdout) == (0, "tensor(3) ['--flag'] __main__ package\n"), done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("torch.view_as_complex(1)", "there is no torch.view_as_complex here, since there are no complex numbers"),
        ("torch.nn.Liner(1, 2)", "there is no nn.Liner here; the nearest name is Linear"),
        ("from torch.optim import Adan", "there is no optim.Adan here; the nearest name is Adam"),
        (
            "import torch.distributed as dist",
            "there is no module torch.distributed here, since training runs in one process",
        ),
        ("from torchvision import models", "there is no torchvision.models here"),
        ("torch.zeros(1).stft(4)", "there is no Tensor.stft here, since there are no complex numbers"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, line: str, said: str) -> None:
    done = run(tmp_path, "script.py", script=f"import torch\n\ndef f():\n    {line}\n\nf()\n")
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.splitlines()[1] == '  File "script.py", line 6, in <module>'  # the traceback is the script's


def test_exit_codes_are_those_of_the_script(tmp_path: Path) -> None:
    assert run(tmp_path, "script.py", script="import sys\nsys.exit(7)\n").returncode == 7
    done = run(tmp_path, "absent.py")
    assert done.returncode == 1 and "there is no file 'absent.py'" in done.stderr
    assert run(tmp_path).returncode == 2
    assert "usage" in run(tmp_path, "--help").stdout


def test_the_true_torch_is_not_touched_elsewhere() -> None:
    """Importing the library, and even the runner, changes no import; a process beside it finds PyTorch."""
    pytest.importorskip("torch")
    text = "import tinygrad_edu, tinygrad_edu.run, torch; print(torch.Tensor.__module__, tinygrad_edu.float32)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=120)
    assert done.stdout == "torch tg.float32\n", done.stderr
