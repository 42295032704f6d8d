//! What must hold between the parts of rendered objects, and what no schema says.

use std::collections::BTreeSet;

use serde_json::Value;

/// How long the app may take to end after its preStop hook, in seconds.
const APP_STOP: u64 = 20;
/// `server.drain_timeout`, in seconds.
pub(crate) const DRAIN: u64 = 20;

/// Everything that is wrong with `objects`, which make up one deployment.
pub(crate) fn problems(objects: &[Value]) -> Vec<String> {
    let mut said = Vec::new();
    let mut pods = 0;
    for object in objects.iter().filter(|object| object["kind"] == "Deployment") {
        pods += 1;
        let name = text(&object["metadata"]["name"]);
        let mut complain = |what: String| said.push(format!("Deployment {name}: {what}"));
        let (spec, template) = (&object["spec"], &object["spec"]["template"]);
        if !selects(&spec["selector"]["matchLabels"], &template["metadata"]["labels"]) {
            complain("its selector does not match its own pods".into());
        }
        let pod = &template["spec"];
        if list(&pod["initContainers"]).iter().any(|container| container["name"] == "alipay-sidecar") {
            sidecar(pod, &mut complain);
        }
        containers(pod, &mut complain);
        volumes(pod, objects, &mut complain);
    }
    if pods == 0 {
        said.push("there is no Deployment".into());
    }
    for object in objects {
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        let selector = match kind {
            "Service" => &object["spec"]["selector"],
            "PodDisruptionBudget" => &object["spec"]["selector"]["matchLabels"],
            "NetworkPolicy" => &object["spec"]["podSelector"]["matchLabels"],
            _ => continue,
        };
        let pods: Vec<&Value> = objects
            .iter()
            .filter(|object| object["kind"] == "Deployment")
            .map(|object| &object["spec"]["template"])
            .filter(|template| selects(selector, &template["metadata"]["labels"]))
            .collect();
        let [pod] = pods.as_slice() else {
            said.push(format!("{kind} {name}: selects the pods of {} Deployments", pods.len()));
            continue;
        };
        let ports = match kind {
            "Service" => list(&object["spec"]["ports"]).iter().map(|port| &port["targetPort"]).collect(),
            "NetworkPolicy" => list(&object["spec"]["ingress"])
                .iter()
                .flat_map(|rule| list(&rule["ports"]))
                .map(|port| &port["port"])
                .collect(),
            _ => Vec::new(),
        };
        for port in ports {
            if !leads_somewhere(port, &pod["spec"]) {
                said.push(format!("{kind} {name}: port {port} is none of the pod's"));
            }
        }
    }
    said
}

/// The sidecar in the pod: the first, a native one, with the time that it needs at the end.
fn sidecar(pod: &Value, complain: &mut impl FnMut(String)) {
    let first = &pod["initContainers"][0];
    if first["name"] != "alipay-sidecar" {
        complain("the sidecar is not the first of the initContainers".into());
    } else if first["restartPolicy"] != "Always" {
        complain("the sidecar is no native one: restartPolicy is not Always".into());
    }
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        if first.get(probe).is_none() {
            complain(format!("the sidecar has no {probe}"));
        }
    }
    let no_token = "/var/run/secrets/kubernetes.io/serviceaccount";
    if !list(&first["volumeMounts"]).iter().any(|mount| mount["mountPath"] == no_token) {
        complain("the sidecar has a token of the service account".into());
    }
    let mut longest = 0;
    for container in list(&pod["containers"]) {
        match container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64() {
            Some(seconds) => longest = longest.max(seconds),
            None => complain(format!("container {}: no preStop sleep", text(&container["name"]))),
        }
    }
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
    let needed = longest.saturating_add(APP_STOP).saturating_add(DRAIN);
    if grace < needed {
        complain(format!("terminationGracePeriodSeconds is {grace}, and the end may take {needed}"));
    }
}

/// Each container: restricted, within a limit of memory, and probed on ports that it has.
fn containers(pod: &Value, complain: &mut impl FnMut(String)) {
    let all = list(&pod["initContainers"]).iter().chain(list(&pod["containers"]));
    for container in all {
        let name = text(&container["name"]);
        let mut complain = |what: &str| complain(format!("container {name}: {what}"));
        let security = &container["securityContext"];
        let wanted: [(&str, Value); 5] = [
            ("/runAsNonRoot", true.into()),
            ("/readOnlyRootFilesystem", true.into()),
            ("/allowPrivilegeEscalation", false.into()),
            ("/capabilities/drop/0", "ALL".into()),
            ("/seccompProfile/type", "RuntimeDefault".into()),
        ];
        for (pointer, wanted) in wanted {
            if security.pointer(pointer) != Some(&wanted) {
                complain(&format!("securityContext{pointer} is not {wanted}"));
            }
        }
        if security["runAsUser"].as_u64().is_none_or(|user| user == 0) {
            complain("runs as root");
        }
        if container["resources"]["limits"].get("memory").is_none() {
            complain("no limit of memory");
        }
        if container["resources"]["limits"].get("cpu").is_some() {
            complain("a limit of CPU, which only slows it down");
        }
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            for action in ["httpGet", "tcpSocket"] {
                let port = &container[probe][action]["port"];
                let is_known = |known: &Value| known["name"] == *port || known["containerPort"] == *port;
                if !port.is_null() && !list(&container["ports"]).iter().any(is_known) {
                    complain(&format!("{probe} asks port {port}, which it does not have"));
                }
            }
        }
    }
}

/// Volumes are mounted, mounts have a volume, and what volumes are made of is there.
fn volumes(pod: &Value, objects: &[Value], complain: &mut impl FnMut(String)) {
    let volumes: BTreeSet<&str> = list(&pod["volumes"]).iter().map(|volume| text(&volume["name"])).collect();
    let mut mounted = BTreeSet::new();
    let all = list(&pod["initContainers"]).iter().chain(list(&pod["containers"]));
    for mount in all.flat_map(|container| list(&container["volumeMounts"])) {
        mounted.insert(text(&mount["name"]));
        if mount.get("subPath").is_some() {
            complain(format!("{} is mounted by subPath, and never updated", text(&mount["name"])));
        }
    }
    for name in mounted.difference(&volumes) {
        complain(format!("{name} is mounted, and no volume"));
    }
    for name in volumes.difference(&mounted) {
        complain(format!("volume {name} is mounted nowhere"));
    }
    for volume in list(&pod["volumes"]) {
        for (kind, name) in
            [("ConfigMap", &volume["configMap"]["name"]), ("Secret", &volume["secret"]["secretName"])]
        {
            let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == *name;
            if !name.is_null() && !objects.iter().any(|object| is_it(&object)) {
                complain(format!("{kind} {} is missing", text(name)));
            }
        }
    }
}

/// Whether `port`, by number or name, is one that a Service or a `NetworkPolicy` finds in `pod`.
///
/// Names are looked up among the ports of `containers` alone: not every version knows those of native sidecars.
fn leads_somewhere(port: &Value, pod: &Value) -> bool {
    let has = |list: &[Value], key: &str| {
        list.iter().any(|container| self::list(&container["ports"]).iter().any(|known| known[key] == *port))
    };
    let (init, containers) = (list(&pod["initContainers"]), list(&pod["containers"]));
    has(containers, "name") || has(containers, "containerPort") || has(init, "containerPort")
}

/// Whether `labels` has all of `selector`, which has one at least.
fn selects(selector: &Value, labels: &Value) -> bool {
    selector.as_object().is_some_and(|selector| {
        !selector.is_empty() && selector.iter().all(|(name, value)| labels.get(name) == Some(value))
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

mod tests {
    use serde_json::{Value, json};

    use super::problems;
    use crate::tools::kustomize;

    const POD: &str = "/spec/template/spec";

    /// The complaints about the example after a change to one of its objects, by kind and place in it.
    fn after(objects: &[Value], kind: &str, pointer: &str, value: Value) -> Vec<String> {
        let mut objects = objects.to_vec();
        let object = objects.iter_mut().find(|object| object["kind"] == kind).unwrap();
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent} in {kind}"));
        match parent.as_array_mut() {
            Some(items) => items[last.parse::<usize>().unwrap()] = value,
            None => parent[last] = value,
        }
        problems(&objects)
    }

    #[test]
    fn each_rule_notices_what_it_is_for() {
        let example = kustomize("1.37", "k8s/example");
        let broken = [
            ("/terminationGracePeriodSeconds", json!(30), "the end may take 45"),
            ("/containers/0/lifecycle/preStop/sleep/seconds", json!(45), "the end may take 85"),
            ("/containers/0/lifecycle", json!({}), "no preStop sleep"),
            ("/initContainers/0/volumeMounts/0/name", json!("other"), "other is mounted, and no volume"),
            ("/initContainers/0/volumeMounts/0/subPath", json!("sidecar.toml"), "never updated"),
            ("/volumes/0/name", json!("other"), "volume other is mounted nowhere"),
            ("/volumes/0/configMap/name", json!("other"), "ConfigMap other is missing"),
            ("/volumes/1/secret/secretName", json!("other"), "Secret other is missing"),
            ("/initContainers/0/restartPolicy", Value::Null, "no native one"),
            ("/initContainers/0/volumeMounts/3/mountPath", json!("/other"), "token"),
            ("/initContainers/0/startupProbe/httpGet/port", json!("http"), "startupProbe asks port \"http\""),
            ("/initContainers/0/ports/1/name", json!("other"), "livenessProbe asks port"),
            ("/initContainers/0/ports/0/containerPort", json!(8080), "port 18080 is none of the pod's"),
            (
                "/initContainers/0/securityContext/allowPrivilegeEscalation",
                Value::Null,
                "allowPrivilegeEscalation",
            ),
            ("/initContainers/0/securityContext/capabilities", json!({}), "drop/0 is not \"ALL\""),
            ("/containers/0/securityContext/runAsUser", json!(0), "runs as root"),
            ("/containers/0/resources/limits", json!({"cpu": "1"}), "no limit of memory"),
            ("/initContainers/0/resources/limits/cpu", json!("1"), "a limit of CPU"),
        ];
        for (pointer, value, said) in broken {
            let found = after(&example, "Deployment", &format!("{POD}{pointer}"), value);
            assert!(found.iter().any(|found| found.contains(said)), "{pointer}: {said:?} in {found:?}");
        }
        let other = json!({"app.kubernetes.io/name": "other"});
        let broken = [
            ("Deployment", "/spec/selector/matchLabels", other.clone(), "does not match its own pods"),
            ("Service", "/spec/selector", other.clone(), "selects the pods of 0"),
            ("PodDisruptionBudget", "/spec/selector/matchLabels", other.clone(), "selects the pods of 0"),
            ("NetworkPolicy", "/spec/podSelector/matchLabels", other, "selects the pods of 0"),
            ("Service", "/spec/ports/0/targetPort", json!("alipay"), "is none of the pod's"),
            ("NetworkPolicy", "/spec/ingress/0/ports/0/port", json!(3000), "is none of the pod's"),
        ];
        for (kind, pointer, value, said) in broken {
            let found = after(&example, kind, pointer, value);
            assert!(found.iter().any(|found| found.contains(said)), "{kind}{pointer}: {found:?}");
        }
        let first = example.iter().find(|object| object["kind"] == "Deployment").unwrap();
        let mut containers = vec![json!({"name": "migrate"})];
        containers
            .extend(first.pointer(&format!("{POD}/initContainers")).unwrap().as_array().unwrap().clone());
        let found = after(&example, "Deployment", &format!("{POD}/initContainers"), json!(containers));
        assert!(found.iter().any(|found| found.contains("not the first")), "{found:?}");
    }
}
