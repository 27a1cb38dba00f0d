"""Answers of an exported model: python run_litert.py pets.tflite photo.jpg ...

Needs ai-edge-litert, numpy and Pillow. For models that stretch pictures to a square, the default.
"""

import json
import sys
import zipfile

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

facts = json.loads(zipfile.ZipFile(sys.argv[1]).read("transferkit.json"))
interpreter = Interpreter(sys.argv[1])
interpreter.allocate_tensors()
(entry,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()
for path in sys.argv[2:]:
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    size = facts["image_size"]
    for new in ((size, picture.height), (size, size)):  # rows, then columns
        picture = picture.resize(new, Image.Resampling.BILINEAR)
    interpreter.set_tensor(entry["index"], np.asarray(picture)[None])
    interpreter.invoke()
    (answer,) = interpreter.get_tensor(end["index"])
    print(
        path,
        dict(zip(facts["labels"], answer.tolist(), strict=True)) if "labels" in facts else answer.tolist(),
    )
