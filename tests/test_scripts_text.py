"""What scripts about text do, in words of our own: the same names, shapes and behaviours, and PyTorch's losses step by step.

Of graykode's nlp-tutorial: a neural language model, a text CNN, a text LSTM, a Bi-LSTM with attention, a Seq2Seq network with
attention, and a Transformer; of PyTorch's tutorials: word embeddings by n-grams and by a bag of words; of PyTorch's examples: the word
language model.
"""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from script_peer import assert_same_curve

import tinygrad_edu as tg
from tinygrad_edu import nn


def trained(t: Any, model: Any, optimizer: Any, loss_of: Any) -> tuple[Any, Any]:
    """The usual three lines of a step."""

    def step() -> Any:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        return loss

    return model, step


def neural_language_model(t: Any) -> tuple[Any, Any]:
    words = "cats chase mice . mice eat cheese . cats like milk .".split()
    number = {w: i for i, w in enumerate(dict.fromkeys(words))}

    class Model(t.nn.Module):
        def __init__(self) -> None:
            super(Model, self).__init__()  # noqa: UP008  # as scripts write it
            self.table = t.nn.Embedding(len(number), 3)
            self.hidden = t.nn.Linear(6, 4, bias=False)
            self.shift = t.nn.Parameter(t.ones(4))
            self.out = t.nn.Linear(4, len(number), bias=False)
            self.direct = t.nn.Linear(6, len(number), bias=False)
            self.b = t.nn.Parameter(t.ones(len(number)))

        def forward(self, x: Any) -> Any:
            x = self.table(x).view(-1, 6)
            return self.b + self.direct(x) + self.out(t.tanh(self.shift + self.hidden(x)))

    model = Model()
    inputs = t.LongTensor([[number[a], number[b]] for a, b in itertools.pairwise(words[:-1])])
    targets = t.LongTensor([number[c] for c in words[2:]])
    criterion = t.nn.CrossEntropyLoss()
    optimizer = t.optim.Adam(model.parameters(), lr=0.01)
    assert len(f"{criterion(model(inputs), targets):.6f}") == 8
    best = model(inputs).data.max(1, keepdim=True)[1]
    assert best.shape == (len(targets), 1) and all(isinstance(n.item(), int) for n in best.squeeze())
    return trained(t, model, optimizer, lambda: criterion(model(inputs), targets))


def text_cnn(t: Any) -> tuple[Any, Any]:
    F = t.nn.functional

    class Model(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = t.nn.Embedding(12, 2)
            self.filters = t.nn.ModuleList([t.nn.Conv2d(1, 3, (size, 2)) for size in (2, 2, 3)])
            self.weight = t.nn.Linear(9, 2, bias=False)
            self.bias = t.nn.Parameter(t.ones([2]))

        def forward(self, x: Any) -> Any:
            pictures = self.table(x).unsqueeze(1)
            pooled = []
            for i, filters in enumerate(self.filters):
                height = filters.kernel_size[0]
                largest = t.nn.MaxPool2d((4 - height + 1, 1))
                pooled.append(largest(F.relu(filters(pictures))).permute(0, 3, 2, 1))
                assert pooled[i].shape == (len(x), 1, 1, 3)
            flat = t.reshape(t.cat(pooled, len(self.filters)), [-1, 9])
            return self.weight(flat) + self.bias

    model = Model()
    inputs = t.LongTensor([np.asarray([i, i + 1, i + 2, 11 - i]) for i in range(8)])
    targets = t.LongTensor([i % 2 for i in range(8)])
    assert model(t.LongTensor(np.array([[1, 2, 3, 4]]))).data.max(1, keepdim=True)[1][0][0] in (0, 1)
    criterion = t.nn.CrossEntropyLoss()
    return trained(t, model, t.optim.Adam(model.parameters(), lr=0.02), lambda: criterion(model(inputs), targets))


def one_hot_words(t: Any, words: list[str]) -> Any:
    return t.FloatTensor(np.array([[np.eye(26)[ord(c) - 97] for c in w] for w in words])).double()


def text_lstm(t: Any) -> tuple[Any, Any]:
    class Model(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = t.nn.LSTM(input_size=26, hidden_size=9)
            self.out = t.nn.Linear(9, 26, bias=False)
            self.b = t.nn.Parameter(t.ones([26]))

        def forward(self, x: Any) -> Any:
            start = t.zeros(1, len(x), 9), t.zeros(1, len(x), 9)
            outputs, (_, _) = self.lstm(x.transpose(0, 1), start)
            return self.out(outputs[-1]) + self.b

    words = ["make", "need", "coal", "word", "love", "hate", "live"]
    model, criterion = Model(), t.nn.CrossEntropyLoss()
    inputs, targets = one_hot_words(t, [w[:3] for w in words]), t.LongTensor([ord(w[3]) - 97 for w in words])
    return trained(t, model, t.optim.Adam(model.parameters(), lr=0.01), lambda: criterion(model(inputs), targets))


def bilstm_with_attention(t: Any) -> tuple[Any, Any]:
    F, Variable = t.nn.functional, t.autograd.Variable

    class Model(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = t.nn.Embedding(15, 4)
            self.lstm = t.nn.LSTM(4, 5, bidirectional=True)
            self.out = t.nn.Linear(10, 2)

        def attention(self, outputs: Any, last: Any) -> Any:
            query = last.view(-1, 10, 1)  # (N, 2 H, 1)
            weights = F.softmax(t.bmm(outputs, query).squeeze(2), 1)
            context = t.bmm(outputs.transpose(1, 2), weights.unsqueeze(2)).squeeze(2)
            return context, weights.data.numpy()

        def forward(self, x: Any) -> Any:
            x = self.table(x).permute(1, 0, 2)
            start = Variable(t.zeros(2, x.size(1), 5)), Variable(t.zeros(2, x.size(1), 5))
            outputs, (last, _) = self.lstm(x, start)
            context, weights = self.attention(outputs.permute(1, 0, 2), last)
            return self.out(context), weights

    model, criterion = Model(), t.nn.CrossEntropyLoss()
    rng = np.random.default_rng(0)
    inputs, targets = Variable(t.LongTensor(rng.integers(0, 15, (6, 3)))), Variable(t.LongTensor([1, 1, 1, 0, 0, 0]))
    weights = model(inputs)[1]
    assert isinstance(weights, np.ndarray) and weights.shape == (6, 3)
    return trained(t, model, t.optim.Adam(model.parameters(), lr=0.01), lambda: criterion(model(inputs)[0], targets))


def seq2seq_with_attention(t: Any) -> tuple[Any, Any]:
    F = t.nn.functional

    class Model(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = t.nn.RNN(input_size=8, hidden_size=6)
            self.decoder = t.nn.RNN(input_size=8, hidden_size=6)
            self.attn = t.nn.Linear(6, 6)
            self.out = t.nn.Linear(12, 8)

        def weights(self, output: Any, encoded: Any) -> Any:
            scores = t.zeros(len(encoded))
            for i in range(len(encoded)):  # numbers written into a vector, one by one
                scores[i] = t.dot(output.view(-1), self.attn(encoded[i]).view(-1))
            return F.softmax(scores).view(1, 1, -1)  # without a dimension

        def forward(self, source: Any, hidden: Any, target: Any) -> Any:
            encoded, hidden = self.encoder(source.transpose(0, 1), hidden)
            target = target.transpose(0, 1)
            result, kept = t.empty([len(target), 1, 8]), []
            for i in range(len(target)):
                output, hidden = self.decoder(target[i].unsqueeze(0), hidden)
                weights = self.weights(output, encoded)
                kept.append(weights.squeeze().data.numpy())
                context = weights.bmm(encoded.transpose(0, 1)).squeeze(1)
                result[i] = self.out(t.cat((output.squeeze(0), context), 1))
            return result.transpose(0, 1).squeeze(0), kept

    model, criterion = Model(), t.nn.CrossEntropyLoss()
    source, target = (t.FloatTensor(np.array([np.eye(8)[order]])).double() for order in ([0, 1, 2, 3], [4, 5, 6, 7]))
    labels, hidden = t.LongTensor([[5, 6, 7, 4]]), t.zeros(1, 1, 6)
    return trained(
        t,
        model,
        t.optim.Adam(model.parameters(), lr=0.01),
        lambda: criterion(model(source, hidden, target)[0], labels.squeeze(0)),
    )


def transformer(t: Any) -> tuple[Any, Any]:
    D, HEADS, WIDTH = 16, 2, 8

    def sinusoids(count: int) -> Any:
        angles = np.arange(count)[:, None] / np.power(10000, 2 * (np.arange(D) // 2) / D)
        table = np.where(np.arange(D) % 2, np.cos(angles), np.sin(angles))
        return t.FloatTensor(table).double()

    def padding(queries: Any, keys: Any) -> Any:
        mask = keys.data.eq(0).unsqueeze(1)
        return mask.expand(queries.size(0), queries.size(1), keys.size(1))

    def later(x: Any) -> Any:
        return t.from_numpy(np.triu(np.ones([x.size(0), x.size(1), x.size(1)]), k=1)).byte()

    class Attention(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v = (t.nn.Linear(D, WIDTH * HEADS) for _ in range(3))
            self.linear = t.nn.Linear(HEADS * WIDTH, D)
            self.layer_norm = t.nn.LayerNorm(D)

        def forward(self, q: Any, k: Any, v: Any, mask: Any) -> Any:
            n = q.size(0)
            heads = [f(x).view(n, -1, HEADS, WIDTH).transpose(1, 2) for f, x in ((self.q, q), (self.k, k), (self.v, v))]
            scores = t.matmul(heads[0], heads[1].transpose(-1, -2)) / np.sqrt(WIDTH)
            scores.masked_fill_(mask.unsqueeze(1).repeat(1, HEADS, 1, 1), -1e9)
            context = t.matmul(t.nn.Softmax(dim=-1)(scores), heads[2])
            context = context.transpose(1, 2).contiguous().view(n, -1, HEADS * WIDTH)
            return self.layer_norm(self.linear(context) + q)

    class FeedForward(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = t.nn.Conv1d(in_channels=D, out_channels=32, kernel_size=1)
            self.conv2 = t.nn.Conv1d(in_channels=32, out_channels=D, kernel_size=1)
            self.layer_norm = t.nn.LayerNorm(D)

        def forward(self, x: Any) -> Any:
            y = self.conv2(t.nn.ReLU()(self.conv1(x.transpose(1, 2)))).transpose(1, 2)
            return self.layer_norm(y + x)

    class Model(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.source, self.target = t.nn.Embedding(6, D), t.nn.Embedding(7, D)
            self.places = t.nn.Embedding.from_pretrained(sinusoids(6), freeze=True)
            self.encoder = t.nn.ModuleList([t.nn.ModuleList([Attention(), FeedForward()]) for _ in range(2)])
            self.decoder = t.nn.ModuleList(
                [t.nn.ModuleList([Attention(), Attention(), FeedForward()]) for _ in range(2)]
            )
            self.projection = t.nn.Linear(D, 7, bias=False)

        def forward(self, source: Any, target: Any) -> Any:
            x = self.source(source) + self.places(t.LongTensor([[1, 2, 3, 4, 0]]))
            for attention, feed in self.encoder:
                x = feed(attention(x, x, x, padding(source, source)))
            y = self.target(target) + self.places(t.LongTensor([[5, 1, 2, 3, 4]]))
            hidden = t.gt(padding(target, target) + later(target), 0)
            for own, other, feed in self.decoder:
                y = own(y, y, y, hidden)
                y = feed(other(y, x, x, padding(target, source)))
            logits = self.projection(y)
            return logits.view(-1, logits.size(-1))

    model, criterion = Model(), t.nn.CrossEntropyLoss()
    source, target, labels = (t.LongTensor([row]) for row in ([1, 2, 3, 4, 0], [5, 1, 2, 3, 4], [1, 2, 3, 4, 6]))
    # Adam divides by the square root of gradients that are nearly 0, which makes much of the last digits.
    optimizer = t.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    return trained(t, model, optimizer, lambda: criterion(model(source, target), labels.contiguous().view(-1)))


SONNET = "when many quiet winters stand upon your brow and draw their lines across the field of what you were".split()


def ngrams(t: Any) -> tuple[Any, Any]:
    F = t.nn.functional
    number = {w: i for i, w in enumerate(dict.fromkeys(SONNET))}

    class Model(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embeddings = t.nn.Embedding(len(number), 6)
            self.linear1, self.linear2 = t.nn.Linear(12, 20), t.nn.Linear(20, len(number))

        def forward(self, inputs: Any) -> Any:
            x = self.embeddings(inputs).view((1, -1))
            return F.log_softmax(self.linear2(F.relu(self.linear1(x))), dim=1)

    model, criterion = Model(), t.nn.NLLLoss()
    optimizer = t.optim.SGD(model.parameters(), lr=0.01)

    def epoch() -> float:
        total = 0.0
        for a, b, c in zip(SONNET, SONNET[1:], SONNET[2:], strict=False):
            model.zero_grad()
            context = t.tensor([number[b], number[a]], dtype=t.long)
            loss = criterion(model(context), t.tensor([number[c]], dtype=t.long))
            loss.backward()
            optimizer.step()
            total += loss.item()
        return total

    assert model.embeddings.weight[number["brow"]].shape == (6,)
    return model, epoch


def bag_of_words(t: Any) -> tuple[Any, Any]:
    F = t.nn.functional
    number = {w: i for i, w in enumerate(dict.fromkeys(SONNET))}

    class Model(t.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embeddings = t.nn.Embedding(len(number), 6)
            self.linear = t.nn.Linear(6, len(number))

        def forward(self, inputs: Any) -> Any:
            return F.log_softmax(
                self.linear(sum(self.embeddings(inputs)).view(1, -1)), dim=-1
            )  # a sum of rows, by iteration

    model, criterion = Model(), t.nn.NLLLoss()
    optimizer = t.optim.SGD(model.parameters(), lr=0.05)
    places = range(2, len(SONNET) - 2)
    contexts = [t.tensor([number[SONNET[i + d]] for d in (-2, -1, 1, 2)], dtype=t.long) for i in places]

    def loss_of() -> Any:
        losses = [criterion(model(c), t.tensor([number[SONNET[i]]])) for c, i in zip(contexts, places, strict=True)]
        return t.stack(losses).mean()

    return trained(t, model, optimizer, loss_of)


CHAPTERS = [
    neural_language_model,
    text_cnn,
    text_lstm,
    bilstm_with_attention,
    seq2seq_with_attention,
    transformer,
    ngrams,
    bag_of_words,
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("script", CHAPTERS, ids=lambda script: script.__name__)
def test_chapters(script: Any) -> None:
    assert_same_curve(script)


def batchify(data: Any, size: int) -> Any:
    batches = data.size(0) // size
    return data.narrow(0, 0, batches * size).view(size, -1).t().contiguous()


def repackage(hidden: Any) -> Any:
    return hidden.detach() if hasattr(hidden, "detach") else tuple(repackage(h) for h in hidden)


def word_language_model(kind: str) -> Any:
    def script(t: Any) -> tuple[Any, Any]:
        F = t.nn.functional
        corpus = t.tensor(
            [ord(c) % 20 for c in "the words of a text stand in columns, one batch beside the other " * 8]
        ).type(t.int64)
        source = batchify(corpus, 4)

        class Recurrent(t.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.drop, self.encoder = t.nn.Dropout(0.0), t.nn.Embedding(20, 8)
                if kind in ("LSTM", "GRU"):
                    self.rnn = getattr(t.nn, kind)(8, 8, 2, dropout=0.0)
                else:
                    words = {"RNN_TANH": "tanh", "RNN_RELU": "relu"}
                    self.rnn = t.nn.RNN(8, 8, 2, nonlinearity=words[kind], dropout=0.0)
                self.decoder = t.nn.Linear(8, 20)
                self.decoder.weight = self.encoder.weight  # tied
                t.nn.init.uniform_(self.encoder.weight, -0.1, 0.1)
                t.nn.init.zeros_(self.decoder.bias)

            def forward(self, x: Any, hidden: Any) -> Any:
                output, hidden = self.rnn(self.drop(self.encoder(x)), hidden)
                return F.log_softmax(self.decoder(self.drop(output)).view(-1, 20), dim=1), hidden

            def start(self, size: int) -> Any:
                weight = next(self.parameters())
                zeros = [weight.new_zeros(2, size, 8) for _ in range(2)]
                return tuple(zeros) if kind == "LSTM" else zeros[0]

        class Attending(t.nn.Transformer):
            def __init__(self) -> None:
                super().__init__(
                    d_model=8, nhead=2, dim_feedforward=16, num_encoder_layers=2, num_decoder_layers=1, dropout=0.0
                )
                self.input_emb = t.nn.Embedding(20, 8)
                self.decoder = t.nn.Linear(8, 20)  # in the place of the decoder that is not needed
                pe = t.zeros(50, 8)
                position = t.arange(0, 50, dtype=t.float).unsqueeze(1)
                div_term = t.exp(t.arange(0, 8, 2).float() * (-math.log(10000.0) / 8))
                pe[:, 0::2] = t.sin(position * div_term)
                pe[:, 1::2] = t.cos(position * div_term)
                self.register_buffer("pe", pe.unsqueeze(0).transpose(0, 1))

            def forward(self, x: Any, hidden: Any) -> Any:
                mask = t.log(t.tril(t.ones(len(x), len(x))))
                x = self.input_emb(x) * math.sqrt(8)
                x = x + self.pe[: x.size(0), :]
                return F.log_softmax(self.decoder(self.encoder(x, mask=mask)), dim=-1).view(-1, 20), hidden

        model = Attending() if kind == "Transformer" else Recurrent()
        criterion = t.nn.NLLLoss()
        state = {"at": 0, "hidden": None if kind == "Transformer" else model.start(4)}

        def step() -> Any:
            at = state["at"] = (state["at"] + 10) % 100
            data, targets = source[at : at + 10], source[at + 1 : at + 11].view(-1)
            model.zero_grad()
            if state["hidden"] is not None:
                state["hidden"] = repackage(state["hidden"])
            output, state["hidden"] = model(data, state["hidden"])
            loss = criterion(output, targets)
            loss.backward()
            t.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            for p in model.parameters():
                if p.grad is not None:
                    p.data.add_(p.grad, alpha=-1.0)
            return loss

        return model, step

    return script


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["RNN_TANH", "RNN_RELU", "LSTM", "GRU", "Transformer"])
def test_word_language_model(kind: str) -> None:
    assert_same_curve(word_language_model(kind), falls=False)


class Kept(nn.Module):
    """A model that is saved as a whole, which takes a class that others can import."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.decoder = nn.GRU(4, 4), nn.Linear(4, 5)


def test_a_language_model_is_saved_whole_and_generates(tmp_path: Path) -> None:
    model = Kept()
    with open(tmp_path / "model.pt", "wb") as file:
        tg.save(model, file)
    with open(tmp_path / "model.pt", "rb") as file:
        back = tg.load(file, weights_only=False)
        back.rnn.flatten_parameters()
    x = tg.randn(1, 1, 4)
    with tg.no_grad():
        logits, _ = back.rnn(x)
        weights = back.decoder(logits).squeeze().div(0.8).exp().cpu()
        assert 0 <= tg.multinomial(weights, 1)[0] < 5
    assert back.rnn(x)[0].tolist() == model.rnn(x)[0].tolist()
