//! What comes out of the component, the examples and the chart.

use std::fs;
use std::path::Path;
use std::time::Duration;

use alipay_sidecar::config::{Config, ConfigErrors};
use serde_json::{Value, json};

use crate::VERSIONS;
use crate::rules::{DRAIN, problems};
use crate::tools::{TOOLS, attempt, kustomize, object, path, template, validate};

const EXAMPLE: &str = "k8s/example";
const REDIS: &str = "k8s/redis";
const PLAIN: &str = "k8s/plain";
const VALUES: &str = "k8s/chart/ci/example-values.yaml";

fn chart(version: &str) -> Vec<Value> {
    let values = path(VALUES);
    template(version, &path("k8s/chart"), &["--values", values.to_str().unwrap()])
}

fn pod<'o>(objects: &'o [Value], deployment: &str) -> &'o Value {
    &object(objects, "Deployment", deployment)["spec"]["template"]["spec"]
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

/// In an order that does not depend on the program that wrote them.
fn sorted(mut objects: Vec<Value>) -> Vec<Value> {
    objects.sort_by_key(|object| format!("{} {}", object["kind"], object["metadata"]["name"]));
    objects
}

#[test]
fn the_oldest_and_the_newest_kubectl_make_the_same_of_every_kustomization() {
    for folder in [EXAMPLE, REDIS, PLAIN, "k8s/injection", "tests/kubernetes/any"] {
        let [oldest, newest] = TOOLS.map(|version| sorted(kustomize(version, folder)));
        assert_eq!(oldest, newest, "{folder}");
    }
}

#[test]
fn every_object_fits_the_strict_schema_of_every_version() {
    for objects in [kustomize("1.37", EXAMPLE), kustomize("1.37", REDIS), chart("1.37")] {
        assert_eq!(validate(&objects, &VERSIONS), [""; 0]);
    }
    assert_eq!(validate(&kustomize("1.37", "k8s/injection"), &["1.36", "1.37"]), [""; 0]);
}

#[test]
fn the_schemas_notice_a_key_that_they_do_not_know() {
    let mut objects = kustomize("1.37", EXAMPLE);
    for object in &mut objects {
        object["sepc"] = json!({});
    }
    assert_eq!(validate(&objects, &VERSIONS).len(), objects.len() * VERSIONS.len());
}

#[test]
fn every_object_keeps_the_rules_that_no_schema_knows() {
    for objects in [kustomize("1.37", EXAMPLE), kustomize("1.37", REDIS), chart("1.37")] {
        assert_eq!(problems(&objects), [""; 0]);
    }
}

#[test]
fn the_chart_and_the_component_make_the_same_objects() {
    let component: Vec<Value> =
        kustomize("1.37", EXAMPLE).into_iter().filter(|object| object["kind"] != "Namespace").collect();
    for version in TOOLS {
        let mut chart = chart(version);
        for object in &mut chart {
            let is_plain = object["kind"] == "ConfigMap" || object["kind"] == "Secret";
            let metadata = object["metadata"].as_object_mut().unwrap();
            let labels = metadata["labels"].as_object_mut().unwrap();
            assert!(labels.remove("helm.sh/chart").is_some());
            assert!(labels.remove("app.kubernetes.io/managed-by").is_some());
            if is_plain {
                metadata.remove("labels");
            }
        }
        let (chart, component) = (sorted(chart), sorted(component.clone()));
        assert_eq!(chart.len(), component.len());
        for (chart, component) in chart.iter().zip(&component) {
            assert_eq!(format!("{chart:#}"), format!("{component:#}"));
        }
    }
}

#[test]
fn the_component_fits_any_deployment() {
    let objects = kustomize("1.37", "tests/kubernetes/any");
    let pod = pod(&objects, "any");
    assert_eq!(names(&pod["initContainers"]), ["alipay-sidecar", "migrate"], "the sidecar comes first");
    assert_eq!(names(&pod["containers"]), ["one", "two"]);
    for container in pod["containers"].as_array().unwrap() {
        assert_eq!(container["lifecycle"]["preStop"], json!({"sleep": {"seconds": 5}}));
    }
    assert_eq!(pod["containers"][0]["lifecycle"]["postStart"]["exec"]["command"], json!(["warm-up"]));
    assert!(names(&pod["volumes"]).contains(&"files"), "what was there stays");
    let ports = &object(&objects, "Service", "any")["spec"]["ports"];
    assert_eq!((&ports[0]["targetPort"], &ports[1]["targetPort"]), (&json!(18080), &json!(8081)));
}

#[test]
fn the_shared_ledger_adds_redis_and_a_replica_and_changes_nothing_else() {
    let (alone, shared) = (kustomize("1.37", EXAMPLE), kustomize("1.37", REDIS));
    let kept: Vec<&Value> = shared
        .iter()
        .filter(|object| object["metadata"]["name"] != "ledger" && object["kind"] != "ConfigMap")
        .collect();
    assert_eq!(kept.len(), alone.len() - 1);
    for object in kept {
        let mut object = object.clone();
        if object["kind"] == "Deployment" {
            assert_eq!(object["spec"]["replicas"], 2);
            object["spec"]["replicas"] = json!(1);
        }
        assert!(alone.contains(&object), "{object}");
    }
    assert!(pod(&shared, "ledger").get("initContainers").is_none(), "Redis gets no sidecar");
    // The configuration differs in where the ledger is, and names the Redis that is there.
    let text = |objects: &[Value]| {
        let map = object(objects, "ConfigMap", "alipay-sidecar");
        map["data"]["sidecar.toml"].as_str().unwrap().to_owned()
    };
    let before = "store = \"file\"\npath = \"/var/lib/alipay-sidecar/ledger.redb\"";
    let after = "store = \"redis\"\nurl = \"redis://ledger:6379/0\"";
    assert_eq!(text(&shared), text(&alone).replace(before, after));
    assert_eq!(object(&shared, "Service", "ledger")["spec"]["ports"][0]["port"], 6379);
}

#[test]
fn the_sidecar_of_older_clusters_is_a_plain_container_and_otherwise_the_same() {
    let (native, plain) = (kustomize("1.37", EXAMPLE), kustomize("1.37", PLAIN));
    assert_eq!(validate(&plain, &["1.25", "1.26", "1.27", "1.28"]), [""; 0]);
    let (native, plain) = (pod(&native, "shop"), pod(&plain, "shop"));
    assert!(plain.get("initContainers").is_none());
    let mut sidecar = native["initContainers"][0].clone();
    sidecar.as_object_mut().unwrap().remove("restartPolicy");
    assert_eq!(plain["containers"][1], sidecar);
    let mut app = native["containers"][0].clone();
    app["lifecycle"]["preStop"] = json!({"exec": {"command": ["sleep", "16"]}});
    assert_eq!(plain["containers"], json!([app, sidecar]));
}

#[test]
fn the_chart_passes_its_lint() {
    for version in TOOLS {
        let (chart, values) = (path("k8s/chart"), path(VALUES));
        let arguments = ["lint", "--strict", chart.to_str().unwrap(), "--values", values.to_str().unwrap()];
        let output = attempt("helm", version, &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn values_that_cannot_be_meant_are_refused() {
    let (chart, values) = (path("k8s/chart"), path(VALUES));
    let wrong = [
        ("replicaCount=2", "replicaCount"),
        ("ports.server=http", "server"),
        ("ports.admin=0", "admin"),
        ("config=[servers]", "config"),
        ("app.container.image=", "image"),
        ("keys.name=Keys", "name"),
        ("metrics.podMonitor=maybe", "podMonitor"),
    ];
    for version in TOOLS {
        for (set, named) in wrong {
            let chart = chart.to_str().unwrap();
            let arguments = ["template", chart, "--values", values.to_str().unwrap(), "--set", set];
            let output = attempt("helm", version, &arguments);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && said.contains(named), "{version} {set}: {said}");
        }
    }
}

#[test]
fn what_is_opt_in_comes_when_it_is_asked_for() {
    let values = path(VALUES);
    let asked = template(
        "1.37",
        &path("k8s/chart"),
        &[
            "--values",
            values.to_str().unwrap(),
            "--set",
            "metrics.annotations=true,metrics.podMonitor=true,keys.create=false,networkPolicy.enabled=false",
        ],
    );
    let template = &object(&asked, "Deployment", "shop")["spec"]["template"];
    assert_eq!(template["metadata"]["annotations"]["prometheus.io/port"], "19090");
    let monitor = object(&asked, "PodMonitor", "shop");
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], template["metadata"]["labels"]);
    assert!(!asked.iter().any(|object| object["kind"] == "Secret" || object["kind"] == "NetworkPolicy"));
    assert!(!chart("1.37").iter().any(|object| object["kind"] == "PodMonitor"));
}

#[test]
fn a_chart_of_somebody_else_includes_the_sidecar() {
    let folder = tempfile::tempdir().unwrap();
    copy(&path("tests/kubernetes/parent"), folder.path());
    copy(&path("k8s/chart"), &folder.path().join("charts/alipay-sidecar"));
    let component = kustomize("1.37", EXAMPLE);
    for version in TOOLS {
        let objects = template(version, folder.path(), &[]);
        let pod = pod(&objects, "shop");
        let (ours, component) =
            (&pod["initContainers"][0], &self::pod(&component, "shop")["initContainers"][0]);
        assert_eq!(ours, component);
        assert_eq!(names(&pod["volumes"]).len(), 4);
        object(&objects, "ConfigMap", "shop-alipay-sidecar");
        assert_eq!(objects.len(), 2, "nothing of the app that is not there");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A configuration of the manifests, with its keys and its ledger in `folder`.
fn parsed(text: &str, folder: &Path) -> Result<Config, ConfigErrors> {
    let text = text
        .replace("/etc/alipay-sidecar-keys", folder.to_str().unwrap())
        .replace("/var/lib/alipay-sidecar", folder.to_str().unwrap());
    Config::parse(&folder.join("sidecar.toml"), text.as_bytes(), |_| None)
}

#[test]
fn every_configuration_is_sound_and_listens_where_the_manifests_say() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(path("k8s/example/keys/alipay.pem"), folder.path().join("alipay.pem")).unwrap();
    let made = [EXAMPLE, REDIS, PLAIN].map(|folder| kustomize("1.37", folder));
    for objects in made.into_iter().chain([chart("1.37")]) {
        let text = object(&objects, "ConfigMap", "alipay-sidecar")["data"]["sidecar.toml"].as_str().unwrap();
        let config = parsed(text, folder.path()).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
        assert!(!config.apps.is_empty());
        let pod = pod(&objects, "shop");
        let both =
            ["initContainers", "containers"].map(|list| pod[list].as_array().cloned().unwrap_or_default());
        let sidecar =
            both.concat().into_iter().find(|container| container["name"] == "alipay-sidecar").unwrap();
        let ports: Vec<u64> = sidecar["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| port["containerPort"].as_u64().unwrap())
            .collect();
        assert_eq!(ports, [config.server.listen.port(), config.admin.listen.port()].map(u64::from));
        // What rules.rs reckons with.
        assert_eq!(config.server.drain_timeout, Duration::from_secs(DRAIN));
    }
}
