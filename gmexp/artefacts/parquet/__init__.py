"""Parquet files, as far as tables of numbers and text need them: what pyarrow, pandas, Polars and DuckDB write by default is
read, and what is written here is read by all of them. pyarrow instead would add
150 MB to the base install.

    thrift     the notation of a file's own descriptions
    encodings  runs and packed bits, plain values, dictionaries, compression
    read, write

A file is not trusted: lengths are checked before anything is allocated, checksums of pages where there are any.
"""

from __future__ import annotations

from gmexp.artefacts.parquet.read import decoded
from gmexp.artefacts.parquet.thrift import Damaged
from gmexp.artefacts.parquet.write import encoded

__all__ = ["Damaged", "decoded", "encoded"]
