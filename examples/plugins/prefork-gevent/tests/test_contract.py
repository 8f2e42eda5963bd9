from prefork.testing.contract import BackendContract, TlsContract


class TestGevent(BackendContract):
    backend = "gevent"


class TestGeventOverTls(TlsContract):
    backend = "gevent"
