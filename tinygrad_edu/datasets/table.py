"""Tables of numbers in CSV files."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.datasets.files import Path
from tinygrad_edu.datasets.images import Function
from tinygrad_edu.sharing import from_numpy
from tinygrad_edu.tensor import Tensor
from tinygrad_edu.utils.data.dataset import Dataset

__all__ = ["CSVDataset"]

Column = str | int


class CSVDataset(Dataset[Any]):
    """The rows of a CSV file: sample ``i`` is ``(data[i], targets[i])``, or ``data[i]`` where there is no target.

    Parameters
    ----------
    path : path
        A text file in UTF-8, a row on each line.
    target : str or int, optional
        The column to predict, by name or number (-1 is the last). Whole numbers become int64, other numbers float32, and
        words the numbers of their classes, which are sorted.
    columns : sequence of str or int, optional
        The columns to predict from; by default all others. They hold numbers.
    delimiter : str, default ","
    header : bool, default True
        Whether the first line holds the names of the columns.
    missing : float, optional
        What stands for empty fields; where it is left out, they are an error.
    transform, target_transform : callable, optional
        Called with a row of numbers, a tensor, and with its target.

    Attributes
    ----------
    data : Tensor (N, F) of float32
    targets : Tensor (N,) or None
    columns : list of str
    classes : list of str or None
        Where the target is words.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        Which line and column is wrong, and what was expected.

    Examples
    --------
    >>> import os, tempfile
    >>> from tinygrad_edu.datasets import CSVDataset
    >>> path = os.path.join(tempfile.mkdtemp(), "flowers.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("length,width,kind\\n5.1,3.5,iris\\n1.0,1.0,daisy\\n")
    >>> data = CSVDataset(path, target="kind")
    >>> data[0], data.classes
    ((tensor([5.1000, 3.5000]), tensor(1)), ['daisy', 'iris'])
    """

    def __init__(
        self,
        path: Path,
        target: Column | None = None,
        columns: Sequence[Column] | None = None,
        *,
        delimiter: str = ",",
        header: bool = True,
        missing: float | None = None,
        transform: Function | None = None,
        target_transform: Function | None = None,
    ) -> None:
        self._path = os.fspath(path)
        self._missing = missing
        names, rows = self._read(delimiter, header)
        self._names = names
        goal = None if target is None else self._number(target)
        if columns is None:
            chosen = [i for i in range(len(names)) if i != goal]
        else:
            chosen = [self._number(c) for c in columns]
        self.columns = [names[i] for i in chosen]
        values = [[self._value(line, i, row[i]) for i in chosen] for line, row in rows]
        self.data: Tensor = from_numpy(np.array(values, np.float32).reshape(len(rows), len(chosen)))
        self.classes: list[str] | None = None
        self.targets: Tensor | None = None if goal is None else self._targets([row[goal].strip() for _, row in rows])
        self.transform = transform
        self.target_transform = target_transform

    def _read(self, delimiter: str, header: bool) -> tuple[list[str], list[tuple[int, list[str]]]]:
        """Return the names of the columns, and the rows with the numbers of their lines."""
        if not os.path.isfile(self._path):
            raise FileNotFoundError(f"CSVDataset: there is no file {self._path!r}")
        rows = []
        try:
            with open(self._path, encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, delimiter=delimiter, strict=True)
                for row in reader:
                    if row:
                        rows.append((reader.line_num, row))
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"CSVDataset: {self._path!r} is not a text file of rows: {error}") from None
        if len(rows) <= header:
            raise ValueError(f"CSVDataset: {self._path!r} has no rows")
        names = [name.strip() for name in rows[0][1]] if header else [str(i) for i in range(len(rows[0][1]))]
        for line, row in rows:
            if len(row) != len(names):
                raise ValueError(
                    f"CSVDataset: line {line} of {self._path!r} has {len(row)} fields, the first has {len(names)} "
                    f"(delimiter={delimiter!r})"
                )
        return names, rows[header:]

    def _number(self, column: Column) -> int:
        """The number of a column, from 0."""
        if isinstance(column, str) and column in self._names:
            return self._names.index(column)
        if isinstance(column, int) and -len(self._names) <= column < len(self._names):
            return column % len(self._names)
        raise ValueError(f"CSVDataset: {self._path!r} has no column {column!r}; it has {self._names}")

    def _value(self, line: int, column: int, text: str) -> float:
        if not text.strip() and self._missing is not None:
            return self._missing
        try:
            return float(text)
        except ValueError:
            hint = "; pass missing= to fill empty fields" if not text.strip() else ""
            raise ValueError(
                f"CSVDataset: line {line} of {self._path!r} has {text!r} in column {self._names[column]!r}, expected a number{hint}"
            ) from None

    def _targets(self, texts: list[str]) -> Tensor:
        for kind, dtype in ((int, np.int64), (float, np.float32)):
            try:
                return from_numpy(np.array([kind(text) for text in texts], dtype))
            except (ValueError, OverflowError):
                continue
        self.classes = sorted(set(texts))
        places = {c: i for i, c in enumerate(self.classes)}
        return from_numpy(np.array([places[text] for text in texts], np.int64))

    def __getitem__(self, index: int) -> Any:
        row: Any = self.data[index]
        row = row if self.transform is None else self.transform(row)
        if self.targets is None:
            return row
        target: Any = self.targets[index]
        return row, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return len(self.data)
