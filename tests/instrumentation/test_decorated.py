"""What is decorated behaves as it does undecorated, be it a function or not."""

from __future__ import annotations

from tests.support.process import run, succeed
from tests.support.sink import Sink


def test_callables_that_are_no_functions(sink: Sink) -> None:
    """A partial, a builtin and an object bind in a class only where they did; their attributes are theirs."""
    succeed(
        """
        import functools, pickle, batchtel
        def load(table, extra=None):
            return table, extra
        class Loader:
            rows = 0
            def __call__(self, more=3):
                self.rows += more
                return self.rows
        loader = Loader()
        class Plain:
            orders = functools.partial(load, "orders")
            size = len
            loaded = loader
            @functools.lru_cache
            def cached(self):
                return self
        class Decorated:
            orders = batchtel.step("orders")(functools.partial(load, "orders"))
            size = batchtel.step("size")(len)
            loaded = batchtel.retry(attempts=2)(batchtel.step("load")(loader))
            @batchtel.step("cached")
            @functools.lru_cache
            def cached(self):
                return self
        class Text(str):
            upper = batchtel.step("upper")(str.upper)
        with batchtel.job("forms"):
            for kind in (Plain, Decorated):
                made = kind()
                assert made.orders("2026") == ("orders", "2026")
                assert made.size([1, 2]) == 2
                assert made.cached() is made and kind.cached(made) is made
                rows = loader.rows
                assert made.loaded() == made.loaded.rows == rows + 3
                made.loaded.rows = 0
                assert loader.rows == 0
                assert made.orders.func is load and repr(made.orders).startswith("functools.partial(")
            assert Text("a").upper() == "A"
        with batchtel.job("pickled"):
            binary = batchtel.step("binary")(functools.partial(int, base=2))
            assert pickle.loads(pickle.dumps(binary))("11") == 3
        """,
        sink,
    )
    counts = {name: sink.total("batch.step.completions", step_name=name) for name in ("orders", "size", "cached")}
    assert counts == {"orders": 1, "size": 1, "cached": 2}
    assert sink.total("batch.step.completions", step_name="load") == 1
    assert sink.total("batch.step.completions", step_name="upper") == 1
    assert sink.total("batch.step.completions", step_name="binary") == 1


def test_functions_keep_their_defaults(sink: Sink) -> None:
    """Whoever looks at the defaults of a function finds them, and its signature."""
    succeed(
        """
        import inspect, batchtel
        @batchtel.retry
        @batchtel.step
        def load(table, limit=2, *, dry=False):
            return table, limit, dry
        with batchtel.job("defaults"):
            assert load("a") == ("a", 2, False)
        assert (load.__defaults__, load.__kwdefaults__) == ((2,), {"dry": False})
        assert str(inspect.signature(load)) == "(table, limit=2, *, dry=False)"
        """,
        sink,
    )


def test_a_class_stays_a_class(sink: Sink) -> None:
    """A class that is decorated is not replaced, nor is a property; one warning each names it."""
    finished = run(
        """
        import batchtel
        @batchtel.job("loader")
        class Loader:
            @classmethod
            def make(cls):
                return cls()
            @batchtel.step
            @property
            def rows(self):
                return 3
        class Own(Loader):
            pass
        @batchtel.retry
        class Again:
            pass
        assert isinstance(Own.make(), Loader) and Again().__class__ is Again
        print(Loader().rows)
        """,
        sink,
    )
    assert (finished.code, finished.stdout) == (0, "3\n")
    fix = "a class, which stays as it is: nothing is recorded; decorate a function or a method of it"
    assert finished.stderr.splitlines() == [
        "what is decorated, property, is nothing that is called, so it stays as it is; decorate the function in it",
        f"what is decorated, Loader, is {fix}",
        f"what is decorated, Again, is {fix}",
    ]
    assert sink.requests == []
