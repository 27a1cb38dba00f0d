"""Backbones, described as data, and the networks built from them; Keras is imported only to build one."""

from transferkit.backbones._registration import register_backbone
from transferkit.backbones.backbone import Backbone
from transferkit.backbones.checks import check_backbone
from transferkit.backbones.function_network import Function, FunctionNetwork
from transferkit.backbones.keras_defaults import keras_defaults
from transferkit.backbones.keras_network import KerasNetwork
from transferkit.backbones.live_models import copied
from transferkit.backbones.mixed_precision import in_half_precision
from transferkit.backbones.models import build_keras_network, build_network, list_layers
from transferkit.backbones.network import Network, random_features
from transferkit.backbones.onnx_file import (
    OnnxFile,
    OnnxNetwork,
    files_of,
    run_in_portions,
    serialised,
    session_of,
)
from transferkit.backbones.prefetch import download_weights
from transferkit.backbones.registry import (
    get_backbone,
    is_declared,
    is_preprocessing_declared,
    is_shipped,
    list_backbones,
)
from transferkit.backbones.source import Source, Weights
from transferkit.backbones.tuned_files import note_trained_on, noted_trained_on
from transferkit.backbones.weights import FOLDER_VARIABLE, any_weights, has_own_weights, resolve_weights

__all__ = [
    "FOLDER_VARIABLE",
    "Backbone",
    "Function",
    "FunctionNetwork",
    "KerasNetwork",
    "Network",
    "OnnxFile",
    "OnnxNetwork",
    "Source",
    "Weights",
    "any_weights",
    "build_keras_network",
    "build_network",
    "check_backbone",
    "copied",
    "download_weights",
    "files_of",
    "get_backbone",
    "has_own_weights",
    "in_half_precision",
    "is_declared",
    "is_preprocessing_declared",
    "is_shipped",
    "keras_defaults",
    "list_backbones",
    "list_layers",
    "note_trained_on",
    "noted_trained_on",
    "random_features",
    "register_backbone",
    "resolve_weights",
    "run_in_portions",
    "serialised",
    "session_of",
]
