"""What the stages leave on disk: whole files or none, checked when they are read, saying where they come from.

    io           atomic files, JSON, arrays
    tables       records as parquet (needs pyarrow)
    records      what the stages hand to each other
    origin       identity of a configuration, origin of a file
    study        where everything of a study lies
    tracking     Weights & Biases, which mirrors the artefacts
"""

from gmexp.artefacts.io import (
    atomic, check_writable, read_bytes, read_json, read_npz, remove_temporaries, write_bytes, write_json, write_npz,
    write_text,
)
from gmexp.artefacts.origin import config_hash, plain, provenance

__all__ = ["atomic", "check_writable", "config_hash", "plain", "provenance", "read_bytes", "read_json", "read_npz",
           "remove_temporaries", "write_bytes", "write_json", "write_npz", "write_text"]
