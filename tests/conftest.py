"""Shapes and types in the agent's signatures are enforced while testing."""

from jaxtyping import install_import_hook

from hypothesis import settings

settings.register_profile("gmexp", deadline=None)  # a busy machine is not a failing example
settings.load_profile("gmexp")

hook = install_import_hook("gmexp.agents.ppo", "beartype.beartype")
hook.__enter__()  # for the whole session, before any test module imports the agent
