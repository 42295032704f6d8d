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
    let compiled_in: Vec<&str> = BUILTIN.iter().map(|builtin| builtin.file).collect();
    assert_eq!(found, compiled_in);
}

#[test]
fn every_file_compiled_in_is_sound_and_is_what_the_build_found_in_it() {
    for builtin in &BUILTIN {
        let message = builtin.parse().unwrap_or_else(|mistakes| panic!("{}", told(&mistakes)));
        let file = builtin.file;
        assert_eq!((builtin.naming, builtin.name), (message.naming, &*message.name), "{file}");
        assert_eq!(builtin.has_fields, message.fields.is_some(), "{file}");
        assert_eq!(builtin.parameters, message.parameters(), "{file}");
    }
    assert!(BUILTIN.iter().any(|builtin| !builtin.parameters.is_empty()));
}

#[test]
fn every_file_compiled_in_is_named_for_its_message_and_documents_it() {
    let catalogue = Catalogue::builtin();
    assert_eq!(catalogue.methods().len(), BUILTIN.len());
    for (index, (builtin, message)) in BUILTIN.iter().zip(catalogue.messages()).enumerate() {
        let file = builtin.file;
        assert_eq!(file, format!("messages/{}.toml", message.name));
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
    let catalogue = Catalogue::builtin();
    assert!(catalogue.find(Naming::MsgMethod, "alipay.open.mini.icp.faceauth.complete").is_none());
    assert!(catalogue.find(Naming::NotifyType, "alipay.open.mini.icp.faceauth.completed").is_none());
}

/// The mistakes, a line each.
fn told(mistakes: &[CatalogueError]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A message with one field.
fn described(naming: &str, name: &str) -> String {
    let field = "name = 'settle_no'\ntype = 'string'\nrequired = true";
    format!("# Mine.\n{naming} = '{name}'\ncomplete = true\n[[fields]]\n{field}\n")
}

#[test]
fn a_file_completes_a_message_that_is_built_in_with_its_name_alone() {
    let mut catalogue = Catalogue::builtin();
    let (count, name) = (catalogue.methods().len(), "alipay.trade.settle.fail");
    let before =
        catalogue.find(Naming::MsgMethod, name).map(|(index, message)| (index, message.title.both()));
    catalogue.add("my.toml", &described("msg_method", name)).unwrap();
    let (index, message) = catalogue.find(Naming::MsgMethod, name).unwrap();
    assert_eq!(before, Some((index, message.title.both())));
    assert!(message.fields.as_ref().is_some_and(|fields| fields.find("settle_no").is_some()));
    assert_eq!(catalogue.methods().len(), count);
    // Other catalogues know no more than before.
    assert!(Catalogue::builtin().find(Naming::MsgMethod, name).unwrap().1.fields.is_none());
    // And it is complete now.
    insta::assert_snapshot!(
        told(&catalogue.add("other.toml", &described("msg_method", name)).unwrap_err()),
        @"other.toml:2: alipay.trade.settle.fail is described at my.toml:2 too: keep one of them"
    );
}

#[test]
fn a_file_that_completes_a_message_may_name_it_better() {
    let mut catalogue = Catalogue::builtin();
    let name = "alipay.trade.settle.fail";
    let text =
        described("msg_method", name).replace("complete", "title = { en = 'No settlement' }\ncomplete");
    catalogue.add("my.toml", &text).unwrap();
    assert_eq!(catalogue.find(Naming::MsgMethod, name).unwrap().1.title.both(), "No settlement");
}

#[test]
fn a_clash_names_both_files_and_a_remedy_that_can_be_followed() {
    let clash = |text: &str| told(&Catalogue::builtin().add("my.toml", text).unwrap_err());
    insta::assert_snapshot!([
        clash(&described("msg_method", "alipay.open.mini.icp.faceauth.completed")),
        clash(&described("notify_type", "trade_status_sync")),
        clash(&described("notify_type", "alipay.trade.settle.fail")),
        clash(&described("msg_method", "trade_status_sync")),
        clash("msg_method = 'alipay.trade.settle.fail'"),
    ].join("\n"), @"
    my.toml:2: alipay.open.mini.icp.faceauth.completed has its fields in messages/alipay.open.mini.icp.faceauth.completed.toml, built in, which stay as they are: remove this file
    my.toml:2: trade_status_sync has its fields in messages/trade_status_sync.toml, built in, which stay as they are: remove this file
    my.toml:2: alipay.trade.settle.fail is a msg_method in messages/alipay.trade.settle.fail.toml, built in: write msg_method in place of notify_type
    my.toml:2: trade_status_sync is a notify_type in messages/trade_status_sync.toml, built in: write notify_type in place of msg_method
    my.toml:1: alipay.trade.settle.fail is known without fields from messages/alipay.trade.settle.fail.toml, built in: list them, or remove this file
    ");
}

#[test]
fn the_parameters_of_a_file_of_the_user_are_known() {
    let mut catalogue = Catalogue::builtin();
    let before = catalogue.entries.iter().flat_map(Entry::parameters).count();
    catalogue.add("my.toml", &described("notify_type", "my_own_sync")).unwrap();
    catalogue.add("mine.toml", &described("msg_method", "my.own.message")).unwrap();
    let after: Vec<_> = catalogue.entries.iter().flat_map(Entry::parameters).collect();
    assert_eq!(after.len(), before + 1);
    assert_eq!(after.last(), Some(&("my_own_sync", "settle_no", false)));
}
