"""The computational graph as a picture."""

from __future__ import annotations

import html
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tinygrad_edu.node import LEAF, OUTPUT, Node
from tinygrad_edu.plots._layout import Place, lay_out
from tinygrad_edu.tensor import Tensor

__all__ = ["graph_to_dot", "save_graph"]

COLORS = {"leaf": "#cfe8cf", "operation": "#e8eef8", "result": "#f8dfc0"}


@dataclass
class _Box:
    """A node as it is drawn."""

    text: str
    kind: str
    hint: str


def _boxes(
    result: Tensor, names: Mapping[str, Tensor], max_nodes: int
) -> tuple[dict[int, _Box], list[tuple[int, int]]]:
    """The boxes of the graph behind a tensor by number, and its edges (from, to): each is drawn once."""
    if not isinstance(result, Tensor):
        raise TypeError(f"a graph is drawn of a tensor, got a {type(result).__name__}")
    if result._node is None:
        raise ValueError("the tensor has no graph: it requires no gradient, or was made under no_grad")
    known = {id(t): name for name, t in names.items()}
    numbers: dict[int, int] = {}
    boxes: dict[int, _Box] = {}
    edges: list[tuple[int, int]] = []

    def number(node: Node) -> int:
        if id(node) not in numbers:
            numbers[id(node)] = len(numbers)
            boxes[numbers[id(node)]] = _box(node, known)
            waiting.append(node)
            if len(numbers) > max_nodes:
                raise ValueError(
                    f"the graph has more than {max_nodes} nodes, too many for a picture (max_nodes raises the limit)"
                )
        return numbers[id(node)]

    waiting: list[Node] = []
    boxes[-1] = _Box(f"{known.get(id(result), 'result')}\n{_shape(result)}", "result", "the tensor whose graph this is")
    edges.append((number(_operation(result._node)), -1))
    while waiting:
        node = waiting.pop()
        for edge in node.edges:
            if edge is not None:
                edges.append((number(_operation(edge)), numbers[id(node)]))
    return boxes, edges


def _operation(node: Node) -> Node:
    """The operation behind one of its outputs."""
    return node.edges[0] if node.kind == OUTPUT else node


def _shape(t: Tensor) -> str:
    return str(list(t.shape)) if t.dim() else "scalar"


def _box(node: Node, known: Mapping[int, str]) -> _Box:
    if node.kind != LEAF:
        kept = [list(v.shape) for v in node.saved if hasattr(v, "shape")] if isinstance(node.saved, tuple) else []
        hint = f"keeps arrays of shapes {', '.join(map(str, kept))}" if kept else "keeps nothing"
        return _Box(node.name, "operation", f"{node.name}: {hint} for its backward")
    leaf = node.tensor()  # type: ignore[attr-defined]  # a Leaf
    if leaf is None:
        return _Box("leaf", "leaf", "a leaf that nobody holds any more")
    return _Box(
        f"{known.get(id(leaf), 'leaf')}\n{_shape(leaf)}",
        "leaf",
        f"a leaf of type {leaf.dtype}: its gradient arrives here",
    )


def graph_to_dot(result: Tensor, names: Mapping[str, Tensor] | None = None, *, max_nodes: int = 1000) -> str:
    """Describe the graph behind a tensor in the language of Graphviz.

    Parameters
    ----------
    result : Tensor
    names : dict of Tensor, optional
        What leaves are called, for instance ``dict(model.named_parameters())``.
    max_nodes : int
        The largest graph that is drawn.

    Raises
    ------
    ValueError
        When the tensor has no graph, or too large a one.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import plots
    >>> x = tg.tensor(2.0, requires_grad=True)
    >>> print(plots.graph_to_dot(x.sin(), {"x": x}))
    digraph {
      node [shape=box, style="filled,rounded", fontname=Helvetica, fontsize=10];
      n_1 [label="result\\nscalar", fillcolor="#f8dfc0"];
      n0 [label="sin", fillcolor="#e8eef8"];
      n1 [label="x\\nscalar", fillcolor="#cfe8cf"];
      n0 -> n_1;
      n1 -> n0;
    }
    """
    boxes, edges = _boxes(result, names or {}, max_nodes)

    def key(i: int) -> str:
        return f"n{i}" if i >= 0 else "n_1"

    def quoted(text: str) -> str:
        return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    lines = ["digraph {", '  node [shape=box, style="filled,rounded", fontname=Helvetica, fontsize=10];']
    lines += [f'  {key(i)} [label="{quoted(b.text)}", fillcolor="{COLORS[b.kind]}"];' for i, b in boxes.items()]
    lines += [f"  {key(a)} -> {key(b)};" for a, b in edges]
    return "\n".join([*lines, "}"])


def save_graph(
    result: Tensor, path: str | Path, names: Mapping[str, Tensor] | None = None, *, max_nodes: int = 1000
) -> Path:
    """Draw the graph behind a tensor into a file.

    Leaves, whose gradients ``backward`` computes, are green; each operation is a box with the name of its node; an
    arrow leads from where a value
    comes from to where it is used, and ``backward`` walks the arrows in reverse. Draw it before ``backward()``,
    after which nothing is kept. Derivatives that
    were made with ``create_graph=True`` have graphs as well.

    Parameters
    ----------
    result, names, max_nodes
        See :func:`graph_to_dot`.
    path : str or Path
        The ending chooses the format: ``.dot``; ``.svg``, drawn by Graphviz where its program ``dot`` is installed,
        else by ourselves; ``.html``, a page of its
        own that shows what each node keeps when the mouse rests on it; ``.png`` and ``.pdf`` by Graphviz alone.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    ValueError
        For another ending, and as :func:`graph_to_dot`.
    RuntimeError
        When a format needs Graphviz, which is not there, or Graphviz fails.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".dot", ".svg", ".html", ".png", ".pdf"):
        raise ValueError(f"save_graph: cannot write {path.name!r}: the endings are .dot, .svg, .html, .png and .pdf")
    dot = shutil.which("dot")
    if kind in (".png", ".pdf") and dot is None:
        raise RuntimeError(
            f"save_graph: {kind} needs the program dot of Graphviz (https://graphviz.org); .svg and .html do not"
        )
    if kind == ".html" or (kind == ".svg" and dot is None):
        picture = _svg(*_boxes(result, names or {}, max_nodes))
        content = (_PAGE % picture if kind == ".html" else picture).encode()
    else:
        text = graph_to_dot(result, names, max_nodes=max_nodes)
        content = text.encode() if kind == ".dot" else _run(str(dot), kind[1:], text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>computational graph</title></head>
<body style="margin: 1em; font-family: Helvetica, sans-serif">
<p>Arrows lead from where a value comes from to where it is used; <code>backward</code> walks them in reverse.
Rest the mouse on a box.</p>
%s
</body></html>
"""


def _run(dot: str, kind: str, text: str) -> bytes:
    """What Graphviz makes of a description."""
    done = subprocess.run([dot, f"-T{kind}"], input=text.encode(), capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"save_graph: Graphviz failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _svg(boxes: dict[int, _Box], edges: list[tuple[int, int]]) -> str:
    """The graph as SVG by our own layout: leaves on top, the result at the bottom."""
    sizes = {
        i: (14 + 7.0 * max(map(len, b.text.split("\n"))), 12 + 14.0 * len(b.text.split("\n"))) for i, b in boxes.items()
    }
    places, width, height = lay_out(sizes, edges)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    parts = [
        f'{head} font-family="Helvetica, sans-serif" font-size="12">',
        '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="3" orient="auto">'
        '<path d="M0,0 L7,3 L0,6 z" fill="#555"/></marker></defs>',
    ]
    parts += [_arrow(places[a], places[b]) for a, b in edges]
    for i, box in boxes.items():
        p = places[i]
        hint, x, fill = html.escape(box.hint), p.x - p.width / 2, COLORS[box.kind]
        size = f'x="{x:.1f}" y="{p.y:.1f}" width="{p.width:.1f}" height="{p.height:.1f}"'
        parts.append(f'<g><title>{hint}</title><rect {size} rx="5" fill="{fill}" stroke="#777"/>')
        for k, line in enumerate(box.text.split("\n")):
            parts.append(
                f'<text x="{p.x:.1f}" y="{p.y + 18 + 14 * k:.1f}" text-anchor="middle">{html.escape(line)}</text>'
            )
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"])


def _arrow(start: Place, end: Place) -> str:
    """A curve from the lower edge of one box to the upper edge of another."""
    top, bottom = start.y + start.height, end.y
    bend = (bottom - top) / 2
    curve = f"M{start.x:.1f},{top:.1f} C{start.x:.1f},{top + bend:.1f} {end.x:.1f},{bottom - bend:.1f} {end.x:.1f},{bottom:.1f}"
    return f'<path d="{curve}" fill="none" stroke="#555" marker-end="url(#tip)"/>'
