//! The stories that need real parts: databases, a LiteLLM proxy, HTTP. `./scripts/test.sh` starts them.

mod litellm;
