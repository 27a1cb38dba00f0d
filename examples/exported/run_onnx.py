"""Answers of an exported model: python run_onnx.py pets.onnx photo.jpg ...

Needs onnxruntime, numpy and Pillow.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1])
facts = {key: json.loads(text) for key, text in session.get_modelmeta().custom_metadata_map.items()}
for path in sys.argv[2:]:
    pixels = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    (answer,) = session.run(None, {"image": pixels[None]})[0]
    print(
        path,
        dict(zip(facts["labels"], answer.tolist(), strict=True)) if "labels" in facts else answer.tolist(),
    )
