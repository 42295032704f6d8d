//! The names that the configuration may hold, and the nearest of them to a wrong one.

/// Every section with its keys, in the order of `sidecar.toml`.
///
/// A name with a dot, as `upstream.routes`, is a section in a section.
pub const KEYS: &[(&str, &[&str])] = &[
    (
        "server",
        &[
            "listen",
            "paths",
            "max_body",
            "max_params",
            "header_timeout",
            "body_timeout",
            "keep_alive",
            "max_connections",
            "shutdown_delay",
            "drain_timeout",
        ],
    ),
    ("server.tls", &["certificate", "key"]),
    ("admin", &["listen"]),
    (
        "upstream",
        &["url", "timeout", "connect_timeout", "max_in_flight", "accept", "format", "hmac_key_file"],
    ),
    ("upstream.routes", &["msg_method", "url"]),
    (
        "apps",
        &[
            "app_id",
            "alipay_public_key_files",
            "alipay_public_keys",
            "content_key_file",
            "app_private_key_file",
            "mini_app_ids",
            "charset",
        ],
    ),
    ("verify", &["form", "allow_sha1", "max_age", "max_skew"]),
    ("translate", &["on_mismatch", "unknown_methods", "messages"]),
    ("ledger", &["store", "path", "url", "retain", "keep_failed", "on_store_error"]),
    ("ack", &["failure_status"]),
    ("passthrough", &["enabled"]),
    ("log", &["level", "format"]),
    ("telemetry", &["otlp_endpoint"]),
];

/// The sections of which there may be any number: `[[apps]]` rather than `[apps]`.
pub const LISTS: &[&str] = &["upstream.routes", "apps"];

/// The names of the sections at the top.
pub(super) fn sections() -> impl Iterator<Item = &'static str> + Clone {
    KEYS.iter().map(|(section, _)| *section).filter(|section| !section.contains('.'))
}

/// The names that a section may hold: its keys, and the sections in it.
pub(super) fn names_in(section: &str) -> impl Iterator<Item = &'static str> + Clone {
    let keys =
        KEYS.iter().filter(move |(name, _)| *name == section).flat_map(|(_, keys)| keys.iter().copied());
    let inner = KEYS.iter().filter_map(move |(name, _)| name.strip_prefix(section)?.strip_prefix('.'));
    keys.chain(inner)
}

/// A section as it is written above its keys.
fn header(section: &str) -> String {
    if LISTS.contains(&section) { format!("[[{section}]]") } else { format!("[{section}]") }
}

/// What to do about `name`, which is no section.
pub(super) fn remedy_for_section(name: &str) -> String {
    if let Some(near) = nearest(name, sections()) {
        return format!("did you mean {}?", header(near));
    }
    if let Some(home) = home_of(name) {
        return format!("remove it, or move it into {}", header(home));
    }
    format!("remove it; the sections are {}", list(sections()))
}

/// What to do about `name`, which is no key of `section`.
pub(super) fn remedy_for_key(section: &str, name: &str) -> String {
    if let Some(near) = nearest(name, names_in(section)) {
        return format!("did you mean {near}?");
    }
    if let Some(home) = home_of(name) {
        return format!("remove it, or move it into {}", header(home));
    }
    format!("remove it; the keys of {} are {}", header(section), list(names_in(section)))
}

fn home_of(name: &str) -> Option<&'static str> {
    KEYS.iter().map(|(section, _)| *section).find(|section| names_in(section).any(|known| known == name))
}

/// The known name that is at most two slips away, or one in a short name.
fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    // The distance takes time and memory of both lengths, and the file's side has no bound.
    if name.len() > 64 {
        return None;
    }
    let name = name.to_ascii_lowercase().replace('-', "_");
    let slips = if name.len() > 4 { 2 } else { 1 };
    known
        .map(|candidate| (strsim::osa_distance(&name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= slips || is_stem(&name, candidate))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Whether one is the other with something added, as `app` and `apps`, or `connect` and `connect_timeout`.
fn is_stem(name: &str, candidate: &str) -> bool {
    name.len() >= 3 && (candidate.starts_with(name) || (candidate.len() >= 3 && name.starts_with(candidate)))
}

fn list(names: impl Iterator<Item = &'static str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_the_key() {
        assert_eq!(remedy_for_key("upstream", "timout"), "did you mean timeout?");
        assert_eq!(remedy_for_key("upstream", "max-in-flight"), "did you mean max_in_flight?");
        assert_eq!(remedy_for_key("server", "Listen"), "did you mean listen?");
        assert_eq!(remedy_for_section("sever"), "did you mean [server]?");
    }

    #[test]
    fn a_key_of_another_section_is_sent_home() {
        assert_eq!(remedy_for_key("server", "allow_sha1"), "remove it, or move it into [verify]");
        assert_eq!(remedy_for_section("failure_status"), "remove it, or move it into [ack]");
    }

    #[test]
    fn a_section_in_a_section_is_known_there_and_nowhere_else() {
        assert_eq!(remedy_for_key("upstream", "route"), "did you mean routes?");
        assert_eq!(remedy_for_section("routes"), "remove it, or move it into [upstream]");
        assert_eq!(
            remedy_for_key("upstream", "msg_method"),
            "remove it, or move it into [[upstream.routes]]"
        );
        assert_eq!(
            remedy_for_key("upstream.routes", "colour"),
            "remove it; the keys of [[upstream.routes]] are msg_method, url"
        );
        assert!(sections().all(|section| !section.contains('.')));
        assert!(LISTS.iter().all(|list| KEYS.iter().any(|(section, _)| section == list)));
    }

    #[test]
    fn a_stranger_gets_the_list() {
        assert_eq!(remedy_for_key("admin", "colour"), "remove it; the keys of [admin] are listen");
    }
}
