"""Extract features of many images on many machines with Ray Data, and read them as arrays.

``_extract`` chooses the feature space once, and sums up the results; ``_ray`` is the only module that uses
Ray; ``_worker`` is what an actor does with a block of images, on its own ``_cores``. An output is a folder
(``_store``) with a ``_manifest`` and Parquet files (``_shards``). ``_known`` finds what earlier runs wrote,
by name and by content. ``_features`` reads an output, using ``_index``; ``_cache`` copies rows between an
output and the cache of a machine.

Ray and pyarrow are imported when they are used.
"""

from transferkit.distributed._cache import export_cache, import_cache
from transferkit.distributed._extract import extract
from transferkit.distributed._features import StoredFeatures, read_features
from transferkit.distributed._report import DistributedReport

__all__ = [
    "DistributedReport",
    "StoredFeatures",
    "export_cache",
    "extract",
    "import_cache",
    "read_features",
]
