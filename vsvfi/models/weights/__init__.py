"""Where weights come from: reading, recognising, checking, storing and loading checkpoints.

A user's file takes one path whatever it is: `read` opens it safely and unwraps it, a `Layout` of some network
recognises its tensors, `assemble` builds that network from their shapes and checks every name and shape.
Added files are kept as safetensors, under their published tensor names, in the user's data folder.
"""

from __future__ import annotations

from vsvfi.models.weights.choice import bundled, load, locate
from vsvfi.models.weights.download import chosen_checkpoints, get, sources
from vsvfi.models.weights.errors import MissingWeightsError, WeightsError
from vsvfi.models.weights.reading import read
from vsvfi.models.weights.recognition import assemble, networks, recognise, trained_names
from vsvfi.models.weights.store import Stored, add, damage, data_dir, metadata, owner_of, remove, stored

__all__ = [
    "MissingWeightsError",
    "Stored",
    "WeightsError",
    "add",
    "assemble",
    "bundled",
    "chosen_checkpoints",
    "damage",
    "data_dir",
    "get",
    "load",
    "locate",
    "metadata",
    "networks",
    "owner_of",
    "read",
    "recognise",
    "remove",
    "sources",
    "stored",
    "trained_names",
]
