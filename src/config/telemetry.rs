//! `[telemetry]`: the collector that spans are sent to.

use super::reader::{Problem, Written};
use super::upstream::{self, UpstreamUrl};

const EXAMPLE: &str = "write it like \"http://127.0.0.1:4318\"";
/// Where a collector takes spans, below its address: <https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>.
const TRACES: &str = "/v1/traces";

/// The address to which spans are posted. As elsewhere with OpenTelemetry, `/v1/traces` is added to what is written,
/// unless it stands there already.
pub(super) fn endpoint(written: &Written<'_>) -> Result<UpstreamUrl, Problem> {
    let text = written.text.as_ref();
    // A password may stand before the @, so no message may quote such an address.
    if text.contains('@') {
        let what = "the address has a user name, a password or an @";
        return Err(Problem::new(what, "remove what stands before the @: credentials are not sent"));
    }
    if text.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:")) {
        let remedy =
            "write http://, to a collector on this machine or in this cluster that sends it on over TLS";
        return Err(written.problem("is an https address", remedy));
    }
    if text.contains(['?', '#']) {
        return Err(written.problem("has a query or a fragment", EXAMPLE));
    }
    let url = upstream::url(written).map_err(|problem| Problem { remedy: EXAMPLE.to_owned(), ..problem })?;
    let path = url.path_and_query.trim_end_matches('/');
    let path = if path.ends_with(TRACES) { path.to_owned() } else { format!("{path}{TRACES}") };
    Ok(UpstreamUrl { path_and_query: path, ..url })
}
