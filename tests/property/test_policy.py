"""The invariants of policy.md, in a pool to which anything may happen."""

from __future__ import annotations

from itertools import starmap

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from prefork.policy.config import CrashConfig, PoolConfig, RecycleConfig, Sizing, SpareSizing, StaticSizing
from prefork.policy.engine import decide
from prefork.policy.limits import Limits
from prefork.policy.memory import Memory
from prefork.policy.model import ExitView, MoldPhase, Owner, Phase, PoolView, WorkerView
from prefork.policy.units import NS
from tests.property.world import World
