from prefork.testing.contract import BackendContract


class TestGevent(BackendContract):
    backend = "gevent"
