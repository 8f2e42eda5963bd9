import sys
from bench.policy import policies
from bench.policy.runs import Case,run_all
from bench.policy.loads import LOADS
from itertools import product
if __name__=="__main__":
    for S in (1,10):
        run_all([Case(*x) for x in product(policies.tuned_peers(),[l.name for l in LOADS],(S,),(0.2,),(1,))],2)
