//! The policies of `k8s/injection`, evaluated as an API server would.
//!
//! The typed literals of their language are known to an API server alone, so the driver turns them into maps, and sees to
//! it that each type stands where the object has it.

use serde_json::{Value, json};

use crate::VERSIONS;
use crate::tools::{ask, kustomize, object, validate};

const NAME: &str = "alipay-sidecar";

fn policy(kind: &str) -> Value {
    object(&kustomize("1.37", "k8s/injection"), kind, NAME).clone()
}

/// The pod as it is after its admission; nothing, if the policy does not concern it.
fn admitted(pod: &Value) -> Option<Value> {
    let policy = policy("MutatingAdmissionPolicy");
    let pod = ask(&json!({"action": "admit", "policy": policy, "pod": pod}));
    (!pod.is_null()).then_some(pod)
}

fn bare() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "shop", "labels": {"alipay-sidecar/inject": "true"}},
        "spec": {"terminationGracePeriodSeconds": 30, "containers": [{"name": "app", "image": "app"}]},
    })
}

/// The pod of the example, as the component makes it.
fn component() -> Value {
    object(&kustomize("1.37", "k8s/example"), "Deployment", "shop")["spec"]["template"]["spec"].clone()
}

#[test]
fn a_labelled_pod_gets_the_sidecar_of_the_component() {
    let pod = admitted(&bare()).unwrap();
    let (mut sidecar, component) = (pod["spec"]["initContainers"][0].clone(), component());
    for port in sidecar["ports"].as_array_mut().unwrap() {
        // Written out, for the ports of a container are known by it.
        assert_eq!(port.as_object_mut().unwrap().remove("protocol"), Some("TCP".into()));
    }
    assert_eq!(sidecar, component["initContainers"][0]);
    assert_eq!(pod["spec"]["volumes"], component["volumes"]);
    assert_eq!(pod["spec"]["containers"][0]["lifecycle"], component["containers"][0]["lifecycle"]);
    assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], component["terminationGracePeriodSeconds"]);
    assert_eq!(validate(&[pod], &VERSIONS), [""; 0]);
}

#[test]
fn what_a_pod_has_already_stays() {
    let mut pod = bare();
    pod["spec"]["initContainers"] = json!([{"name": "migrate", "image": "migrate"}]);
    pod["spec"]["volumes"] = json!([{"name": "files", "emptyDir": {}}]);
    pod["spec"]["terminationGracePeriodSeconds"] = json!(120);
    let hook = json!({"preStop": {"exec": {"command": ["say-goodbye"]}}});
    pod["spec"]["containers"] = json!([
        {"name": "one", "image": "one", "lifecycle": hook},
        {"name": "two", "image": "two"},
    ]);
    let pod = &admitted(&pod).unwrap()["spec"];
    assert_eq!(pod["initContainers"][0]["name"], NAME, "the sidecar comes first");
    assert_eq!(pod["initContainers"][1]["name"], "migrate");
    assert_eq!(pod["volumes"].as_array().unwrap().len(), 5);
    assert_eq!(pod["volumes"][0]["name"], "files");
    assert_eq!(pod["terminationGracePeriodSeconds"], 120);
    assert_eq!(pod["containers"][0]["lifecycle"], hook);
    assert_eq!(pod["containers"][1]["lifecycle"]["preStop"], json!({"sleep": {"seconds": 5}}));
}

#[test]
fn a_pod_that_has_the_sidecar_is_left_alone() {
    let once = admitted(&bare()).unwrap();
    assert_eq!(admitted(&once), None);
}

#[test]
fn nothing_happens_to_a_pod_without_the_label() {
    for kind in ["MutatingAdmissionPolicy", "ValidatingAdmissionPolicy"] {
        let constraints = &policy(kind)["spec"]["matchConstraints"];
        assert_eq!(constraints["objectSelector"]["matchLabels"], json!({"alipay-sidecar/inject": "true"}));
        assert_eq!(constraints["resourceRules"][0]["operations"], json!(["CREATE"]));
        assert_eq!(constraints["resourceRules"][0]["resources"], json!(["pods"]));
    }
}

#[test]
fn a_labelled_pod_without_its_secret_is_refused() {
    let policy = policy("ValidatingAdmissionPolicy");
    let refusals = |pod: &Value, secret: &Value| {
        let said = ask(&json!({"action": "judge", "policy": policy, "pod": pod, "params": secret}));
        said.as_array().unwrap().len()
    };
    let (secret, whole) = (json!({"data": {"alipay.pem": "a2V5"}}), admitted(&bare()).unwrap());
    assert_eq!(refusals(&whole, &secret), 0);
    assert_eq!(refusals(&whole, &json!({"data": {}})), 1, "an empty Secret is none");
    assert_eq!(refusals(&whole, &json!({})), 1);
    assert_eq!(refusals(&bare(), &secret), 1, "and so is a pod that the sidecar is missing from");
    // Where the Secret does not exist at all, the binding refuses.
    assert_eq!(policy["spec"]["paramKind"], json!({"apiVersion": "v1", "kind": "Secret"}));
    let objects = kustomize("1.37", "k8s/injection");
    let binding = &object(&objects, "ValidatingAdmissionPolicyBinding", NAME)["spec"];
    assert_eq!(binding["policyName"], NAME);
    assert_eq!(
        binding["paramRef"],
        json!({"name": "alipay-sidecar-keys", "parameterNotFoundAction": "Deny"})
    );
    assert_eq!(binding["validationActions"], json!(["Deny"]));
    assert_eq!(object(&objects, "MutatingAdmissionPolicyBinding", NAME)["spec"]["policyName"], NAME);
}
