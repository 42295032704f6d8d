//! `k8s/e2e/run` where there is no cluster: it says so, and touches nothing.

use std::process::{Command, Output};

use crate::tools::path;

/// A run with kubectl at hand, and with this cluster.
fn run(arguments: &[&str], kubeconfig: Option<&str>) -> Output {
    let mut command = Command::new(path("tests/kubernetes/tools/.venv/bin/python"));
    let tools = path("tests/kubernetes/tools/.bin/1.37");
    let programs = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    command.arg(path("k8s/e2e/run")).args(arguments).env("PATH", programs).env_remove("KUBECONFIG");
    if let Some(kubeconfig) = kubeconfig {
        command.env("KUBECONFIG", kubeconfig);
    }
    command.output().unwrap()
}

#[test]
fn without_a_cluster_it_says_so_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nowhere = folder.path().join("config");
    let cluster = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: c}}}}], clusters: \
         [{{name: c, cluster: {{server: 'http://{closed}'}}}}]}}"
    );
    std::fs::write(&nowhere, cluster).unwrap();
    for (arguments, kubeconfig, said) in [
        (&[][..], None, "KUBECONFIG=… k8s/e2e/run IMAGE"),
        (&["image:1"], None, "nothing was tried: KUBECONFIG is not set"),
        (&["image:1"], nowhere.to_str(), "nothing was tried: no cluster answers"),
    ] {
        let output = run(arguments, kubeconfig);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains(said) && output.stdout.is_empty(), "{err}");
    }
}
