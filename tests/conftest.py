"""Shapes and types in the agent's signatures are enforced while testing."""

from hypothesis import settings
from jaxtyping import install_import_hook

settings.register_profile("gmexp", deadline=None)  # a busy machine is not a failing example
settings.load_profile("gmexp")

hook = install_import_hook(["gmexp.agents.ppo", "gmexp.agents.policy", "gmexp.agents.networks"], "beartype.beartype")
hook.__enter__()  # for the whole session, before any test module imports the agent
