//! What Redis does in one round trip: a script, called by its hash, and sent whole where Redis does not know it.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, ServerErrorKind, Value, cmd};

/// A script of Lua. Redis forgets scripts when it restarts, and when it is told to.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    /// What Redis calls it.
    hash: String,
}

impl Script {
    /// The script of this text.
    pub(super) fn new(text: &'static str) -> Self {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let hash = hash.as_ref().iter().fold(String::new(), |mut hash, byte| {
            // A string takes all that is written into it.
            write!(hash, "{byte:02x}").unwrap_or_default();
            hash
        });
        Self { text, hash }
    }

    /// Calls it over `connection`. Where Redis does not know it, that takes a second round trip.
    pub(super) async fn call(
        &self,
        connection: &mut MultiplexedConnection,
        keys: &[&str],
        arguments: &[&str],
    ) -> Result<Value, RedisError> {
        let command = |name, script: &str| {
            let mut command = cmd(name);
            command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
            command
        };
        match command("EVALSHA", &self.hash).query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                command("EVAL", self.text).query_async(connection).await
            }
            outcome => outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_knows_a_script_by_its_sha_1() {
        // What `SCRIPT LOAD` answers for it.
        assert_eq!(Script::new("return 1").hash, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    }
}
