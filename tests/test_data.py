"""Data sets, samplers, collation and the loader."""

from collections import Counter, OrderedDict, namedtuple
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.utils import data
from tinygrad_edu.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset


class Squares(Dataset):
    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        if not 0 <= i < self.size:
            raise IndexError(i)
        return i, float(i * i)


class Stream(IterableDataset):
    def __init__(self, size):
        self.size = size

    def __iter__(self):
        return iter(range(self.size))


class SizedStream(Stream):
    def __len__(self):
        return self.size


def indices_of(loader):
    return [batch[0].tolist() for batch in loader]


# Loader --------------------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 20), st.integers(1, 7), st.booleans(), st.booleans(), st.sampled_from(["map", "tensor", "subset"])
)
def test_an_epoch_has_every_sample_once(size, batch_size, shuffle, drop_last, kind):
    if kind == "map":
        dataset = Squares(size)
    else:
        dataset = TensorDataset(tg.arange(size), tg.arange(size).double() ** 2)
        if kind == "subset":
            dataset = data.Subset(data.Subset(dataset, range(size)), range(size)[::-1])
    loader = DataLoader(dataset, batch_size, shuffle, drop_last=drop_last)
    batches = list(loader)
    assert len(batches) == len(loader)
    sizes = [len(x) for x, _ in batches]
    assert all(n == batch_size for n in sizes[:-1]) and (not drop_last or set(sizes) <= {batch_size})
    seen = [int(i) for x, _ in batches for i in x]
    assert len(set(seen)) == len(seen) == (size // batch_size * batch_size if drop_last else size)
    assert all((x.double() ** 2 - y).abs().sum() == 0 for x, y in batches)
    if not shuffle:
        assert seen == [*range(size)][:: -1 if kind == "subset" else 1][: len(seen)]


def test_order_follows_the_seed_and_changes_between_epochs():
    loader = DataLoader(Squares(50), 10, shuffle=True)
    tg.manual_seed(1)
    first, second = indices_of(loader), indices_of(loader)
    tg.manual_seed(1)
    assert indices_of(loader) == first and first != second


def test_a_generator_of_its_own_leaves_the_default_one_alone():
    def orders():
        loader = DataLoader(Squares(30), 5, shuffle=True, generator=tg.Generator().manual_seed(5))
        return indices_of(loader)

    tg.manual_seed(1)
    expected = tg.rand(2).tolist()
    tg.manual_seed(1)
    assert orders() == orders()
    assert tg.rand(2).tolist() == expected


def test_tensor_batches_equal_collated_ones():
    """The short cut for tensor data gives what collating sample by sample gives, gradients included."""
    x = tg.rand(7, 2, requires_grad=True)
    dataset = TensorDataset(x, tg.arange(7))
    fast = list(DataLoader(dataset, 3))
    slow = list(DataLoader(dataset, 3, collate_fn=lambda batch: data.default_collate(batch)))
    for a, b in zip(fast, slow, strict=True):
        assert type(a) is type(b) is list
        assert all(p.tolist() == q.tolist() and p.dtype is q.dtype for p, q in zip(a, b, strict=True))
    fast[0][0].sum().backward()
    assert x.grad.sum().item() == 6


def test_an_overridden_getitem_is_not_bypassed():
    class Augmented(TensorDataset):
        def __getitem__(self, i):
            return super().__getitem__(i)[0] + 100

    assert [b.tolist() for b in DataLoader(Augmented(tg.arange(3)), 2)] == [[100, 101], [102]]


def test_batches_fetched_at_once():
    class Bulk(Squares):
        def __getitems__(self, indices):
            return [("many", i) for i in indices]

    assert [(b[0], b[1].tolist()) for b in DataLoader(Bulk(3), 2)] == [(("many",) * 2, [0, 1]), (("many",), [2])]


@pytest.mark.parametrize("size", [0, 4, 5])
def test_streams(size):
    assert [b.tolist() for b in DataLoader(Stream(size), 2)] == [[*range(size)][i : i + 2] for i in range(0, size, 2)]
    assert len(list(DataLoader(Stream(size), 2, drop_last=True))) == size // 2
    assert list(DataLoader(Stream(size), None)) == list(range(size))
    assert len(DataLoader(SizedStream(size), 2)) == (size + 1) // 2
    with pytest.raises(TypeError, match="Stream has no length"):
        len(DataLoader(Stream(size), 2))


def test_samplers_and_unbatched_loading():
    assert indices_of(DataLoader(Squares(9), 2, sampler=[3, 1, 4])) == [[3, 1], [4]]
    loader = DataLoader(Squares(9), batch_sampler=[[1, 2], [3]])
    assert indices_of(loader) == [[1, 2], [3]] and len(loader) == 2
    single = DataLoader([np.ones(2), np.zeros(2)], batch_size=None)
    assert [x.tolist() for x in single] == [[1, 1], [0, 0]] and len(single) == 2
    assert list(DataLoader(["a", "b", "c"], 2)) == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_workers": -1}, "num_workers must be an integer from 0 on, got -1"),
        ({"num_workers": 1, "prefetch_factor": 0}, "prefetch_factor must be at least 1"),
        ({"prefetch_factor": 2}, "about worker processes"),
        ({"persistent_workers": True}, "about worker processes"),
        ({"multiprocessing_context": "fork"}, "about worker processes"),
        ({"num_workers": 1, "multiprocessing_context": "threads"}, "must be one of"),
        ({"num_workers": 1, "timeout": -1}, "timeout must be"),
        ({"timeout": 3}, "timeout"),
        ({"batch_size": 0}, "batch_size must be a positive integer, got 0"),
        ({"batch_size": 2.0}, "batch_size"),
        ({"shuffle": True, "sampler": [1]}, "exclude"),
        ({"batch_sampler": [[1]], "batch_size": 4}, "batch_sampler excludes"),
        ({"batch_sampler": [[1]], "drop_last": True}, "batch_sampler excludes"),
        ({"batch_size": None, "drop_last": True}, "drop_last"),
    ],
)
def test_contradictions_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(Squares(3), **arguments)


def test_a_stream_has_no_order_to_change():
    with pytest.raises(ValueError, match="IterableDataset"):
        DataLoader(Stream(3), shuffle=True)


# Data sets -----------------------------------------------------------------------------------------------------------


def test_tensor_dataset_checks_its_rows():
    with pytest.raises(ValueError, match=r"\(3,\), \(2,\)"):
        TensorDataset(tg.ones(3), tg.ones(2))
    with pytest.raises(ValueError, match=r"\(\)"):
        TensorDataset(tg.tensor(1.0))
    with pytest.raises(ValueError, match="at least one"):
        TensorDataset()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_concatenation_is_the_list_of_all(sizes):
    whole = data.ConcatDataset([Squares(n) for n in sizes])
    expected = [sample for n in sizes for sample in (Squares(n)[i] for i in range(n))]
    assert len(whole) == len(expected)
    assert [whole[i] for i in range(len(whole))] == expected
    assert [whole[i - len(whole)] for i in range(len(whole))] == expected
    with pytest.raises(IndexError):
        whole[len(expected)]


def test_adding_data_sets():
    assert len(Squares(2) + Squares(3)) == 5
    assert list(Stream(2) + Stream(3)) == [0, 1, 0, 1, 2] and len(SizedStream(2) + SizedStream(3)) == 5
    with pytest.raises(TypeError, match="ChainDataset"):
        data.ConcatDataset([Stream(2)])
    with pytest.raises(ValueError, match="at least one"):
        data.ConcatDataset([])


@given(st.lists(st.integers(0, 10), min_size=1, max_size=5))
def test_random_split_deals_out_every_sample_once(lengths):
    if sum(lengths) == 1:
        lengths = [*lengths, 1]
    parts = data.random_split(range(sum(lengths)), lengths)
    assert [len(p) for p in parts] == lengths
    assert sorted(i for p in parts for i in p) == list(range(sum(lengths)))


@given(st.integers(0, 50), st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_random_split_by_fractions(total, weights):
    fractions = [w / sum(weights) for w in weights]
    parts = data.random_split(range(total), fractions)
    assert sorted(i for p in parts for i in p) == list(range(total))
    assert all(abs(len(p) - total * f) <= 1 for p, f in zip(parts, fractions, strict=True))


@pytest.mark.parametrize("lengths", [[3, 3], [11], [-1, 11], [0.5, 0.6], [2.5, 7.5], []])
def test_random_split_refuses_what_does_not_add_up(lengths):
    with pytest.raises(ValueError, match="random_split"):
        data.random_split(range(10), lengths)


def test_random_split_repeats_with_its_generator():
    first, second = (
        [p.indices for p in data.random_split(range(20), [15, 5], tg.Generator().manual_seed(3))] for _ in range(2)
    )
    assert first == second


# Samplers ------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(1, 30), st.booleans())
def test_random_sampler_draws_as_many_as_wanted(size, wanted, replacement):
    drawn = list(data.RandomSampler(range(size), replacement, wanted))
    assert len(drawn) == wanted == len(data.RandomSampler(range(size), replacement, wanted))
    assert set(drawn) <= set(range(size))
    if not replacement:
        counts = Counter(drawn)
        assert max(counts.values()) <= -(-wanted // size), "every sample comes once before any comes again"


def test_other_samplers():
    assert list(data.SequentialSampler("abc")) == [0, 1, 2]
    assert sorted(data.SubsetRandomSampler([5, 7, 9])) == [5, 7, 9]
    assert list(data.RandomSampler([])) == []
    with pytest.raises(ValueError, match="num_samples"):
        data.RandomSampler([1], num_samples=0)
    with pytest.raises(ValueError, match="empty"):
        list(data.RandomSampler([], num_samples=2))


def test_a_sampler_draws_as_it_goes():
    sampler = data.RandomSampler(range(7), replacement=True, num_samples=10**10)
    assert len(sampler) == 10**10
    first = list(islice(sampler, 10_000))
    assert set(first) == set(range(7)) and first[:100] != first[4096:4196]
    seeded = [list(data.RandomSampler(range(9), True, 9000, tg.Generator().manual_seed(s))) for s in (1, 1, 2)]
    assert len(seeded[0]) == 9000 and seeded[0] == seeded[1] != seeded[2]
    batch = next(iter(data.DataLoader(range(7), batch_size=4, sampler=sampler)))
    assert batch.shape == (4,)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8).filter(any), st.integers(1, 20), st.booleans())
def test_weighted_sampler_draws_what_has_weight(weights, wanted, replacement):
    possible = [i for i, w in enumerate(weights) if w]
    if not replacement and wanted > len(possible):
        with pytest.raises(ValueError, match="can't be drawn"):
            data.WeightedRandomSampler(weights, wanted, replacement)
        return
    sampler = data.WeightedRandomSampler(weights, wanted, replacement, tg.Generator().manual_seed(wanted))
    drawn = list(sampler)
    assert len(drawn) == len(sampler) == wanted and set(drawn) <= set(possible)
    assert replacement or len(set(drawn)) == wanted


def test_weighted_sampler_draws_in_proportion():
    drawn = Counter(data.WeightedRandomSampler([1, 3, 6], 10_000, generator=tg.Generator().manual_seed(0)))
    assert [abs(drawn[i] / 10_000 - p) < 0.02 for i, p in enumerate([0.1, 0.3, 0.6])] == [True] * 3
    for weights in ([1, -1], [float("nan"), 1], [0, 0], [float("inf")], [[1, 2]]):
        with pytest.raises(ValueError, match="weights must be"):
            data.WeightedRandomSampler(weights, 1)
    with pytest.raises(ValueError, match="num_samples"):
        data.WeightedRandomSampler([1], 0)


@given(st.lists(st.integers(1, 30), max_size=60), st.integers(1, 8), st.booleans(), st.booleans(), st.integers(1, 3))
def test_buckets_deal_out_every_sample_once(lengths, size, shuffle, drop_last, pool):
    sampler = data.BucketBatchSampler(lengths, size, shuffle=shuffle, drop_last=drop_last, pool_size=pool)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert sorted(map(len, batches))[1:] == [size] * (len(batches) - 1)
    seen = [i for batch in batches for i in batch]
    assert len(seen) == len(set(seen)) == (len(lengths) // size * size if drop_last else len(lengths))
    if shuffle:
        limited = list(data.BucketBatchSampler(lengths, max_tokens=40, pool_size=pool))
        assert sorted(i for batch in limited for i in batch) == list(range(len(lengths)))
        assert all(len(batch) * max(lengths[i] for i in batch) <= 40 for batch in limited)


def test_buckets_pad_little_and_stay_random():
    lengths = tg.randint(1, 200, (2000,), generator=tg.Generator().manual_seed(1)).tolist()

    def padding(batches):
        return sum(max(lengths[i] for i in b) - lengths[j] for b in batches for j in b) / sum(lengths)

    sampler = data.BucketBatchSampler(lengths, 20, pool_size=20)
    mixed = data.BatchSampler(data.RandomSampler(lengths), 20, False)
    assert padding(sampler) < 0.1 < 0.5 < padding(mixed)
    assert list(sampler) != list(sampler), "another order in each pass"
    fixed = data.BucketBatchSampler(lengths, 20, generator=tg.Generator().manual_seed(4))
    again = data.BucketBatchSampler(lengths, 20, generator=tg.Generator().manual_seed(4))
    assert list(fixed) == list(again)
    assert len(data.BucketBatchSampler([3, 3, 3], max_tokens=6, shuffle=False)) == 2
    for arguments in ({}, {"batch_size": 2, "max_tokens": 3}, {"batch_size": 0}, {"max_tokens": 9, "drop_last": True}):
        with pytest.raises(ValueError, match="BucketBatchSampler"):
            data.BucketBatchSampler([1, 2], **arguments)
    with pytest.raises(ValueError, match="length 9, more than max_tokens=5"):
        data.BucketBatchSampler([1, 9], max_tokens=5)
    with pytest.raises(TypeError, match="varies"):
        len(data.BucketBatchSampler([1, 2], max_tokens=5))


def test_stacked_data_sets():
    pairs = data.StackDataset(Squares(3), TensorDataset(tg.arange(3)))
    assert len(pairs) == 3 and pairs[2][0] == (2, 4.0) and pairs[2][1][0].item() == 2
    named = next(iter(DataLoader(data.StackDataset(a=range(4), b=range(4, 8)), 2)))
    assert named["a"].tolist() == [0, 1] and named["b"].tolist() == [4, 5]
    with pytest.raises(ValueError, match=r"lengths \[2, 3\]"):
        data.StackDataset(range(2), range(3))
    for wrong in (lambda: data.StackDataset(), lambda: data.StackDataset(range(2), a=range(2))):
        with pytest.raises(ValueError, match="either by position"):
            wrong()


# Collation -----------------------------------------------------------------------------------------------------------

Point = namedtuple("Point", "x y")


def test_collation_follows_the_structure():
    batch = data.default_collate([{"p": Point(1, 2.0), "s": "a"}, {"p": Point(3, 4.0), "s": "b"}])
    assert isinstance(batch["p"], Point) and batch["p"].x.tolist() == [1, 3] and batch["s"] == ["a", "b"]
    assert batch["p"].x.dtype is tg.int64 and batch["p"].y.dtype is tg.float64
    assert type(data.default_collate([OrderedDict(a=1)])) is OrderedDict
    assert data.default_collate([np.float32(1), np.float32(2)]).dtype is tg.float32
    assert data.default_collate([np.ones((2, 3), np.uint8)] * 4).shape == (4, 2, 3)
    assert data.default_collate([True, False]).dtype is tg.bool


@pytest.mark.parametrize(
    ("batch", "error"),
    [
        ([], ValueError),
        ([tg.ones(2), tg.ones(3)], RuntimeError),
        ([(1, 2), (1,)], RuntimeError),
        ([{"a": 1}, {"b": 1}], RuntimeError),
        ([object()], TypeError),
        ([None], TypeError),
    ],
)
def test_samples_that_do_not_fit_together(batch, error):
    with pytest.raises(error, match="default_collate"):
        data.default_collate(batch)


def test_collated_arrays_do_not_share_memory_with_the_samples():
    array = np.zeros(2)
    batch = data.default_collate([array, array])
    batch += 1
    assert array.tolist() == [0, 0]
    assert data.default_convert({"a": [array, "x"]})["a"][0].tolist() == [0, 0]


def test_collation_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    from torch.utils.data import default_collate as theirs

    def facts(value):
        if hasattr(value, "dtype"):
            return str(value.dtype).split(".")[-1], tuple(value.shape), value.tolist()
        if isinstance(value, dict):
            return {k: facts(v) for k, v in value.items()}
        return (type(value), [facts(v) for v in value]) if isinstance(value, (list, tuple)) else value

    for make in (
        lambda lib: [(1, 2.0, "a"), (3, 4.0, "b")],
        lambda lib: [[1, [2, 3]], [4, [5, 6]]],
        lambda lib: [{"k": lib.ones(2), "n": np.arange(3)}, {"k": lib.zeros(2), "n": np.arange(3)}],
        lambda lib: [Point(1, b"x"), Point(2, b"y")],
        lambda lib: [np.float64(1), np.float64(2)],
        lambda lib: [True, False],
    ):
        assert facts(data.default_collate(make(tg))) == facts(theirs(make(torch)))
