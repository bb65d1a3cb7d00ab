"""Checkpoints in the home library's format: its logits come out, and what does not fit is named.

The numbers were computed by transformers 5.23 from the same weights, which :func:`value` gives by the name alone.
"""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from safetensors.numpy import save_file

import tinygrad_edu as tg
from tinygrad_edu.models.bert import Bert, BertForMaskedLM
from tinygrad_edu.models.gpt import GPT
from tinygrad_edu.models.llama import Llama
from tinygrad_edu.models.pretrained import load_pretrained
from tinygrad_edu.serialization import CheckpointError

TOKENS = [[3, 1, 4, 1, 5, 9, 2, 6], [5, 3, 5, 8, 9, 7, 9, 3]]


def value(name, shape):
    drawn = np.random.default_rng(zlib.crc32(name.encode())).normal(0, 0.3, shape).astype(np.float32)
    return drawn + np.float32(len(shape) == 1 and name.endswith("weight"))


def linear(name, to, of):
    return {f"{name}.weight": (to, of), f"{name}.bias": (to,)}


def norm(name, width):
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def gpt2():
    config = {
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "vocab_size": 11,
        "n_positions": 16,
        "n_embd": 8,
        "n_head": 2,
        "n_layer": 2,
        "layer_norm_epsilon": 1e-5,
        "resid_pdrop": 0.1,
        "tie_word_embeddings": True,
    }
    shapes = {"transformer.wte.weight": (11, 8), "transformer.wpe.weight": (16, 8)} | norm("transformer.ln_f", 8)
    for i in range(2):
        at = f"transformer.h.{i}."
        shapes |= norm(at + "ln_1", 8) | norm(at + "ln_2", 8)
        for name, of, to in (("attn.c_attn", 8, 24), ("attn.c_proj", 8, 8), ("mlp.c_fc", 8, 32), ("mlp.c_proj", 32, 8)):
            shapes |= {f"{at}{name}.weight": (of, to), f"{at}{name}.bias": (to,)}
    return config, shapes


def llama():
    config = {
        "model_type": "llama",
        "hidden_act": "silu",
        "vocab_size": 11,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 32,
        "rms_norm_eps": 1e-6,
        "rope_theta": 500.0,
        "rope_scaling": None,
        "tie_word_embeddings": False,
    }
    return config, llama_shapes(q=16, k=8) | {"lm_head.weight": (11, 16)}


def llama_tied():
    config, _ = llama()
    positions = {
        "rope_type": "llama3",
        "rope_theta": 10000.0,
        "factor": 4.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    }
    config |= {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 6, "max_position_embeddings": 64}
    config |= {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "rope_parameters": positions}
    shapes = llama_shapes(q=12, k=6)
    ends = {name.replace("weight", "bias"): shape[:1] for name, shape in shapes.items() if "_proj" in name}
    return config, shapes | ends


def llama_shapes(q, k):
    shapes = {"model.embed_tokens.weight": (11, 16), "model.norm.weight": (16,)}
    for i in range(2):
        at = f"model.layers.{i}."
        shapes |= {at + "input_layernorm.weight": (16,), at + "post_attention_layernorm.weight": (16,)}
        sizes = {"q": (q, 16), "k": (k, 16), "v": (k, 16), "o": (16, q)}
        shapes |= {f"{at}self_attn.{name}_proj.weight": shape for name, shape in sizes.items()}
        sizes = {"gate": (24, 16), "up": (24, 16), "down": (16, 24)}
        shapes |= {f"{at}mlp.{name}_proj.weight": shape for name, shape in sizes.items()}
    return shapes


def bert():
    config = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "vocab_size": 11,
        "hidden_size": 8,
        "intermediate_size": 12,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 16,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
    }
    at = "bert.embeddings."
    shapes = {at + "word_embeddings.weight": (11, 8), at + "position_embeddings.weight": (16, 8)}
    shapes |= {at + "token_type_embeddings.weight": (2, 8)} | norm(at + "LayerNorm", 8)
    for i in range(2):
        at = f"bert.encoder.layer.{i}."
        for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= linear(at + name, 8, 8)
        shapes |= linear(at + "intermediate.dense", 12, 8) | linear(at + "output.dense", 8, 12)
        shapes |= norm(at + "attention.output.LayerNorm", 8) | norm(at + "output.LayerNorm", 8)
    at = "cls.predictions."
    return config, shapes | {at + "bias": (11,)} | linear(at + "transform.dense", 8, 8) | norm(
        at + "transform.LayerNorm", 8
    )


# Logits of the last token of the first row, and of the fourth of the second row.
EXPECTED = {
    gpt2: [
        [-0.8418, -0.377, -0.5835, -0.5363, -0.4707, -0.7, -0.6592, 1.3706, 0.5017, -0.6593, 0.1427],
        [-1.4998, 0.046, 0.5777, -0.6162, -2.1592, -0.6759, -1.6411, 0.9113, 1.7805, -1.2123, -0.9214],
    ],
    llama: [
        [-0.8463, -0.4409, -0.9849, 1.6432, -1.5638, 1.5903, -0.0516, 0.3642, 0.0241, -0.7262, -2.8051],
        [-1.7616, 0.3837, 1.7792, -1.5358, -2.4006, -1.8428, 1.9214, 1.5899, -0.6372, 2.2829, -0.5856],
    ],
    llama_tied: [
        [0.398, -0.0571, 1.4705, -0.1456, -0.6316, -0.2236, 1.2512, 0.4788, -0.0768, -1.0362, -2.8179],
        [-0.2276, 1.0759, -0.6968, -1.8603, -1.4817, -0.6657, 0.2623, 1.2116, 1.0804, 1.9968, 1.6604],
    ],
    bert: [
        [1.2016, 0.6525, -0.2851, 1.2205, -0.8667, 0.1474, -1.1669, -1.5358, -1.7254, 0.2585, 0.4309],
        [0.4933, -0.0319, 0.1974, 0.9272, -1.2663, 0.0529, -0.536, -1.1408, -1.6211, 0.7257, 0.3903],
    ],
}


def write(folder, kind, *, drop=(), add=None, shards=1, **settings):
    """Write a checkpoint as the home library does; return its folder."""
    config, shapes = kind()
    weights = {name: value(name, shape) for name, shape in shapes.items() if name not in drop} | (add or {})
    (folder / "config.json").write_text(json.dumps(config | settings))
    if shards == 1:
        save_file(weights, folder / "model.safetensors")
        return folder
    places = {name: f"model-{i % shards + 1:05}-of-{shards:05}.safetensors" for i, name in enumerate(weights)}
    for file in set(places.values()):
        save_file({name: weights[name] for name in weights if places[name] == file}, folder / file)
    index = {"metadata": {"total_size": sum(w.nbytes for w in weights.values())}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("kind", EXPECTED)
def test_logits_are_those_of_the_home_library(kind, shards, tmp_path):
    state = tg.get_rng_state()
    model = load_pretrained(write(tmp_path, kind, shards=shards))
    assert not model.training and tg.get_rng_state().equal(state)
    assert type(model) is {gpt2: GPT, llama: Llama, llama_tied: Llama, bert: BertForMaskedLM}[kind]
    with tg.no_grad():
        logits = model(tg.tensor(TOKENS)).numpy()
    np.testing.assert_allclose([logits[0, -1], logits[1, 3]], EXPECTED[kind], rtol=0, atol=6e-5)
    if kind is not bert:
        with tg.no_grad():
            steps, past = zip(*[model.prefill(tg.tensor(TOKENS)[:, :t]) for t in (8, 4)], strict=True)
            step, _ = model.step(tg.tensor([1, 9]), past[1])
        np.testing.assert_allclose([steps[0][0], steps[1][1]], EXPECTED[kind], rtol=0, atol=6e-5)
        np.testing.assert_allclose(step.numpy()[1], logits[1, 4], rtol=0, atol=1e-5)


def test_older_names_and_constants_are_known(tmp_path):
    """Names without their first part, masks and positions beside the parameters, norms with gamma and beta."""
    (one := tmp_path / "gpt").mkdir()
    config, shapes = gpt2()
    weights = {name.removeprefix("transformer."): value(name, shape) for name, shape in shapes.items()}
    masks = {f"h.{i}.attn.bias": np.ones((1, 1, 16, 16), np.float32) for i in range(2)}
    (one / "config.json").write_text(json.dumps(config))
    save_file(weights | masks, one / "model.safetensors")
    (two := tmp_path / "bert").mkdir()
    config, shapes = bert()
    older = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    weights = {}
    for name, shape in shapes.items():
        end = ".".join(name.split(".")[-2:])
        weights[name.replace(end, older.get(end, end))] = value(name, shape)
    more = {"bert.embeddings.position_ids": np.arange(16)[None], "cls.seq_relationship.bias": np.zeros(2, np.float32)}
    (two / "config.json").write_text(json.dumps(config))
    save_file(weights | more, two / "model.safetensors")
    for kind, folder in ((gpt2, one), (bert, two)):
        logits = load_pretrained(folder)(tg.tensor(TOKENS)).detach().numpy()
        np.testing.assert_allclose([logits[0, -1], logits[1, 3]], EXPECTED[kind], rtol=0, atol=6e-5)


def test_the_encoder_of_a_masked_language_model_alone(tmp_path):
    folder = write(tmp_path, bert)
    encoder, whole = load_pretrained(folder, Bert), load_pretrained(folder)
    hidden = encoder(tg.tensor(TOKENS))
    assert hidden.pooler_output is None
    assert (hidden.last_hidden_state == whole.bert(tg.tensor(TOKENS)).last_hidden_state).all().item()


def test_types_and_pytorchs_files(tmp_path):
    torch = pytest.importorskip("torch")
    config, shapes = llama()
    (tmp_path / "config.json").write_text(json.dumps(config))
    weights = {name: torch.tensor(value(name, shape)).bfloat16() for name, shape in shapes.items()}
    torch.save(weights, tmp_path / "pytorch_model.bin")
    model = load_pretrained(tmp_path, dtype=tg.float64)
    assert {p.dtype for p in model.parameters()} == {tg.float64}
    logits = model(tg.tensor(TOKENS)).detach().numpy()
    np.testing.assert_allclose([logits[0, -1], logits[1, 3]], EXPECTED[llama], rtol=0, atol=0.1)


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        (bert, {"model_type": "roberta"}, "a model of type 'roberta'; known are bert, gpt2, llama"),
        (gpt2, {"model_type": "llama"}, "does not say num_hidden_layers, .* as that of a model of type 'llama' does"),
        (
            bert,
            {"model_type": "llama", "hidden_act": "silu"},
            "not those of the Llama that .*it lacks model.embed_tokens",
        ),
        (bert, {"vocab_size": 12}, r"word_embeddings.weight \(11, 8\) instead of \(12, 8\)"),
        (gpt2, {"drop": ["transformer.ln_f.bias"]}, "it lacks transformer.ln_f.bias$"),
        (gpt2, {"add": {"transformer.extra": np.zeros(1)}}, "unknown are transformer.extra$"),
        (gpt2, {"n_layer": 1}, "unknown are transformer.h.1.* and 8 more"),
        (gpt2, {"n_inner": 7}, "n_inner = 7; only 32 is known"),
        (gpt2, {"activation_function": "relu"}, "activation_function = 'relu'"),
        (gpt2, {"n_head": 3}, "GPTConfig: 3 heads do not divide a width of 8"),
        (bert, {"position_embedding_type": "relative_key"}, "'relative_key'; only 'absolute'"),
        (llama, {"rope_scaling": {"rope_type": "yarn"}}, "'yarn' is not known"),
        (llama, {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "low_freq_factor"),
    ],
)
def test_another_architecture_is_refused(kind, changes, message, tmp_path):
    with pytest.raises(CheckpointError, match=message):
        load_pretrained(write(tmp_path, kind, **changes))


def test_another_kind_of_model_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="holds a GPT, expected a Bert"):
        load_pretrained(write(tmp_path, gpt2), Bert)


def test_folders_without_files_and_damaged_ones(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        load_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(gpt2()[0]))
    with pytest.raises(FileNotFoundError, match=r"has none of model\.safetensors"):
        load_pretrained(tmp_path)
    for text in ("{", "[]"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(CheckpointError, match=r"config\.json"):
            load_pretrained(tmp_path)
