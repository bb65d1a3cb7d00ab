"""Data sets: files come back as they were written, wrong ones are named, and made-up problems are what they claim to be."""

import contextlib
import gzip
import io
import math
import os
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import datasets, nn, optim, transforms
from tinygrad_edu.utils.data import DataLoader


def idx(array):
    """The bytes of an idx file."""
    array = np.asarray(array)
    codes = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}
    head = bytes([0, 0, codes[array.dtype.name], array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def mnist(folder, images=None, labels=None, part="train", packed=False):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 28, 28), np.uint8) if images is None else images
    labels = np.arange(6, dtype=np.uint8) if labels is None else labels
    for name, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
        content = idx(array)
        path = folder / f"{part}-{name}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
    return images, labels


# idx and MNIST -------------------------------------------------------------------------------------------------------


@given(
    st.sampled_from(["uint8", "int8", "int16", "int32", "float32", "float64"]),
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.booleans(),
)
def test_idx_files_of_all_types(tmp_path_factory, dtype, shape, packed):
    array = np.random.default_rng(1).integers(-100, 100, shape).astype(dtype)
    path = tmp_path_factory.mktemp("idx") / "a"
    path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    found = datasets.read_idx(path)
    assert found.dtype == array.dtype and found.dtype.isnative
    np.testing.assert_array_equal(found, array)


@given(st.data())
def test_damaged_idx_files_are_named(tmp_path_factory, data):
    content = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    packed = data.draw(st.booleans())
    content = gzip.compress(content) if packed else content
    path = tmp_path_factory.mktemp("idx") / "broken-file"
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ValueError, match="broken-file"):
        datasets.read_idx(path)
    changed = bytearray(content)
    changed[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(changed))
    with contextlib.suppress(ValueError):
        datasets.read_idx(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is cut off: the first words"),
        (b"\x89PNG....", "is not an idx file: it begins with the bytes 89 50 4e 47"),
        (b"\0\0\x08\x00", "is not an idx file"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "the elements of an array 4294967295×"),
        (idx(np.zeros(3, np.uint8)) + b"x", "goes on after"),
        (gzip.compress(idx(np.zeros(3, np.uint8)) + b"x"), "goes on after"),
        (gzip.compress(b"\0\0\x08\x01\xff\xff\xff\xff" + bytes(1000)), "need 4294967295 bytes, it has 1000"),
    ],
    ids=range(7),  # gzip writes the time, which must not be part of a name
)
def test_what_is_no_idx_file(tmp_path, content, message):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        datasets.read_idx(tmp_path / "f")


@pytest.mark.parametrize("where", ["", "MNIST/raw", "raw", "MNIST"])
@pytest.mark.parametrize("packed", [False, True])
def test_mnist_is_found_where_it_lies(tmp_path, where, packed):
    images, _ = mnist(tmp_path / where, packed=packed)
    data = datasets.MNIST(tmp_path)
    assert len(data) == 6 and data.classes[3] == "3" and data.data.shape == (6, 1, 28, 28)
    image, label = data[4]
    assert image.dtype is tg.uint8 and label == 4 and image[0].tolist() == images[4].tolist()
    with pytest.raises(FileNotFoundError) as info:
        datasets.MNIST(tmp_path, train=False)
    assert all(
        text in str(info.value)
        for text in ("t10k-images-idx3-ubyte.gz", str(tmp_path), "https://", "Nothing is downloaded")
    )


def test_fashion_in_the_same_folders(tmp_path):
    mnist(tmp_path / "FashionMNIST" / "raw", part="t10k")
    data = datasets.FashionMNIST(tmp_path, train=False, transform=transforms.ToTensor(), target_transform=lambda i: -i)
    image, label = data[2]
    assert image.dtype is tg.float32 and image.max() <= 1 and label == -2 and data.classes[2] == "Pullover"
    assert "6 images of 1×28×28, 10 classes" in repr(data)
    with pytest.raises(FileNotFoundError, match="zalandoresearch"):
        datasets.FashionMNIST(tmp_path)


def test_mnist_files_that_do_not_fit(tmp_path):
    mnist(tmp_path / "a", labels=np.zeros(5, np.uint8))
    with pytest.raises(ValueError, match=r"has 6 images.*has 5 labels"):
        datasets.MNIST(tmp_path / "a")
    mnist(tmp_path / "b", images=np.zeros(6, np.uint8))
    with pytest.raises(ValueError, match="should hold images, bytes with 3 dimensions; it has uint8 with 1"):
        datasets.MNIST(tmp_path / "b")
    mnist(tmp_path / "c", labels=np.full(6, 10, np.uint8))
    with pytest.raises(ValueError, match="labels go from 10 to 10, the 10 classes"):
        datasets.MNIST(tmp_path / "c")


# CIFAR ---------------------------------------------------------------------------------------------------------------


def cifar(count, label_bytes=1, classes=10, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 3, 32, 32), np.uint8)
    labels = rng.integers(0, classes, count, np.uint8)
    rows = np.concatenate([np.zeros((count, label_bytes - 1), np.uint8), labels[:, None], images.reshape(count, -1)], 1)
    return images, labels, rows.tobytes()


def test_cifar_10_from_the_binary_version(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    parts = [cifar(3, seed=i) for i in range(6)]
    for i, (_, _, content) in enumerate(parts):
        (folder / (f"data_batch_{i + 1}.bin" if i < 5 else "test_batch.bin")).write_bytes(content)
    for root in (tmp_path, folder):
        train, test = datasets.CIFAR10(root), datasets.CIFAR10(root, train=False)
        np.testing.assert_array_equal(train.data.numpy(), np.concatenate([p[0] for p in parts[:5]]))
        np.testing.assert_array_equal(train.targets.numpy(), np.concatenate([p[1] for p in parts[:5]]))
        assert len(test) == 3 and test.classes[1] == "automobile" and test.class_to_idx["truck"] == 9
    pipeline = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        ]
    )
    x, y = next(iter(DataLoader(datasets.CIFAR10(tmp_path, transform=pipeline), 8, shuffle=True)))
    assert (
        x.shape == (8, 3, 32, 32) and x.dtype is tg.float32 and y.dtype is tg.int64 and -2 <= x.min() and x.max() <= 2
    )


def test_cifar_100_takes_the_fine_label(tmp_path):
    images, labels, content = cifar(4, 2, 100)
    (tmp_path / "train.bin").write_bytes(content)
    data = datasets.CIFAR100(tmp_path)
    np.testing.assert_array_equal(data.data.numpy(), images)
    assert data.targets.tolist() == labels.tolist() and len(data.classes) == 100


def test_cifar_files_that_are_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"data_batch_1\.bin.*cifar-10-binary\.tar\.gz.*cs\.toronto\.edu"):
        datasets.CIFAR10(tmp_path)
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(FileNotFoundError, match="pickled, which is not read because pickles can run code"):
        datasets.CIFAR10(tmp_path)
    _, _, content = cifar(2)
    (tmp_path / "test_batch.bin").write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"test_batch\.bin' has 6145 bytes, which are not whole images of 3073 bytes"):
        datasets.CIFAR10(tmp_path, train=False)
    (tmp_path / "test_batch.bin").write_bytes(bytes([77]) + content[1:])
    with pytest.raises(ValueError, match="has the label 77, CIFAR10 has labels below 10"):
        datasets.CIFAR10(tmp_path, train=False)


@pytest.mark.parametrize("form", ["channels last", "channels first", "grey"])
def test_npz_files_in_several_forms(tmp_path, form):
    images, labels, _ = cifar(4)
    if form == "grey":
        images = images[:, :1]
    stored = {"channels last": images.transpose(0, 2, 3, 1), "channels first": images, "grey": images[:, 0]}[form]
    np.savez(tmp_path / "cifar10.npz", x_train=stored, y_train=labels[:, None], x_test=stored[:1], y_test=labels[:1])
    x, y = datasets.read_npz(tmp_path / "cifar10.npz")
    np.testing.assert_array_equal(x, images)
    assert y.tolist() == labels.tolist()
    assert len(datasets.CIFAR10(tmp_path, train=False)) == 1


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not a zip", "is not an npz file"),
        (npz(x_train=np.zeros(3)), r"has the arrays \['x_train'\] and lacks \['y_train'\]"),
        (npz(x_train=np.zeros((2, 4, 4)), y_train=np.zeros(2, int)), "expected images of bytes"),
        (npz(x_train=np.zeros((2, 4, 4), np.uint8), y_train=np.zeros(3, int)), r"y_train int64 \(3,\)"),
        (npz(x_train=np.array([os.system], object), y_train=np.zeros(1, int)), "[Oo]bject arrays"),
        (npz(x_train=np.zeros((9, 4, 4), np.uint8), y_train=np.zeros(9, int))[:-60], "is not an npz file"),
    ],
)
def test_npz_files_that_are_wrong(tmp_path, content, message):
    (tmp_path / "cifar10.npz").write_bytes(content)
    with pytest.raises(ValueError, match=message) as info:
        datasets.CIFAR10(tmp_path)
    assert "cifar10.npz" in str(info.value)


# Digits --------------------------------------------------------------------------------------------------------------


def test_digits_are_split_by_a_seed():
    sklearn = pytest.importorskip("sklearn.datasets")
    train, test = datasets.Digits(), datasets.Digits(train=False)
    whole = sklearn.load_digits()
    assert train.data.shape == (1438, 1, 8, 8) and len(test) == 359 and train.data.dtype is tg.float32
    both = sorted(
        (tuple(x.reshape(-1)), y)
        for d in (train, test)
        for x, y in zip(d.data.numpy(), d.targets.tolist(), strict=True)
    )
    expected = sorted((tuple((x / 16).astype(np.float32)), y) for x, y in zip(whole.data, whole.target, strict=True))
    assert both == expected, "each image is in one of the parts"
    shares = test.targets.bincount() / (train.targets.bincount() + test.targets.bincount())
    assert bool(((shares - 0.2).abs() < 0.005).all())
    assert datasets.Digits().data.equal(train.data) and not datasets.Digits(seed=1).data.equal(train.data)
    large = datasets.Digits(size=32)
    assert large.data.shape == (1438, 1, 32, 32) and large.targets.equal(train.targets)
    assert abs(large.data.mean().item() - train.data.mean().item()) < 0.01
    assert len(datasets.Digits(False, test_size=0.5)) == pytest.approx(898, abs=5)
    with pytest.raises(ValueError, match="test_size"):
        datasets.Digits(test_size=1.0)


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'tinygrad_edu\[data\]'"):
        datasets.Digits()


# CSV -----------------------------------------------------------------------------------------------------------------


def table(tmp_path, text, **options):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return datasets.CSVDataset(path, **options)


def test_tables(tmp_path):
    text = '\ufeffa, b,kind\r\n1,2.5,"x, y"\r\n-3,1e2,z\r\n\r\n'
    data = table(tmp_path, text, target="kind")
    assert data.columns == ["a", "b"] and data.data.tolist() == [[1, 2.5], [-3, 100]] and data.data.dtype is tg.float32
    assert data.classes == ["x, y", "z"] and data.targets.tolist() == [0, 1] and len(data) == 2
    x, y = next(iter(DataLoader(data, 2)))
    assert x.shape == (2, 2) and y.tolist() == [0, 1]
    assert table(tmp_path, "1;2\n3;4\n", target=-1, header=False, delimiter=";").targets.dtype is tg.int64
    assert table(tmp_path, "1,0.5\n3,4\n", target=1, header=False).targets.tolist() == [0.5, 4]
    plain = table(tmp_path, "a,b\n1,2\n", columns=["b"], transform=lambda row: row * 2)
    assert plain[0].tolist() == [4] and plain.targets is None
    assert table(tmp_path, "a,b\n1,\n", missing=-1).data.tolist() == [[1, -1]]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,b\n1,2\n3,x\n", {}, "line 3 of .*t.csv' has 'x' in column 'b', expected a number"),
        ("a,b\n1,\n", {}, "pass missing="),
        ("a,b\n1,2,3\n", {}, "line 2 of .* has 3 fields, the first has 2"),
        ("a,b\n", {}, "has no rows"),
        ("", {}, "has no rows"),
        ("a,b\n1,2\n", {"target": "c"}, r"has no column 'c'; it has \['a', 'b'\]"),
        ("a,b\n1,2\n", {"target": 2}, "has no column 2"),
        (b"\xff\xfe\0a", {}, "is not a text file"),
        (b'a\n"unclosed', {}, "is not a text file"),
    ],
)
def test_tables_that_are_wrong(tmp_path, text, options, message):
    with pytest.raises(ValueError, match=message):
        table(tmp_path, text, **options)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nothing\.csv"):
        datasets.CSVDataset(tmp_path / "nothing.csv")


@given(st.binary(max_size=200) | st.text("0123,.\n\r\"'ae-", max_size=60).map(str.encode))
def test_any_text_is_a_table_or_refused(tmp_path_factory, content):
    with contextlib.suppress(ValueError):
        data = table(tmp_path_factory.mktemp("csv"), content)
        assert data.data.shape == (len(data), len(data.columns))


# Folders -------------------------------------------------------------------------------------------------------------


def test_pictures_in_folders(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for name in ("dog/b.png", "cat/a.PNG", "cat/deep/c.png", "cat/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("txt"):
            (tmp_path / name).write_text("x")
        else:
            with open(tmp_path / name, "wb") as file:
                image.fromarray(np.full((4, 6, 3), (1, 2, 3), np.uint8)).save(file, "png")
    data = datasets.ImageFolder(tmp_path)
    assert data.classes == ["cat", "dog"] and data.targets == [0, 0, 1]
    assert [os.path.relpath(path, tmp_path) for path, _ in data.samples] == ["cat/a.PNG", "cat/deep/c.png", "dog/b.png"]
    x, label = data[2]
    assert x.shape == (3, 4, 6) and x.dtype is tg.uint8 and x[:, 0, 0].tolist() == [1, 2, 3] and label == 1
    resized = datasets.ImageFolder(tmp_path, transforms.Compose([transforms.Resize((8, 8)), transforms.ToTensor()]))
    batch, labels = next(iter(DataLoader(resized, 3, num_workers=1)))
    assert batch.shape == (3, 3, 8, 8) and labels.tolist() == [0, 0, 1]
    grey = tmp_path / "grey.png"
    image.fromarray(np.full((2, 2), 7, np.uint8)).save(grey)
    assert datasets.read_image(grey).tolist() == [[[7, 7], [7, 7]]] * 3
    content = (tmp_path / "dog/b.png").read_bytes()
    for broken in (b"no picture", content[:-25]):
        (tmp_path / "dog/b.png").write_bytes(broken)
        with pytest.raises(ValueError, match=r"b\.png' is not a whole picture"):
            data[2]


def test_folders_without_pictures(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        datasets.ImageFolder(tmp_path / "x")
    with pytest.raises(FileNotFoundError, match="has no folders in it"):
        datasets.ImageFolder(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.dat").write_text("x")
    with pytest.raises(FileNotFoundError, match=r"no pictures \(files that end in \.jpg.* in 'a', 'b'"):
        datasets.ImageFolder(tmp_path)
    data = datasets.ImageFolder(tmp_path, loader=len, is_valid_file=lambda p: p.endswith("dat"), allow_empty=True)
    assert data.classes == ["a", "b"] and data[0][1] == 1
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'tinygrad_edu\[data\]'"):
        datasets.read_image(tmp_path / "b" / "x.dat")


# Made up -------------------------------------------------------------------------------------------------------------

MAKERS = [datasets.spiral, datasets.two_moons, datasets.blobs, datasets.xor, datasets.noisy_sine]


@pytest.mark.parametrize("make", MAKERS, ids=lambda f: f.__name__)
@given(st.integers(1, 50), st.integers(0, 9))
def test_made_up_points_repeat_with_their_generator(make, count, seed):
    x, y = make(count, noise=0.1, generator=tg.Generator().manual_seed(seed))
    again, labels = make(count, noise=0.1, generator=tg.Generator().manual_seed(seed))
    assert x.equal(again) and y.equal(labels)
    assert len(x) == len(y) == count and x.dtype is tg.float32 and x.dim() == 2
    if make is not datasets.noisy_sine:
        counts = y.bincount().tolist()
        assert y.dtype is tg.int64 and max(counts) - min(counts) <= (1 if make is not datasets.xor else count)
    with pytest.raises(ValueError, match=f"{make.__name__}: n_samples"):
        make(0)
    with pytest.raises(ValueError, match=f"{make.__name__}: noise"):
        make(3, noise=-1)


def test_made_up_points_lie_where_they_should():
    x, y = datasets.spiral(300, noise=0)
    radius, angle = x.norm(dim=1), tg.atan2(x[:, 0], x[:, 1])
    for label in range(3):
        turned = (angle - 4 * radius - 2 * math.pi * label / 3)[(y == label) & (radius > 0)]
        assert bool((turned.sin().abs() < 1e-4).all()) and bool((turned.cos() > 0).all())
    x, y = datasets.two_moons(100, noise=0)
    centre = tg.tensor([1.0, 0.5])
    assert bool(((x[y == 1] - centre).norm(dim=1) - 1).abs().max() < 1e-5) and bool(
        (x[y == 1][:, 1] < 0.5 + 1e-6).all()
    )
    x, y = datasets.blobs(3000, 4, noise=0.3)
    for label in range(4):
        place = 2 * tg.tensor([math.cos(math.pi / 2 * label), math.sin(math.pi / 2 * label)])
        assert bool((x[y == label].mean(0) - place).abs().max() < 0.05)
        assert abs((x[y == label] - place).std().item() - 0.3) < 0.02
    x, y = datasets.noisy_sine(2000, noise=0.2, low=0, high=1)
    assert 0 <= x.min() and x.max() < 1 and abs((y - x.sin()).std().item() - 0.2) < 0.02
    x, y = datasets.xor(100, noise=0.1)
    assert y.equal(((x[:, 0] > 0.5) != (x[:, 1] > 0.5)).long())


def test_shapes_repeat_and_begin_alike():
    few, more = datasets.Shapes(n_samples=30), datasets.Shapes(n_samples=250)
    assert few.data.equal(more.data[:30]) and few.targets.equal(more.targets[:30])
    assert not datasets.Shapes(n_samples=30, seed=1).data.equal(few.data)
    assert not datasets.Shapes(False, n_samples=30).data.equal(few.data)
    assert datasets.Shapes(n_samples=3, size=17).data.shape == (3, 3, 17, 17)
    assert more.targets[:200].bincount().tolist() == [20] * 10
    for arguments in ({"n_samples": 0}, {"size": 0}, {"noise": -1}):
        with pytest.raises(ValueError, match=f"Shapes: {next(iter(arguments))}"):
            datasets.Shapes(**arguments)


def test_colours_and_mean_images_tell_nothing_about_shapes():
    """The nearest class by mean colour, or by mean image, is right hardly more often than one in ten."""
    train, test = datasets.Shapes(n_samples=2000), datasets.Shapes(False, n_samples=1000)

    def hits(features):
        a, b = features(train.data.float() / 255), features(test.data.float() / 255)
        centres = tg.stack([a[train.targets == c].mean(0) for c in range(10)])
        nearest = ((b[:, None] - centres) ** 2).sum(-1).argmin(1)
        return (nearest == test.targets).float().mean().item()

    assert hits(lambda x: x.mean((2, 3))) < 0.16
    assert hits(lambda x: x.reshape(len(x), -1)) < 0.2


@pytest.mark.slow
def test_shapes_can_be_told_apart_by_what_convolution_sees():
    """Corners and curves can be seen in differences between neighbours, whatever the colours."""
    tg.manual_seed(0)
    train, test = datasets.Shapes(n_samples=2000), datasets.Shapes(False, n_samples=500)

    def edges(x):
        grey = x.float().mean(1) / 255
        down, across = grey[:, 1:, 1:] - grey[:, :-1, 1:], grey[:, 1:, 1:] - grey[:, 1:, :-1]
        size, angle = (down**2 + across**2).sqrt(), tg.atan2(down, across)
        bins = ((angle / (2 * math.pi) + 0.5) * 12).long().clamp(max=11)
        strong = (size > 0.2).float()
        counts = tg.stack([((bins == i).float() * strong).sum((1, 2)) for i in range(12)], 1)
        return counts.sort(1)[0] / 30

    model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    x, y = edges(train.data), train.targets
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    right = (model(edges(test.data)).argmax(1) == test.targets).float().mean().item()
    assert right > 0.4
