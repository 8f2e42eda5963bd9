import sys, time, os
from prefork import PoolConfig
from prefork.testing import running
from tests.apps.lines import Echo
n=int(sys.argv[1])
t=time.monotonic()
with running(Echo, pool=PoolConfig.model_validate({"max_workers":n,"sizing":{"kind":"static","workers":n}}), wait=False) as p:
    try:
        v=p.wait_for(lambda v: sum(w.phase=="serving" for w in v.workers)==n, timeout=60)
    except TimeoutError as e: print("timeout", len(p.view().workers))
    print("serving after", time.monotonic()-t, "unborn lines:", p.log.count("not born"), p.log.count("fork_failed"))
    print(os.popen("free -m | sed -n 2p").read())
    t=time.monotonic()
print("stopped in", time.monotonic()-t)
