"""What the stages leave on disk: whole files or none, checked when they are read, saying where they come from.

    writer       files replaced whole, the only way to write one
    reader       what is checked of a file before it is used
    io           JSON, arrays
    decode       JSON as typed records
    tables       records as parquet
    records      what the stages hand to each other
    origin       identity of a configuration, origin of a file
    study        where everything of a study lies
    tracking     Weights & Biases, which mirrors the artefacts
"""

from gmexp.artefacts.io import encode_json, read_json, read_npz, unpack_npz, write_json, write_npz
from gmexp.artefacts.origin import config_hash, plain, provenance
from gmexp.artefacts.reader import parse_json, read_bytes, read_csv, read_text
from gmexp.artefacts.writer import (
    atomic, check_writable, remove_temporaries, settled_companion, write_bytes, write_pair, write_text,
)

__all__ = ["atomic", "check_writable", "config_hash", "encode_json", "parse_json", "plain", "provenance", "read_bytes",
           "read_csv", "read_json", "read_npz", "read_text", "remove_temporaries", "settled_companion", "unpack_npz",
           "write_bytes", "write_json", "write_npz", "write_pair", "write_text"]
