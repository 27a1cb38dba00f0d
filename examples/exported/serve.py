"""Answers of an exported model over HTTP: MODEL=pets.onnx uvicorn serve:app

POST a picture to /predict, as it is in its file: curl --data-binary @photo.jpg http://localhost:8000/predict
Needs fastapi, uvicorn, onnxruntime, numpy and Pillow. A model that was fitted with boxes has other inputs.
"""

import io
import json
import os

import anyio
import numpy as np
import onnxruntime
from fastapi import FastAPI, HTTPException, Request
from PIL import Image, ImageOps

LARGEST_FILE = 20_000_000  # bytes
SHORTEST_SIDE, LONGEST_RATIO = 5, 50  # pictures that the model was never asked about

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1  # a core for each answer: with many clients, faster than all cores for one
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
facts = {key: json.loads(text) for key, text in session.get_modelmeta().custom_metadata_map.items()}
usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
cores = anyio.CapacityLimiter(usable or 1)
app = FastAPI(title="An exported model")


def read(data: bytes) -> np.ndarray:
    """Return the pixels that the model learned from: upright, with transparency on white."""
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if picture.mode.startswith(("I", "F")):  # Pillow would take all above 255 for white
        raise ValueError("It has more than 8 bits of grey: save it with 8.")
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("RGB"))
    picture = picture.convert("RGBA")
    canvas = Image.new("RGB", picture.size, "white")
    canvas.paste(picture.convert("RGB"), mask=picture.getchannel("A"))
    return np.asarray(canvas)


def answer(data: bytes) -> dict:
    """Return the answer to one picture."""
    try:
        pixels = read(data)
    except Exception as error:  # Pillow raises many kinds for bytes that are no picture
        raise HTTPException(422, f"the body must be a picture, such as a JPEG. {error}") from error
    sides = sorted(pixels.shape[:2])
    if sides[0] < SHORTEST_SIDE or sides[1] > LONGEST_RATIO * sides[0]:
        raise HTTPException(422, f"the picture has {pixels.shape[1]} x {pixels.shape[0]} pixels")
    (found,) = session.run(None, {"image": pixels[None]})[0]
    if "labels" not in facts:
        return {session.get_outputs()[0].name: found.tolist()}
    return {"probabilities": dict(zip(map(str, facts["labels"]), found.tolist(), strict=True))}


@app.post("/predict")
async def predict(request: Request) -> dict:
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > LARGEST_FILE:
            raise HTTPException(413, f"the picture must have {LARGEST_FILE:,} bytes or fewer")
    return await anyio.to_thread.run_sync(answer, data, limiter=cores)


@app.get("/")
async def about() -> dict:
    """What the model is, for whoever watches the server."""
    return {name: facts[name] for name in ("labels", "names", "version", "proof") if name in facts}
