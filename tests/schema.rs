//! `schema`: the command as its users call it.

#![cfg(test)]

use std::fs;
use std::process::{Command, Output};

use insta::assert_snapshot;

fn schema(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_alipay-sidecar")).arg("schema").args(arguments).output().unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let output = schema(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(arguments: &[&str]) -> String {
    let output = schema(arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_schema_of_a_message_is_json_and_that_of_a_user_s_own_message_too() {
    let schema: serde_json::Value = serde_json::from_str(&printed(&["trade_status_sync"])).unwrap();
    assert_eq!(schema["$id"], "urn:alipay:schema:trade_status_sync");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sidecar.toml");
    fs::write(&config, "[translate]\nmessages = [\"own.toml\"]\n").unwrap();
    fs::write(folder.path().join("own.toml"), "msg_method = \"my.own\"\n").unwrap();
    let config = config.to_str().unwrap();
    let schema: serde_json::Value = serde_json::from_str(&printed(&["my.own", "--config", config])).unwrap();
    assert_eq!(schema["$id"], "urn:alipay:schema:my.own");
    assert!(printed(&["--list", "--config", config]).contains("\nmy.own "));
    assert!(printed(&["my.own", "--format", "markdown", "-c", config]).starts_with("## my.own\n"));
    fs::remove_file(folder.path().join("own.toml")).unwrap();
    assert!(refused(&["my.own", "--config", config]).contains("cannot be read"));
}

#[test]
fn the_list_has_a_line_for_each_message() {
    let list = printed(&["--list"]);
    let lines: Vec<&str> = list.lines().filter(|line| line.starts_with("alipay.trade.")).collect();
    assert_snapshot!(lines.join("\n"), @r#"
    alipay.trade.order.settle.notify                  incomplete  交易分账结果通知 / The result of sharing a trade out
    alipay.trade.refund.depositback.completed         name only   退款退回银行卡完成通知 / The refund of a trade is back on the bank card
    alipay.trade.settle.dishonoured                   name only   交易结算退票通知 / The settlement of a trade is dishonoured
    alipay.trade.settle.fail                          name only   交易结算失败通知 / The settlement of a trade failed
    alipay.trade.settle.success                       name only   交易结算成功通知 / The settlement of a trade succeeded
    "#);
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_one() {
    assert_snapshot!(refused(&["trade_status_snyc"]), @r#"
    the catalogue has no message "trade_status_snyc"; the nearest is trade_status_sync
        `alipay-sidecar schema --list` shows all names; the files of your own are added by --config
    "#);
    assert_snapshot!(refused(&["--format", "json"]), @"name a message, or ask for --list: alipay-sidecar schema NAME");
    assert!(refused(&[]).contains("Usage: alipay-sidecar schema"));
}
