//! The limit that the sidecar is held against: a reverse proxy of hyper and aws-lc that does the work, and nothing beside it.
//!
//! `bare LISTEN UPSTREAM KEY.pem`
//!
//! It knows one key and the form v1, and has no limits, deadlines, log, metrics or ledger.

use std::convert::Infallible;
use std::error::Error;
use std::rc::Rc;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde::de::IgnoredAny;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};

type Failure = Box<dyn Error>;

struct Bare {
    key: ParsedPublicKey,
    upstream: Uri,
    client: Client<HttpConnector, Full<Bytes>>,
}

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream, key] = words.as_slice() else {
        return Err("give LISTEN UPSTREAM KEY.pem".into());
    };
    let key = SubjectPublicKeyInfoDer::from_pem_file(key)?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let bare = Rc::new(Bare {
        key: ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)?,
        upstream: format!("http://{upstream}/alipay/notify").parse()?,
        client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(512).build(connector),
    });
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?
        .block_on(serve(bare, listen))
}

async fn serve(bare: Rc<Bare>, listen: &str) -> Result<(), Failure> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let bare = Rc::clone(&bare);
        let answer = service_fn(move |request| {
            let bare = Rc::clone(&bare);
            async move { Ok::<_, Infallible>(bare.answer(request).await) }
        });
        let mut server = hyper::server::conn::http1::Builder::new();
        server.header_read_timeout(None);
        // A connection that breaks ends here; the next one is another.
        tokio::task::spawn_local(server.serve_connection(TokioIo::new(stream), answer));
    }
}

impl Bare {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let accepted = self.deliver(request).await.unwrap_or(false);
        let mut answer = Response::new(Full::from(if accepted { "success" } else { "fail" }));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        answer
    }

    /// Whether the upstream took it; an error where it is not genuine.
    async fn deliver(&self, request: Request<Incoming>) -> Result<bool, Failure> {
        let body = request.into_body().collect().await?.to_bytes();
        let request = Request::post(&self.upstream)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(self.verified(&body)?))?;
        let answer = self.client.request(request).await?;
        let accepted = answer.status().is_success();
        answer.into_body().collect().await?;
        Ok(accepted)
    }

    /// The parameters as JSON, once they are seen to be what was signed.
    fn verified(&self, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut parameters: Vec<_> = form_urlencoded::parse(body).collect();
        parameters.sort_unstable();
        let (mut sign, mut signed, mut json) =
            (None, String::with_capacity(body.len()), Vec::with_capacity(body.len()));
        for (name, value) in &parameters {
            match name.as_ref() {
                "sign" => sign = Some(BASE64_STANDARD.decode(value.as_ref())?),
                "sign_type" if value == "RSA2" => {}
                "sign_type" => return Err("not RSA2".into()),
                name => {
                    let separator = if signed.is_empty() { "" } else { "&" };
                    signed.extend([separator, name, "=", value]);
                    json.push(if json.is_empty() { b'{' } else { b',' });
                    serde_json::to_writer(&mut json, name)?;
                    json.push(b':');
                    if name == "biz_content" {
                        serde_json::from_str::<IgnoredAny>(value)?;
                        json.extend_from_slice(value.as_bytes());
                    } else {
                        serde_json::to_writer(&mut json, value)?;
                    }
                }
            }
        }
        json.push(b'}');
        self.key.verify_sig(signed.as_bytes(), &sign.ok_or("unsigned")?)?;
        Ok(json)
    }
}
