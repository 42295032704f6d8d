//! What every file that is compiled in has to hold.

use super::*;

#[test]
fn every_file_in_messages_is_compiled_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/messages");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| format!("messages/{}", entry.unwrap().file_name().into_string().unwrap()))
        .collect();
    found.sort();
    assert!(!found.is_empty());
    let compiled_in: Vec<&str> = BUILTIN.iter().map(|(name, _)| *name).collect();
    assert_eq!(found, compiled_in);
}

#[test]
fn every_file_compiled_in_is_named_for_its_message_and_documents_it() {
    let catalogue = Catalogue::builtin().unwrap();
    assert_eq!(catalogue.methods().len(), BUILTIN.len());
    for (index, ((file, _), message)) in BUILTIN.iter().zip(catalogue.messages()).enumerate() {
        assert_eq!(*file, format!("messages/{}.toml", message.name));
        assert!(is_told(&message.title), "{file}");
        assert!(message.source.is_some(), "{file}");
        assert_eq!(message.example.is_some(), message.fields.is_some(), "{file}");
        message.fields.iter().for_each(|fields| are_told(file, fields));
        assert_eq!(catalogue.find(message.naming, &message.name).unwrap().0, index);
    }
}

fn is_told(words: &Words) -> bool {
    !words.zh.is_empty() && !words.en.is_empty()
}

fn are_told(file: &str, fields: &Fields) {
    for field in fields.iter() {
        assert!(is_told(&field.description), "{file}: {}", field.name);
        is_documented(file, &field.name, &field.kind);
    }
}

fn is_documented(file: &str, name: &str, kind: &FieldType) {
    match kind {
        FieldType::Enum { values } => {
            assert!(values.iter().all(|value| is_told(&value.meaning)), "{file}: {name}");
        }
        FieldType::Object { fields } => are_told(file, fields),
        FieldType::List { items } => is_documented(file, name, items),
        FieldType::Json { holds: Some(holds) } => is_documented(file, name, holds),
        FieldType::Text { .. }
        | FieldType::Integer
        | FieldType::Decimal { .. }
        | FieldType::Boolean { .. }
        | FieldType::TimestampMs
        | FieldType::DateTime
        | FieldType::Json { holds: None } => {}
    }
}

#[test]
fn an_unknown_method_is_not_found() {
    let catalogue = Catalogue::builtin().unwrap();
    assert!(catalogue.find(Naming::MsgMethod, "alipay.open.mini.icp.faceauth.complete").is_none());
    assert!(catalogue.find(Naming::NotifyType, "alipay.open.mini.icp.faceauth.completed").is_none());
}
