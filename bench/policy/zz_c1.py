import sys
from . import policies
from .runs import Case,run_all
from .loads import LOADS
from itertools import product
if __name__=="__main__":
    names=[l.name for l in LOADS]
    for seeds,sps in (((1,),(0.2,1.0)),((2,),(0.2,1.0)),((1,),(.05,2.0))):
        for S in (1,10):
            run_all([Case(*x) for x in product(policies.defaults(),names,(S,),sps,seeds)],2)
        if seeds==(1,) and sps==(0.2,1.0):
            run_all([Case(*x) for x in product(policies.tuned_prefork(),names,(1,),(.2,),(1,))],2)
