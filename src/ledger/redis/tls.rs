//! TLS to a Redis, whose certificate the platform's certificate authorities vouch for.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::line::Problem;

/// TLS over `stream`, to the `host` that its certificate must be for.
pub(super) async fn connect(host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, Problem> {
    let name = ServerName::try_from(host.to_owned())?;
    // They are files, perhaps hundreds. They are read again for each connection, so that new ones need no restart.
    let config = spawn_blocking(config).await??;
    Ok(TlsConnector::from(Arc::new(config)).connect(name, stream).await?)
}

/// Trusts those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, or else those of the platform.
fn config() -> Result<ClientConfig, Problem> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        let what = "there are no certificate authorities to check its certificate with";
        return Err(format!("{what}{why}: name their file in the variable SSL_CERT_FILE").into());
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
