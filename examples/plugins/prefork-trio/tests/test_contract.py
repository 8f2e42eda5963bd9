from prefork.testing.contract import BackendContract


class TestTrio(BackendContract):
    backend = "trio"
