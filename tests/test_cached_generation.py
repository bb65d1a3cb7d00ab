"""What a model generates from its past of keys and values is what it generates by reading everything anew."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.models import GPT, GPTConfig, Llama, LlamaConfig, SlidingWindow, beam_search, generate


def gpt(length):
    return GPT(GPTConfig(vocab_size=11, block_size=length, n_layer=2, n_head=2, n_embd=8, dropout=0.5))


def llama(length):
    config = LlamaConfig(11, 8, 12, 2, 4, num_key_value_heads=2, max_position_embeddings=length, rope_theta=10.0)
    return Llama(config)


def filled(kind, length=24):
    tg.manual_seed(0)
    model = kind(length)
    with tg.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.7)
    return model


@dataclass
class Read:
    """Everything that was read (N, T)."""

    tokens: tg.Tensor

    def select_rows(self, index):
        return Read(self.tokens[index])


class Anew(tg.nn.Module):
    """The same model without a past."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def step(self, tokens, state=None):
        read = tokens[:, None] if state is None else tg.cat((state.tokens, tokens[:, None]), 1)
        return self.model(read)[:, -1], Read(read)


prompts = st.lists(st.lists(st.integers(0, 10), min_size=4, max_size=4), min_size=1, max_size=3)


@settings(max_examples=10)
@pytest.mark.parametrize("kind", [gpt, llama])
@given(prompt=prompts, data=st.data())
def test_token_for_token(kind, prompt, data):
    model = filled(kind)
    choices = [{"greedy": True}, {"temperature": 0.8}, {"top_k": 3}, {"top_p": 0.7, "repetition_penalty": 1.3}]
    how = data.draw(st.sampled_from(choices))
    lengths = data.draw(st.lists(st.integers(1, 4), min_size=len(prompt), max_size=len(prompt)))

    def written(net):
        return generate(
            net, tg.tensor(prompt), 15, lengths=lengths, generator=tg.Generator().manual_seed(5), stop=[7], **how
        )

    assert written(model) == written(Anew(model))
    assert model.training, "as it was before"


@pytest.mark.parametrize("kind", [gpt, llama])
def test_beams(kind):
    model, first = filled(kind), tg.tensor([3, 8])
    for width in (1, 3):
        found, wanted = (
            beam_search(net, first, end=7, max_length=12, beam_size=width, n_best=width) for net in (model, Anew(model))
        )
        assert [[h.tokens for h in row] for row in found] == [[h.tokens for h in row] for row in wanted]
        assert all(len(row) == width for row in found)


def test_a_window_goes_on_where_positions_end():
    model = filled(gpt, 6)
    endless = SlidingWindow(model)
    prompt = tg.tensor([[1, 2, 3], [3, 2, 1]])
    assert [len(row) for row in generate(endless, prompt, 20, greedy=True)] == [20, 20]
    assert [row[:3] for row in generate(endless, prompt, 20, greedy=True)] == generate(model, prompt, 3, greedy=True)
    with pytest.raises(ValueError, match="more than the 6 positions of the model"):
        generate(model, prompt, 20)
