"""Any sequence of operations leaves what a dict would hold."""

import shutil
import tempfile

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from transferkit.cache import FeatureCache, RowKey

SHAPES = {"a": (2, 3), "b": (700,), "c": ()}
KEYS = [RowKey(digit * 64, view) for digit in "0af" for view in ("original", "mirror")]

keys = st.lists(st.sampled_from(KEYS), max_size=8)
parts = st.lists(st.sampled_from(list(SHAPES)), min_size=1, max_size=3)
values = st.floats(width=32, allow_nan=False, allow_infinity=False)
rows = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(list(SHAPES))).flatmap(
        lambda name: st.tuples(st.just(name), arrays(np.float32, SHAPES[name[1]], elements=values))
    ),
    max_size=6,
)


def assert_close(stored, array):
    """Half precision is off by at most 2**-11 of the largest magnitude."""
    expected = array.astype(np.float64)
    assert stored.shape == array.shape
    assert (np.abs(stored - expected) <= 2.0**-11 * np.abs(expected).max()).all()


class CacheMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.cache = FeatureCache(self.folder)
        self.spaces = [self.cache.space({"number": i}) for i in range(2)]
        self.models = [{}, {}]

    def teardown(self):
        for space in self.spaces:
            space.close()
        shutil.rmtree(self.folder)

    @rule(which=st.integers(0, 1), rows=rows)
    def write(self, which, rows):
        assert self.spaces[which].write([(key, part, array) for (key, part), array in rows])
        self.models[which].update(dict(rows))

    @rule(which=st.integers(0, 1), keys=keys, parts=parts)
    def find(self, which, keys, parts):
        model = self.models[which]
        expected = {key for key in keys if all((key, part) in model for part in parts)}
        assert self.spaces[which].find(keys, parts) == expected

    @rule(which=st.integers(0, 1), keys=keys, parts=parts)
    def read(self, which, keys, parts):
        model = self.models[which]
        found = self.spaces[which].read(keys, parts)
        assert set(found) == {(key, part) for key in keys for part in parts} & set(model)
        for name, array in found.items():
            assert_close(array, model[name])

    @rule(which=st.integers(0, 1), keys=keys, part=st.sampled_from(list(SHAPES)))
    def read_into(self, which, keys, part):
        model = self.models[which]
        out = np.full((len(keys), *SHAPES[part]), 7, np.float32)
        mask = self.spaces[which].read_into(keys, part, out)
        assert mask.tolist() == [(key, part) in model for key in keys]
        for key, there, array in zip(keys, mask, out, strict=True):
            if there:
                assert_close(array, model[key, part])
            else:
                assert (array == 7).all()

    @rule(which=st.integers(0, 1), fact=st.dictionaries(st.text(), st.integers() | st.none()))
    def facts(self, which, fact):
        assert self.spaces[which].keep_facts({"fact": fact})
        assert self.spaces[which].find_facts("fact") == {"fact": fact}

    @rule(which=st.integers(0, 1), names=st.sets(st.text(max_size=3)), value=st.integers())
    def facts_by_prefix(self, which, names, value):
        facts = {f"p:{name}": value for name in names}
        assert self.spaces[which].keep_facts({"q:other": 1, "p": 2, **facts})
        found = self.spaces[which].find_facts("p:")
        assert found.items() >= facts.items()
        assert all(name.startswith("p:") for name in found)

    @rule(which=st.integers(0, 1))
    def close_and_reopen(self, which):
        self.spaces[which].close()
        self.spaces[which] = self.cache.space({"number": which})

    @rule(which=st.integers(0, 1))
    def clear(self, which):
        self.cache.clear(recipe={"number": which})
        self.models[which] = {}

    @invariant()
    def info_counts(self):
        assert self.cache.info().n_rows == sum(map(len, self.models))

    @invariant()
    def shapes_are_known(self):
        for space, model in zip(self.spaces, self.models, strict=True):
            for _, part in model:
                assert space.part_shape(part) == SHAPES[part]


TestCache = CacheMachine.TestCase
TestCache.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
