//! The one table of reasons: why a notification was not accepted, whose fault that is, how the sender hears of it.
//!
//! Log, metric and answer all read this table, so they cannot drift apart.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use hyper::StatusCode;

use crate::receive::form::Form;

/// What the sender is told when a notification is not accepted. The body is `fail` in each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A fixed HTTP status: the request itself is at fault.
    Status(StatusCode),
    /// `ack.failure_status`: the notification is genuine, and Alipay delivers it again.
    Retry,
    /// Nothing: the connection is closed.
    Close,
}

/// Who has to act, which is also the level of the log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The sender is at fault (`info`).
    Sender,
    /// The upstream, or its load, is at fault (`warn`).
    Upstream,
    /// A genuine notification cannot get through until somebody acts (`error`).
    Operator,
}

/// A row of the table of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The name of the reason in the log and in the metrics.
    pub label: &'static str,
    /// Who has to act.
    pub severity: Severity,
    /// What the sender is told.
    pub answer: Answer,
    /// The reason in a sentence, for people.
    pub meaning: &'static str,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $label:literal, $severity:ident, $answer:expr;)+) => {
        /// Why a notification was not accepted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl Reason {
            /// Every reason, in the order of the way.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The place of this reason in [`Reason::ALL`].
            #[expect(clippy::as_conversions, reason = "a discriminant has no other way out")]
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The row of this reason in the table.
            pub const fn rule(self) -> Rule {
                match self {
                    $(Self::$name => Rule {
                        label: $label,
                        severity: Severity::$severity,
                        answer: $answer,
                        meaning: concat!($($doc),+).trim_ascii(),
                    },)+
                }
            }
        }
    };
}

const BAD: Answer = Answer::Status(StatusCode::BAD_REQUEST);
const FORBIDDEN: Answer = Answer::Status(StatusCode::FORBIDDEN);

reasons! {
    // The connection and the head.
    /// More connections than `server.max_connections`.
    TooManyConnections => "too_many_connections", Upstream, Answer::Close;
    /// The TLS handshake failed, or took longer than `server.header_timeout`.
    FailedHandshake => "failed_handshake", Sender, Answer::Close;
    /// The head of the request is not plain HTTP/1.1: framing, host, target or line ends are wrong or ambiguous.
    MalformedHead => "malformed_head", Sender, BAD;
    /// The head of the request is over 16 KiB or has more than 64 headers.
    HeadTooLarge => "head_too_large", Sender, Answer::Status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    /// The head of the request took longer than `server.header_timeout`.
    SlowHead => "slow_head", Sender, Answer::Status(StatusCode::REQUEST_TIMEOUT);
    /// The path is not one of `server.paths`.
    UnknownPath => "unknown_path", Sender, Answer::Status(StatusCode::NOT_FOUND);
    /// What is passed through does not lead there: it could be read as a path that notifications are for.
    ClosedPath => "closed_path", Sender, Answer::Status(StatusCode::NOT_FOUND);
    /// The method is not POST.
    MethodNotAllowed => "method_not_allowed", Sender, Answer::Status(StatusCode::METHOD_NOT_ALLOWED);
    /// The address carries a query string: what stands there is not signed, so it is not read.
    QueryString => "query_string", Sender, BAD;
    /// The request expects something other than `100-continue`.
    UnmetExpectation => "unmet_expectation", Sender, Answer::Status(StatusCode::EXPECTATION_FAILED);
    /// The body is not `application/x-www-form-urlencoded`.
    UnsupportedMediaType => "unsupported_media_type", Sender, Answer::Status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    /// The body is compressed.
    UnsupportedEncoding => "unsupported_encoding", Sender, Answer::Status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    /// The request says neither how long its body is nor that it is chunked.
    LengthRequired => "length_required", Sender, Answer::Status(StatusCode::LENGTH_REQUIRED);
    /// The body is larger than `server.max_body`.
    BodyTooLarge => "body_too_large", Sender, Answer::Status(StatusCode::PAYLOAD_TOO_LARGE);
    /// The body took longer than `server.body_timeout`.
    SlowBody => "slow_body", Sender, Answer::Status(StatusCode::REQUEST_TIMEOUT);
    /// The body ended early, or its chunks are malformed.
    BrokenBody => "broken_body", Sender, BAD;
    /// What is being read in all connections takes up the memory set aside for it, and this request took longest.
    TooManyBytesInFlight => "too_many_bytes_in_flight", Upstream, Answer::Retry;
    // The form.
    /// The body is not a percent-encoded form in printable ASCII.
    BadEncoding => "bad_encoding", Sender, BAD;
    /// A pair is empty, has no `=`, or its name is not a plain parameter name.
    MalformedForm => "malformed_form", Sender, BAD;
    /// A parameter occurs twice.
    RepeatedParameter => "repeated_parameter", Sender, BAD;
    /// More parameters than `server.max_params`.
    TooManyParameters => "too_many_parameters", Sender, BAD;
    // The envelope.
    /// A parameter that every notification of this kind carries is missing or empty.
    MissingParameter => "missing_parameter", Sender, BAD;
    /// A parameter of the envelope breaks its grammar.
    MalformedParameter => "malformed_parameter", Sender, BAD;
    /// The signed text can be read as other parameters than these.
    AmbiguousParameters => "ambiguous_parameters", Sender, BAD;
    /// A notification of no kind that is known.
    UnsupportedKind => "unsupported_kind", Sender, BAD;
    // The signature.
    /// There is no signature.
    Unsigned => "unsigned", Sender, FORBIDDEN;
    /// The app is not configured.
    UnknownApp => "unknown_app", Sender, FORBIDDEN;
    /// The hash that the sender names is not allowed by the configuration.
    HashNotAllowed => "hash_not_allowed", Sender, FORBIDDEN;
    /// No key of the app verifies the signature in any form allowed.
    BadSignature => "bad_signature", Sender, FORBIDDEN;
    /// Genuine, but sent longer ago than `verify.max_age`.
    TooOld => "too_old", Sender, FORBIDDEN;
    /// Genuine, but sent further in the future than `verify.max_skew`.
    FromTheFuture => "from_the_future", Sender, FORBIDDEN;
    // The content. From here on the notification is genuine.
    /// A genuine gateway check, and there is no `app_private_key_file` to sign the answer with.
    UnansweredCheck => "unanswered_check", Operator, Answer::Retry;
    /// The content is encrypted, and `content_key_file` is missing or holds another key.
    EncryptedContent => "encrypted_content", Operator, Answer::Retry;
    /// A value is not valid text in the charset that the notification names.
    MalformedText => "malformed_text", Operator, BAD;
    /// `biz_content` is not exactly one strict JSON object or, of a gateway check, not the XML that is known.
    MalformedContent => "malformed_content", Operator, BAD;
    /// Genuine, but about a mini program that is not one of the app's `mini_app_ids`.
    MiniAppNotAllowed => "mini_app_not_allowed", Sender, FORBIDDEN;
    /// The content breaks the documented schema, and `translate.on_mismatch` is `fail`.
    SchemaMismatch => "schema_mismatch", Operator, Answer::Retry;
    /// The kind of message is not in the catalogue, and `translate.unknown_methods` is `fail`.
    UnknownMethod => "unknown_method", Operator, Answer::Retry;
    // The delivery.
    /// More deliveries at once than `upstream.max_in_flight`, or than the memory set aside for them holds.
    TooManyInFlight => "too_many_in_flight", Upstream, Answer::Retry;
    /// The upstream could not be reached.
    UpstreamUnreachable => "upstream_unreachable", Upstream, Answer::Retry;
    /// The upstream did not answer within `upstream.timeout`.
    UpstreamTimeout => "upstream_timeout", Upstream, Answer::Retry;
    /// The upstream broke off, or did not answer in HTTP.
    UpstreamBroken => "upstream_broken", Upstream, Answer::Retry;
    /// The upstream answered with a redirect, which is never followed.
    UpstreamRedirected => "upstream_redirected", Upstream, Answer::Retry;
    /// The upstream answered with a status outside `upstream.accept`.
    UpstreamRefused => "upstream_refused", Upstream, Answer::Retry;
    /// The sidecar is shutting down, and this delivery did not end in time.
    ShuttingDown => "shutting_down", Upstream, Answer::Retry;
    /// A defect of the sidecar: a panic was caught.
    Internal => "internal", Operator, Answer::Retry;
}

/// A notification that goes no further: why, and what caused it, for the log alone.
#[derive(Debug)]
pub struct Rejection {
    reason: Reason,
    cause: Option<Box<dyn Error + Send + Sync>>,
    evidence: Option<Evidence>,
}

/// What was refused, for a diagnosis and nothing else. It is moved here, never copied.
pub(crate) enum Evidence {
    /// A body that is no form.
    Body(Bytes),
    /// A form that is not genuine.
    Form(Form),
}

impl Evidence {
    /// How many bytes it has.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Body(body) => body.len(),
            Self::Form(form) => form.bytes(),
        }
    }
}

/// Without a value: what was refused may hold anything.
impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Evidence of {} bytes", self.bytes())
    }
}

impl Rejection {
    /// Why the notification was not accepted.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// What caused it, in words that hold names of parameters but never their values.
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync)> {
        self.cause.as_deref()
    }

    /// With what was refused.
    #[must_use]
    pub(crate) fn with(self, evidence: Evidence) -> Self {
        Self { evidence: Some(evidence), ..self }
    }

    /// What was refused, if it was kept.
    pub(crate) fn into_evidence(self) -> Option<Evidence> {
        self.evidence
    }
}

impl From<Reason> for Rejection {
    fn from(reason: Reason) -> Self {
        Self { reason, cause: None, evidence: None }
    }
}

impl Reason {
    /// This reason with what caused it.
    pub fn because(self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Rejection {
        Rejection { reason: self, cause: Some(cause.into()), evidence: None }
    }
}
