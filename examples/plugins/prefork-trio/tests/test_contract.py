from prefork.testing.contract import BackendContract, TlsContract


class TestTrio(BackendContract):
    backend = "trio"


class TestTrioOverTls(TlsContract):
    backend = "trio"
