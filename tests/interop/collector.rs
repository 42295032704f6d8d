//! A collector of spans that reads them with the messages of the OpenTelemetry project.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::driver::{Driver, interop, python};

/// The running collector.
pub(crate) struct Collector {
    driver: Driver,
    pub(crate) port: u64,
}

/// An export as it came.
pub(crate) struct Export(Value);

impl Collector {
    pub(crate) fn start() -> Self {
        let (interpreter, _, installed) = python("receivers");
        let script = interop("receivers").join("collector.py");
        let mut driver = Driver::start("collector", &interpreter, &script, &installed);
        let port = driver.ask(&json!({ "do": "listen" }))["port"].as_u64().unwrap();
        Self { driver, port }
    }

    /// The next export, which is answered with `status`, and with how many spans of it are not wanted.
    pub(crate) fn next(&mut self, status: u16, reject: u32) -> Export {
        let export = self.driver.ask(&json!({ "do": "next", "status": status, "reject": reject }));
        assert!(export.get("error").is_none(), "{export}");
        Export(export)
    }
}

impl Export {
    pub(crate) fn path(&self) -> &str {
        self.0["path"].as_str().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.0["headers"][name].as_str().unwrap_or_default()
    }

    /// What the resource says of itself.
    pub(crate) fn resource(&self) -> BTreeMap<String, Value> {
        attributes(&self.0["request"]["resourceSpans"][0]["resource"]["attributes"])
    }

    pub(crate) fn spans(&self) -> Vec<Value> {
        self.0["request"]["resourceSpans"][0]["scopeSpans"][0]["spans"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }
}

/// Attributes by name, each as its JSON has it: numbers of 64 bits are text there.
pub(crate) fn attributes(list: &Value) -> BTreeMap<String, Value> {
    let value = |pair: &Value| pair["value"].as_object().unwrap().values().next().unwrap().clone();
    list.as_array()
        .unwrap()
        .iter()
        .map(|pair| (pair["key"].as_str().unwrap().to_owned(), value(pair)))
        .collect()
}

/// The digits of an id, which JSON has in base64.
pub(crate) fn hex(id: &Value) -> String {
    use base64::Engine;
    let bytes = base64::prelude::BASE64_STANDARD.decode(id.as_str().unwrap_or_default()).unwrap();
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
