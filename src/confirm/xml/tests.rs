//! The one shape, and everything beside it.

use proptest::prelude::*;

use super::*;

const GENUINE: &str = concat!(
    r#"<?xml version="1.0" encoding="gbk"?><XML><AppId><![CDATA[2021000000000000]]></AppId><FromUserId></FromUserId>"#,
    "<CreateTime><![CDATA[1795460736896]]></CreateTime><MsgType><![CDATA[event]]></MsgType>",
    "<EventType><![CDATA[verifygw]]></EventType><ActionParam></ActionParam><AgreementId/><AccountNo></AccountNo></XML>",
);

fn wrapped(children: &str) -> String {
    format!("<XML><AppId>1</AppId><EventType>verifygw</EventType>{children}</XML>")
}

#[test]
fn the_genuine_shape_is_read() {
    assert_eq!(app_id(GENUINE).unwrap(), "2021000000000000");
    assert_eq!(
        app_id(&GENUINE.replace("><", ">\r\n\t <")).unwrap_err(),
        Malformed::EventType,
        "text is not trimmed"
    );
    assert_eq!(app_id(&wrapped("")).unwrap(), "1");
    for declaration in ["", "<?xml version=\"1.0\"?>\n", "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>", "\n"]
    {
        assert_eq!(
            app_id(&format!("{declaration}{}\n", wrapped("\n <New>x</New >"))).unwrap(),
            "1",
            "{declaration}"
        );
    }
}

#[test]
fn text_is_joined_of_characters_sections_and_the_five_entities() {
    let text = "<XML><EventType>veri<![CDATA[fyg]]>w</EventType><AppId>&lt;&amp;&gt;<![CDATA[&amp;<]]>&apos;&quot;</AppId></XML>";
    assert_eq!(app_id(text).unwrap(), "<&>&amp;<'\"");
}

#[test]
fn whatever_is_not_the_shape_is_refused() {
    let cases = [
        ("", Malformed::Root),
        ("text", Malformed::Foreign),
        ("\u{feff}<XML></XML>", Malformed::Character),
        ("<XML>\u{1}</XML>", Malformed::Character),
        ("<xml></xml>", Malformed::Root),
        ("<XML/>", Malformed::Root),
        ("<a:XML></a:XML>", Malformed::Root),
        ("<XML xmlns=\"a\"></XML>", Malformed::Attributes),
        ("<XML", Malformed::Syntax),
        ("<XML>", Malformed::Syntax),
        ("<XML></XMl>", Malformed::Syntax),
        ("<XML><AppId>", Malformed::Syntax),
        ("<XML><AppId></XML></AppId>", Malformed::Syntax),
        ("<XML></XML>", Malformed::EventType),
        ("<XML><EventType>verifygw</EventType></XML>", Malformed::NoAppId),
        ("<XML><AppId>1</AppId><EventType>VerifyGW</EventType></XML>", Malformed::EventType),
        ("<XML><AppId>1</AppId><EventType> verifygw</EventType></XML>", Malformed::EventType),
        ("<!DOCTYPE XML><XML></XML>", Malformed::Foreign),
        (
            "<!DOCTYPE XML [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><XML><AppId>&a;</AppId></XML>",
            Malformed::Foreign,
        ),
        ("<!-- --><XML></XML>", Malformed::Foreign),
        ("<?php?><XML></XML>", Malformed::Foreign),
        ("<?xml version=\"1.1\"?><XML></XML>", Malformed::Declaration),
        ("<?xml version=\"1.0\" encoding=\"utf-16\"?><XML></XML>", Malformed::Declaration),
        ("<?xml version=\"1.0\" encoding=\"GBK\" encoding=\"UTF-8\"?><XML></XML>", Malformed::Declaration),
        ("<?xml version=\"1.0\" standalone=\"no\"?><XML></XML>", Malformed::Declaration),
        ("<?xml?><XML></XML>", Malformed::Declaration),
        (" <?xml version=\"1.0\"?><XML></XML>", Malformed::Foreign),
        ("<?xml version=\"1.0\"?><?xml version=\"1.0\"?><XML></XML>", Malformed::Foreign),
    ];
    for (text, expected) in cases {
        assert_eq!(app_id(text), Err(expected), "{text}");
    }
    let children = [
        ("<AppId>1</AppId>", Malformed::Repeated),
        ("<AppId/>", Malformed::Repeated),
        ("<A><B></B></A>", Malformed::Nested),
        ("<A><B/></A>", Malformed::Nested),
        ("<A b=\"c\"></A>", Malformed::Attributes),
        ("<A b=\"c\"/>", Malformed::Attributes),
        ("<a:b></a:b>", Malformed::Name),
        ("<人></人>", Malformed::Name),
        ("<A>&a;</A>", Malformed::Reference),
        ("<A>&#49;</A>", Malformed::Reference),
        ("<A>&#x31;</A>", Malformed::Reference),
        ("&amp;", Malformed::Reference),
        ("<A>&</A>", Malformed::Syntax),
        ("<A>]]></A>", Malformed::Foreign),
        ("text", Malformed::Foreign),
        ("<![CDATA[ ]]>", Malformed::Foreign),
        ("<!-- -->", Malformed::Foreign),
        ("<A><!-- --></A>", Malformed::Foreign),
        ("<?a?>", Malformed::Foreign),
        ("<A><?a?></A>", Malformed::Foreign),
        ("<!DOCTYPE a>", Malformed::Foreign),
        ("</XML><XML>", Malformed::Foreign),
        ("</XML>text<XML>", Malformed::Foreign),
    ];
    for (child, expected) in children {
        assert_eq!(app_id(&wrapped(child)), Err(expected), "{child}");
    }
    for after in ["x", "<a/>", "<!-- -->", "<?a?>", "&amp;", "<![CDATA[ ]]>", "</XML>", "\0"] {
        assert!(app_id(&format!("{}{after}", wrapped(""))).is_err(), "{after}");
    }
    let many: Vec<_> = (0..32).map(|number| format!("<A{number}/>")).collect();
    assert_eq!(app_id(&wrapped(&many.concat())), Err(Malformed::TooMany));
}

/// Pieces of XML, so that what is put together is often nearly right.
fn nearly_xml() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<XML>",
        "</XML>",
        "<AppId>",
        "</AppId>",
        "<EventType>",
        "</EventType>",
        "verifygw",
        "1",
        "<![CDATA[",
        "]]>",
        "<A/>",
        "<A",
        ">",
        "<",
        "&",
        ";",
        "&lt;",
        "&#1;",
        "<!--",
        "-->",
        "<?",
        "?>",
        "<?xml version=\"1.0\"?>",
        " ",
        "\n",
        "\"",
        "=",
        "<!DOCTYPE",
        "人",
        "\0",
        "\u{feff}",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), nearly in nearly_xml()) {
        drop(app_id(&text));
        drop(app_id(&nearly));
        drop(app_id(&wrapped(&nearly)));
    }

    #[test]
    fn any_text_is_read_as_it_was_written(value in "[^\\x00-\\x1f\u{fffe}\u{ffff}]{0,40}") {
        let escaped = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let section = value.replace("]]>", "]]]]><![CDATA[>");
        for written in [escaped, format!("<![CDATA[{section}]]>")] {
            let text = format!("<XML><AppId>{written}</AppId><EventType>verifygw</EventType></XML>");
            prop_assert_eq!(app_id(&text), Ok(value.clone()));
        }
    }

    #[test]
    fn a_genuine_check_cut_short_or_with_more_after_it_is_refused(
        at in 1..GENUINE.len(), more in "[^ \\t\\r\\n]{1,8}",
    ) {
        prop_assert!(app_id(GENUINE.get(..at).unwrap()).is_err());
        let longer = format!("{GENUINE}{more}");
        prop_assert!(app_id(&longer).is_err());
    }
}
