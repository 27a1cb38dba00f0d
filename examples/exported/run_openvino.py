"""Answers of an exported model: python run_openvino.py pets.xml photo.jpg ...

Needs openvino, numpy and Pillow. Some processors compute in bfloat16 unless they are told not to.
"""

import json
import sys

import numpy as np
import openvino
from PIL import Image, ImageOps

model = openvino.Core().read_model(sys.argv[1])
run = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
facts = {key: json.loads(text) for key, text in model.get_rt_info("transferkit").value.items()}
for path in sys.argv[2:]:
    pixels = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    (answer,) = run([pixels[None]])[0]
    print(
        path,
        dict(zip(facts["labels"], answer.tolist(), strict=True)) if "labels" in facts else answer.tolist(),
    )
