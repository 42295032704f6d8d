//! The manifests in `k8s/`: rendered by the oldest and the newest kubectl and helm, held against the schemas of every
//! version of Kubernetes that is supported, and against what no schema says.
//!
//! `tests/kubernetes/tools` has what this needs; `make test` installs it, and where it is missing these tests fail.
#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "counts and times of a test do not overflow")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what was seen, and what could not be tried")]

#[path = "kubernetes/alipay.rs"]
mod alipay;
#[path = "interop/driver.rs"]
mod driver;
#[path = "kubernetes/e2e.rs"]
mod e2e;
#[path = "kubernetes/injection.rs"]
mod injection;
#[path = "kubernetes/pod.rs"]
mod pod;
#[path = "kubernetes/podman.rs"]
mod podman;
#[path = "kubernetes/render.rs"]
mod render;
#[path = "kubernetes/rules.rs"]
mod rules;
#[path = "kubernetes/tools.rs"]
mod tools;

/// The versions of Kubernetes that the manifests are for.
const VERSIONS: [&str; 9] = ["1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"];
