//! The limit of open files, so that accepting a connection never takes the descriptor that a delivery needs.

use std::io;

use rlimit::Resource;

/// Descriptors for all that is neither a sender's connection nor a delivery: listeners, event loops, the log, and
/// whoever asks the admin listener.
const RESERVED: usize = 192;

/// How many files the process may open, and how many connections that leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Files {
    limit: usize,
    max_connections: usize,
    connections: usize,
}

impl Files {
    /// What a process that may open `limit` files has for connections, once each of `max_in_flight` deliveries has
    /// its descriptor; at least one, and never more than `max_connections`.
    ///
    /// Where there is not enough for all of these, half is for connections: none has more than one delivery.
    pub fn share(limit: usize, max_connections: usize, max_in_flight: usize) -> Self {
        let left = limit.saturating_sub(RESERVED);
        let connections = left.saturating_sub(max_in_flight).max(left / 2);
        Self { limit, max_connections, connections: connections.min(max_connections).max(1) }
    }

    /// How many connections may be open at once.
    pub fn connections(self) -> usize {
        self.connections
    }

    /// What to tell the operator where fewer connections are served than configured.
    pub fn warning(self) -> Option<String> {
        (self.connections < self.max_connections).then(|| {
            format!(
                "the process may open {} files: {} connections are served instead of server.max_connections = {}; \
                 raise LimitNOFILE or ulimit -n",
                self.limit, self.connections, self.max_connections
            )
        })
    }
}

/// Raises the limit of open files as far as the process may, and says what that leaves for connections.
///
/// Where raising it is forbidden, what it was is shared out. The only error is that it cannot be asked for.
pub fn raise_file_limit(max_connections: usize, max_in_flight: usize) -> io::Result<Files> {
    let (soft, hard) = Resource::NOFILE.get()?;
    let limit = Resource::NOFILE.set(hard, hard).map_or(soft, |()| hard);
    // An infinite limit is the greatest number there is.
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(Files::share(limit, max_connections, max_in_flight))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn deliveries_and_listeners_keep_their_descriptors() {
        assert_eq!(Files::share(2048, 10_000, 512).connections(), 1344);
        assert_eq!(Files::share(20_000, 10_000, 512).connections(), 10_000);
        assert_eq!(Files::share(10_704, 10_000, 512).connections(), 10_000);
        assert_eq!(Files::share(10_703, 10_000, 512).connections(), 9_999);
        assert_eq!(Files::share(64, 10_000, 512).connections(), 1);
    }

    #[test]
    fn where_files_are_few_as_many_are_for_connections_as_for_deliveries() {
        assert_eq!(Files::share(1024, 10_000, 512).connections(), 416);
        assert_eq!(Files::share(1024, 10_000, 1024).connections(), 416);
        assert_eq!(Files::share(700, 10_000, 1024).connections(), 254);
    }

    #[test]
    fn fewer_connections_than_configured_are_a_warning_with_its_remedy() {
        insta::assert_snapshot!(Files::share(1024, 10_000, 512).warning().unwrap(), @"the process may open 1024 files: 416 connections are served instead of server.max_connections = 10000; raise LimitNOFILE or ulimit -n");
        assert_eq!(Files::share(20_000, 10_000, 512).warning(), None);
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let (_, hard) = Resource::NOFILE.get().unwrap();
        let files = raise_file_limit(1, 1).unwrap();
        assert_eq!(Resource::NOFILE.get().unwrap(), (hard, hard));
        assert_eq!(files.connections(), 1);
    }

    proptest! {
        #[test]
        fn at_least_one_and_no_more_than_configured_are_served(
            limit in any::<usize>(), configured in 1_usize.., in_flight in any::<usize>(),
        ) {
            let files = Files::share(limit, configured, in_flight);
            prop_assert!((1..=configured).contains(&files.connections()));
            prop_assert_eq!(files.warning().is_some(), files.connections() < configured);
        }
    }
}
