"""Transforms of images: values against PyTorch's own resampling, forms, ranges, and random numbers that repeat."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu import transforms
from tinygrad_edu.transforms import functional
from tinygrad_edu.utils.data import DataLoader, Dataset

sides = st.integers(1, 12)


def image(height, width, channels=3, dtype=np.float32, seed=0):
    values = np.random.default_rng(seed).random((channels, height, width))
    return (values * 255).astype(dtype) if np.dtype(dtype).kind in "iu" else values.astype(dtype)


def numbers(x):
    return x.numpy() if isinstance(x, tg.Tensor) else np.asarray(x)


# Values --------------------------------------------------------------------------------------------------------------


two_or_more = st.integers(2, 12)  # PyTorch's antialiasing mixes up rows of one pixel


@given(
    two_or_more,
    two_or_more,
    two_or_more,
    two_or_more,
    st.sampled_from(["nearest", "bilinear", "bicubic"]),
    st.booleans(),
)
def test_resize_agrees_with_pytorch(height, width, new_height, new_width, how, antialias):
    torch = pytest.importorskip("torch")
    antialias = antialias or how == "bicubic"
    x = image(height, width)
    options = {} if how == "nearest" else {"align_corners": False, "antialias": antialias}
    theirs = torch.nn.functional.interpolate(torch.from_numpy(x)[None], (new_height, new_width), mode=how, **options)[0]
    ours = functional.resize(x, (new_height, new_width), how, antialias=antialias)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=5e-6)


@given(
    sides,
    sides,
    st.floats(-180, 180),
    st.tuples(st.integers(-3, 3), st.integers(-3, 3)),
    st.floats(0.5, 2),
    st.tuples(st.floats(-30, 30), st.floats(-30, 30)),
    st.sampled_from(["nearest", "bilinear"]),
)
@settings(max_examples=50)
def test_affine_agrees_with_pytorch(height, width, angle, shift, scale, shear, how):
    """The matrix as torchvision writes it out, and PyTorch's sampling of a grid."""
    torch = pytest.importorskip("torch")
    turn, x, y = (math.radians(v) for v in (angle, *shear))
    rows = [
        [math.cos(turn - y) / math.cos(y), -math.cos(turn - y) * math.tan(x) / math.cos(y) - math.sin(turn)],
        [math.sin(turn - y) / math.cos(y), -math.sin(turn - y) * math.tan(x) / math.cos(y) + math.cos(turn)],
    ]
    back = np.linalg.inv(np.array(rows) * scale)
    gy, gx = np.mgrid[:height, :width]
    points = np.stack([gx + 0.5 - width / 2 - shift[0], gy + 0.5 - height / 2 - shift[1]], -1) @ back.T
    grid = torch.from_numpy(points / np.array([width / 2, height / 2]))[None]
    values = image(height, width, dtype=np.float64)
    theirs = torch.nn.functional.grid_sample(torch.from_numpy(values)[None], grid, mode=how, align_corners=False)[0]
    ours = functional.affine(values, angle, shift, scale, shear, how)
    differs = ~np.isclose(ours, theirs.numpy(), atol=1e-9)
    if how == "nearest":  # points on the border between two pixels fall to either side
        source = points + np.array([width, height]) / 2 - 0.5
        differs &= ~(np.abs(source % 1 - 0.5) < 1e-6).any(-1)
    assert not differs.any()


@given(sides, sides, st.integers(-4, 4), st.sampled_from(["nearest", "bilinear"]))
def test_quarter_turns_are_exact(height, width, quarters, how):
    x = image(height, width)
    turned = functional.rotate(x, 90 * quarters, how, expand=True)
    np.testing.assert_array_equal(turned, np.rot90(x, quarters, (1, 2)))


def test_turning_directions_and_filling():
    x = np.array([[[1, 2], [3, 4]]], np.uint8)
    assert functional.rotate(x, 90).tolist() == [[[2, 4], [1, 3]]], "against the clock"
    assert functional.affine(x, 90).tolist() == [[[3, 1], [4, 2]]], "with the clock"
    assert functional.affine(x, translate=(1, 0), fill=9).tolist() == [[[9, 1], [9, 3]]]
    colours = np.zeros((3, 2, 2), np.float32)
    filled = functional.affine(colours, translate=(0, 1), fill=[0.1, 0.2, 0.3], interpolation="bilinear")
    np.testing.assert_allclose(filled[:, 0, 0], [0.1, 0.2, 0.3], atol=1e-6)
    assert functional.rotate(x, 180, center=(0, 0)).tolist() == [[[0, 0], [0, 0]]]


@given(sides, sides, st.integers(1, 15), st.integers(1, 15))
def test_cropping_the_middle(height, width, new_height, new_width):
    x = image(height, width)
    cut = functional.center_crop(x, (new_height, new_width))
    assert cut.shape == (3, new_height, new_width)
    if new_height <= height and new_width <= width:
        top, left = round((height - new_height) / 2), round((width - new_width) / 2)
        np.testing.assert_array_equal(cut, x[:, top : top + new_height, left : left + new_width])
    back = functional.center_crop(functional.pad(x, 3), (height, width))
    np.testing.assert_array_equal(back, x)


def test_crops_reach_outside():
    x = np.arange(4, dtype=np.float32).reshape(1, 2, 2)
    assert functional.crop(x, -1, 1, 3, 2).tolist() == [[[0, 0], [1, 0], [3, 0]]]


@given(
    st.sampled_from(["constant", "edge", "reflect", "symmetric"]), st.lists(st.integers(0, 2), min_size=4, max_size=4)
)
def test_padding(mode, widths):
    x = image(4, 5)
    left, top, right, bottom = widths
    padded = functional.pad(x, widths, padding_mode=mode)
    np.testing.assert_array_equal(padded, np.pad(x, [(0, 0), (top, bottom), (left, right)], mode))
    assert functional.pad(x, (1, 2)).shape == (3, 8, 7)
    assert functional.pad(x, 1, fill=(1, 2, 3))[:, 0, 0].tolist() == [1, 2, 3]


def test_colours():
    x = image(4, 5)
    grey = 0.2989 * x[0] + 0.587 * x[1] + 0.114 * x[2]
    np.testing.assert_allclose(functional.rgb_to_grayscale(x)[0], grey, atol=1e-6)
    assert functional.rgb_to_grayscale(x, 3).shape == x.shape
    np.testing.assert_allclose(functional.adjust_brightness(x, 0.5), x / 2)
    np.testing.assert_allclose(functional.adjust_brightness(x, 3), np.minimum(3 * x, 1), atol=1e-6)
    np.testing.assert_allclose(functional.adjust_contrast(x, 0), np.full_like(x, grey.mean()), atol=1e-6)
    np.testing.assert_allclose(functional.adjust_saturation(x, 0), np.stack([grey] * 3), atol=1e-6)
    for adjust in (functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation):
        np.testing.assert_allclose(adjust(x, 1), x, atol=1e-6)
        assert adjust(image(2, 2, dtype=np.uint8), 1.5).dtype == np.uint8
        with pytest.raises(ValueError, match="0 or more"):
            adjust(x, -1)


def test_pictures_become_tensors():
    bytes_ = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    x = transforms.ToTensor()(bytes_)
    assert x.shape == (3, 2, 4) and x.dtype is tg.float32
    np.testing.assert_allclose(x.numpy(), bytes_.transpose(2, 0, 1) / np.float32(255))
    grey = np.ones((2, 3))
    y = transforms.ToTensor()(grey)
    y += 1
    assert y.shape == (1, 2, 3) and y.dtype is tg.float64 and grey.sum() == 6, "a copy"
    picture = pytest.importorskip("PIL.Image").fromarray(bytes_)
    assert transforms.ToTensor()(picture).tolist() == x.tolist()
    assert transforms.ToTensor()(tg.tensor([[[255]]], dtype="uint8")).tolist() == [[[1.0]]]
    assert transforms.ToTensor()(x) is x
    for wrong, error in (([1], TypeError), (np.ones(3), ValueError)):
        with pytest.raises(error, match="to_tensor"):
            transforms.ToTensor()(wrong)
    with pytest.raises(TypeError, match="ToTensor makes one of a picture"):
        transforms.RandomHorizontalFlip(1)(picture)


def test_normalizing():
    x = tg.from_numpy(image(3, 4))
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.25, 2.0]
    expected = (x.numpy() - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    np.testing.assert_allclose(transforms.Normalize(mean, std)(x).numpy(), expected, rtol=1e-5)
    assert transforms.Normalize(mean, std)(x).dtype is tg.float32
    same = transforms.Normalize(mean, std, inplace=True)(x)
    assert same is x
    np.testing.assert_allclose(x.numpy(), expected, rtol=1e-5)
    for arguments, error, message in (
        (([0], [0]), ValueError, "standard deviation is 0"),
        (([0, 1], [1]), ValueError, "2 numbers are given as mean for 3 channels"),
    ):
        with pytest.raises(error, match=message):
            transforms.Normalize(*arguments)(x)
    with pytest.raises(TypeError, match="floating point"):
        transforms.Normalize([0], [1])(image(2, 2, dtype=np.uint8))


# What all of them have in common -------------------------------------------------------------------------------------

ALL = [
    transforms.RandomCrop(5, padding=2),
    transforms.RandomCrop((9, 9), pad_if_needed=True),
    transforms.RandomResizedCrop(5),
    transforms.RandomHorizontalFlip(),
    transforms.RandomVerticalFlip(),
    transforms.RandomRotation(30, "bilinear"),
    transforms.RandomAffine(10, (0.2, 0.2), (0.8, 1.2), 5),
    transforms.RandomAffine(0, shear=(-20, 20, -20, 20)),
    transforms.RandomErasing(1.0),
    transforms.RandomErasing(1.0, value="random"),
    transforms.RandomErasing(1.0, value=(0.1, 0.2, 0.3)),
    transforms.ColorJitter(0.3, 0.3, (0.5, 1.5)),
    transforms.GaussianNoise(),
    transforms.CenterCrop(4),
    transforms.Pad(1),
    transforms.Resize(5),
    transforms.Grayscale(),
    transforms.Normalize([0.5], [0.5]),
    transforms.Lambda(lambda x: x * 2),
    transforms.RandomApply([transforms.Pad(1)]),
    transforms.RandomChoice([transforms.Pad(1), transforms.Pad(2)]),
    transforms.Compose([transforms.RandomCrop(4), transforms.RandomHorizontalFlip()]),
]


@pytest.mark.parametrize("transform", ALL, ids=lambda t: type(t).__name__)
def test_a_seed_repeats_a_transform_of_arrays_and_tensors_alike(transform):
    x = image(7, 8)
    before = x.copy()
    results = []
    for seed in (0, 0, 1, 2, 3, 4, 5):
        tg.manual_seed(seed)
        array = transform(x)
        tg.manual_seed(seed)
        tensor = transform(tg.from_numpy(x))
        assert isinstance(array, np.ndarray) and isinstance(tensor, tg.Tensor)
        assert array.dtype == np.float32 and tensor.dtype is tg.float32
        np.testing.assert_array_equal(array, tensor.numpy())
        results.append(array)
    np.testing.assert_array_equal(results[0], results[1])
    if "Random" in repr(transform) or "Jitter" in repr(transform) or "Noise" in repr(transform):
        assert any(r.shape != results[0].shape or (r != results[0]).any() for r in results[2:])
    np.testing.assert_array_equal(x, before)
    batch = np.stack([x, x])
    tg.manual_seed(0)
    together = transform(batch)
    if not isinstance(transform, transforms.GaussianNoise) and "random" not in repr(transform):
        np.testing.assert_allclose(together[0], results[0], atol=1e-6)
        np.testing.assert_array_equal(together[0], together[1])


@pytest.mark.parametrize("transform", [t for t in ALL if "Lambda" not in repr(t)], ids=lambda t: type(t).__name__)
def test_transforms_go_to_workers(transform):
    again = pickle.loads(pickle.dumps(transform))
    tg.manual_seed(1)
    expected = numbers(transform(image(7, 8)))
    tg.manual_seed(1)
    np.testing.assert_array_equal(numbers(again(image(7, 8))), expected)
    assert repr(again) == repr(transform)


def test_bytes_stay_bytes():
    x = image(8, 8, dtype=np.uint8)
    for transform in ALL[:9] + ALL[11:12] + ALL[13:17]:
        result = transform(x)
        assert result.dtype == np.uint8, transform
    assert functional.resize(x, 3, "bicubic").dtype == np.uint8


def test_random_places_are_spread_evenly():
    tg.manual_seed(0)
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    corners = [int(transforms.RandomCrop(3)(x)[0, 0, 0]) for _ in range(400)]
    assert {0, 1, 4, 5} == set(corners) and all(60 < corners.count(c) < 140 for c in set(corners))
    flips = sum(float(transforms.RandomHorizontalFlip(0.3)(x)[0, 0, 0]) == 3 for _ in range(500))
    assert 100 < flips < 200
    assert all((transforms.RandomHorizontalFlip(p)(x) == x).all() == (p == 0) for p in (0, 1) for _ in range(20))


@given(st.integers(8, 30), st.integers(8, 30), st.integers(0, 99))
def test_erasing_takes_the_share_that_was_asked_for(height, width, seed):
    tg.manual_seed(seed)
    erased = transforms.RandomErasing(1.0, scale=(0.1, 0.2), ratio=(0.5, 2.0), value=-1)(image(height, width)) == -1
    rows, columns = (np.flatnonzero(erased[0].any(axis)) for axis in (1, 0))
    assert (erased == erased[0]).all()
    assert erased[0].sum() == len(rows) * len(columns) and 0.04 < erased.mean() < 0.3, "one rectangle"
    x = tg.from_numpy(image(4, 4))
    assert transforms.RandomErasing(1.0, inplace=True)(x) is x and (x == 0).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: transforms.RandomHorizontalFlip(1.5), "RandomHorizontalFlip: p must be a probability"),
        (lambda: transforms.RandomCrop(0), "RandomCrop: size"),
        (lambda: transforms.RandomCrop((2, 3, 4)), "RandomCrop: size"),
        (lambda: transforms.RandomCrop(9)(image(8, 8)), "9 by 9 pixels can't be cut out of 8 by 8"),
        (lambda: transforms.RandomRotation(-5), "RandomRotation: degrees"),
        (lambda: transforms.RandomAffine(0, translate=(2, 0)), "translate must be two shares"),
        (lambda: transforms.RandomAffine(0, scale=(0, 1)), "scale must be two numbers above 0"),
        (lambda: transforms.RandomErasing(value="noise"), "value must be"),
        (lambda: transforms.RandomErasing(1, value=(1, 2))(image(9, 9)), "2 numbers are given as value"),
        (lambda: transforms.ColorJitter(-1), "brightness must be"),
        (lambda: transforms.GaussianNoise(sigma=-1), "sigma"),
        (lambda: transforms.Grayscale()(image(4, 4, channels=2)), "3 channels red, green and blue"),
        (lambda: transforms.Grayscale(2)(image(4, 4)), "must be 1 or 3"),
        (lambda: transforms.Pad(-1)(image(4, 4)), "padding must be"),
        (lambda: transforms.Pad(4, padding_mode="reflect")(image(4, 4)), "can't be reflected"),
        (lambda: transforms.Pad(1, padding_mode="mirror")(image(4, 4)), "padding_mode"),
        (lambda: transforms.Resize(5, "cubic")(image(4, 4)), "interpolation"),
        (lambda: transforms.Resize(5, max_size=4)(image(4, 4)), "max_size=4"),
        (lambda: transforms.Resize(0)(image(4, 4)), "size must be"),
        (lambda: functional.rotate(image(4, 4), 1, "bicubic"), "interpolation"),
        (lambda: functional.rotate(image(4, 4), 1, expand=True, center=(0, 0)), "no meaning"),
        (lambda: functional.affine(image(4, 4), scale=0), "scale must be above 0"),
        (lambda: transforms.Resize(3)(np.ones(3)), r"resize: expected an image of the shape \(..., H, W\), got \(3,\)"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_other_kinds_are_refused():
    with pytest.raises(TypeError, match="can't be called"):
        transforms.Compose([3])
    with pytest.raises(TypeError, match="hflip: expected a tensor or an array, got list"):
        functional.hflip([[1]])
    with pytest.raises(TypeError, match="gaussian_noise: expected an image of floating point"):
        transforms.GaussianNoise()(image(2, 2, dtype=np.uint8))


def test_one_number_resizes_the_shorter_side():
    assert functional.resize(image(6, 9), 4).shape == (3, 4, 6)
    assert functional.resize(image(9, 6), 4).shape == (3, 6, 4)
    assert functional.resize(image(9, 6), 4, max_size=5).shape == (3, 5, 3)


def test_how_transforms_print():
    assert repr(transforms.Compose([transforms.RandomHorizontalFlip(), transforms.CenterCrop(3)])) == (
        "Compose(\n    RandomHorizontalFlip(p=0.5)\n    CenterCrop(size=(3, 3))\n)"
    )


class Augmented(Dataset):
    def __init__(self):
        self.transform = transforms.Compose([transforms.RandomRotation(20), transforms.GaussianNoise()])

    def __len__(self):
        return 12

    def __getitem__(self, i):
        return self.transform(tg.full((1, 6, 6), 0.5))


def test_augmentation_is_the_same_with_workers_and_new_in_each_pass():
    def passes(workers):
        tg.manual_seed(5)
        loader = DataLoader(Augmented(), 4, num_workers=workers)
        return [[batch.tolist() for batch in loader] for _ in range(2)]

    first, second = passes(0)
    assert passes(2) == [first, second] and first != second
    flat = [str(sample) for batch in first + second for sample in batch]
    assert len(set(flat)) == len(flat), "no two samples get the same noise"


def test_ways_to_interpolate_have_names():
    from tinygrad_edu.transforms import InterpolationMode, Resize

    x = image(5, 6)
    for mode in (InterpolationMode.NEAREST, InterpolationMode.BILINEAR, InterpolationMode.BICUBIC):
        np.testing.assert_array_equal(Resize((3, 4), interpolation=mode)(x), Resize((3, 4), mode.value)(x))
    with pytest.raises(ValueError, match="interpolation must be"):
        Resize((3, 4), interpolation=InterpolationMode.LANCZOS)(x)
