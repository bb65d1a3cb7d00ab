"""Models from folders that their home library has written: a ``config.json``, and weights under that library's names.

The name of each parameter is mapped to ours, its shape is checked, and what is missing or unknown is named. Nothing in
the files is executed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tinygrad_edu.generator import fork_rng
from tinygrad_edu.models.bert import Bert, BertConfig, BertForMaskedLM
from tinygrad_edu.models.gpt import GPT, GPTConfig
from tinygrad_edu.models.llama import Llama, LlamaConfig
from tinygrad_edu.nn.module import Module
from tinygrad_edu.serialization import CheckpointError, load
from tinygrad_edu.tensor import Tensor

__all__ = ["load_pretrained", "read_config", "read_weights"]

M = TypeVar("M", bound=Module)
Folder = str | os.PathLike[str]
Weights = Mapping[str, Tensor]

_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


def load_pretrained(folder: Folder, expect: type[M] | None = None, *, device: Any = None, dtype: Any = None) -> M:
    """Make the model that a folder describes, with its weights, in evaluation mode.

    Known are the types "bert" (a :class:`Bert`, or a :class:`BertForMaskedLM` where the file has its head), "gpt2"
    (a :class:`GPT`) and "llama" (a :class:`Llama`).

    Parameters
    ----------
    folder : path
        With ``config.json`` and ``model.safetensors``, its index of shards, or the same as ``pytorch_model.bin``.
    expect : class, optional
        What the model must be. ``Bert`` also takes the encoder out of a masked language model.
    device : optional
        Where to put it; by default the default device.
    dtype : optional
        The type of its parameters; by default float32, whatever the type in the file.

    Raises
    ------
    FileNotFoundError
        If the folder has no configuration or no weights.
    CheckpointError
        If the model is of another architecture or has settings that are not known here; if parameters are missing or of
        another shape, or there are some that are not known.
    """
    config = read_config(folder)
    kind = config.get("model_type")
    readers: dict[Any, Callable[[Folder, Mapping[str, Any], Any], Module]] = {
        "bert": _bert,
        "gpt2": _gpt,
        "llama": _llama,
    }
    if kind not in readers:
        raise CheckpointError(
            f"load_pretrained: {os.fspath(folder)!r} holds a model of type {kind!r}; known are {', '.join(readers)}"
        )
    with fork_rng():  # the values that are drawn first and replaced at once are nobody's business
        model = readers[kind](folder, config, expect)
    if expect is not None and not isinstance(model, expect):
        raise CheckpointError(
            f"load_pretrained: {os.fspath(folder)!r} holds a {type(model).__name__}, expected a {expect.__name__}"
        )
    return model.to(device=device, dtype=dtype).eval()  # type: ignore[return-value]  # checked above


def read_config(folder: Folder) -> dict[str, Any]:
    """The configuration of a folder.

    Raises
    ------
    FileNotFoundError
        If there is none.
    CheckpointError
        If it is no JSON object.
    """
    path = Path(folder) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"load_pretrained: {os.fspath(folder)!r} has no config.json") from None
    except ValueError as error:
        raise CheckpointError(f"load_pretrained: {str(path)!r} is no JSON: {error}") from None
    if not isinstance(config, dict):
        raise CheckpointError(f"load_pretrained: {str(path)!r} must hold settings by name, got {type(config).__name__}")
    return config


def read_weights(folder: Folder) -> dict[str, Tensor]:
    """The tensors of a folder by their names in the file.

    Raises
    ------
    FileNotFoundError
        If it has none of the files that hold weights.
    """
    for name in _FILES:
        path = Path(folder) / name
        if path.exists():
            return dict(load(path))
    raise FileNotFoundError(f"load_pretrained: {os.fspath(folder)!r} has none of {', '.join(_FILES)}")


def _bert(folder: Folder, config: Mapping[str, Any], expect: Any) -> Module:
    """BERT; parameters of norms have older names in older files."""
    _refuse(folder, config, position_embedding_type="absolute", is_decoder=False, add_cross_attention=False)
    sizes = _settings(BertConfig, folder, config, "vocab_size num_hidden_layers num_attention_heads " + _WIDTHS)
    found = {
        re.sub(r"LayerNorm\.(gamma|beta)$", lambda m: f"LayerNorm.{_OLDER[m[1]]}", name): value
        for name, value in read_weights(folder).items()
    }
    if expect is not Bert and "cls.predictions.bias" in found:
        names = {
            name: value
            for name, value in found.items()
            if not name.startswith(("bert.pooler.", "cls.seq_relationship.", "cls.predictions.decoder."))
        }
        return _filled(folder, BertForMaskedLM(sizes), names)
    bare = {name.removeprefix("bert."): value for name, value in found.items() if not name.startswith("cls.")}
    return _filled(folder, Bert(sizes, pooler="pooler.dense.weight" in bare), bare)


_WIDTHS = "hidden_size intermediate_size max_position_embeddings"
_OLDER = {"gamma": "weight", "beta": "bias"}


def _gpt(folder: Folder, config: Mapping[str, Any], expect: Any) -> Module:
    """GPT-2, whose linear weights are transposed; some files lack the first part of the names, and some the tied table."""
    if config.get("n_inner") not in (None, 4 * config.get("n_embd", 0)):
        raise _unknown(folder, "n_inner", config["n_inner"], 4 * config.get("n_embd", 0))
    _refuse(
        folder,
        config,
        scale_attn_weights=True,
        scale_attn_by_inverse_layer_idx=False,
        add_cross_attention=False,
        tie_word_embeddings=True,
    )
    activations = {"gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu"}
    name = config.get("activation_function", "gelu_new")
    if name not in activations:
        raise _unknown(folder, "activation_function", name, " or ".join(activations))
    sizes = _settings(
        GPTConfig,
        folder,
        {
            **config,
            "block_size": config.get("n_positions", 1024),
            "dropout": config.get("resid_pdrop", 0.1),
            "activation": activations[name],
            "eps": config.get("layer_norm_epsilon", 1e-5),
        },
        "vocab_size n_positions n_embd n_layer n_head",
    )
    weights: dict[str, Tensor] = {}
    for key, value in read_weights(folder).items():
        full = key if key.startswith(("transformer.", "lm_head.")) else f"transformer.{key}"
        turned = re.search(r"\.(c_attn|c_proj|c_fc)\.weight$", full) and value.dim() == 2
        weights[full] = value.t() if turned else value
    weights.setdefault("lm_head.weight", weights.get("transformer.wte.weight"))  # type: ignore[arg-type]
    return _filled(folder, GPT(sizes), {name: value for name, value in weights.items() if value is not None})


def _llama(folder: Folder, config: Mapping[str, Any], expect: Any) -> Module:
    """LLaMA; newer configurations describe its positions in one entry, older ones in two."""
    _refuse(folder, config, hidden_act="silu")
    positions = config.get("rope_parameters") or config.get("rope_scaling")
    theta = (positions or {}).get("rope_theta", config.get("rope_theta", 10000.0))
    sizes = _settings(
        LlamaConfig,
        folder,
        {**config, "rope_theta": theta, "rope_scaling": positions},
        "vocab_size num_hidden_layers num_attention_heads " + _WIDTHS,
    )
    weights = read_weights(folder)
    if sizes.tie_word_embeddings and "model.embed_tokens.weight" in weights:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    return _filled(folder, Llama(sizes), weights)


def _settings(kind: Callable[..., Any], folder: Folder, config: Mapping[str, Any], sizes: str) -> Any:
    """Our configuration from those entries that it knows; sizes must be there, since a guess may not fit into memory."""
    lacking = [name for name in sizes.split() if name not in config]
    if lacking:
        raise CheckpointError(
            f"load_pretrained: config.json in {os.fspath(folder)!r} does not say {', '.join(lacking)}, "
            f"as that of a model of type {config.get('model_type')!r} does"
        )
    known = {name: config[name] for name in kind.__dataclass_fields__ if name in config}  # type: ignore[attr-defined]
    try:
        return kind(**known)
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"load_pretrained: the configuration in {os.fspath(folder)!r}: {error}") from None


def _refuse(folder: Folder, config: Mapping[str, Any], **only: Any) -> None:
    """Raise where a setting is other than the one that is known here."""
    for name, value in only.items():
        if config.get(name, value) != value:
            raise _unknown(folder, name, config[name], value)


def _unknown(folder: Folder, name: str, found: Any, known: Any) -> CheckpointError:
    return CheckpointError(
        f"load_pretrained: {os.fspath(folder)!r} has {name} = {found!r}; only {known!r} is known here"
    )


# Constants that files hold beside the parameters: positions counted up, causal masks, frequencies.
_CONSTANTS = re.compile(r"(position_ids|\.attn\.bias|\.attn\.masked_bias|rotary_emb\.inv_freq)$")


def _filled(folder: Folder, model: Module, weights: Weights) -> Module:
    """Copy the weights into a model, if they are exactly its parameters."""
    wanted = model.state_dict()
    given = {name: value for name, value in weights.items() if not _CONSTANTS.search(name)}
    complaints = [
        *_listed("it lacks", [name for name in wanted if name not in given]),
        *_listed("unknown are", [name for name in given if name not in wanted]),
        *_listed(
            "of another shape are",
            [
                f"{name} {tuple(given[name].shape)} instead of {tuple(value.shape)}"
                for name, value in wanted.items()
                if name in given and given[name].shape != value.shape
            ],
        ),
    ]
    if complaints:
        raise CheckpointError(
            f"load_pretrained: the weights in {os.fspath(folder)!r} are not those of the {type(model).__name__} that "
            f"config.json describes: {'; '.join(complaints)}"
        )
    model.load_state_dict(given)
    return model


def _listed(what: str, names: list[str]) -> Iterator[str]:
    """A sentence about names, if there are any; of many the first ones."""
    if names:
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        yield f"{what} {', '.join(names[:4])}{more}"
