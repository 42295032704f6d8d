use proptest::prelude::*;

use super::*;

fn closed() -> Closed {
    Closed::new(["/alipay/notify", "/hooks/notify.php?from=alipay", "/v1.0/Kunden%20Daten/in"])
}

#[test]
fn every_spelling_of_a_closed_path_is_closed() {
    let closed = closed();
    assert!(SPELLINGS.lines().count() > 80);
    for path in SPELLINGS.lines().chain(["\\alipay\\notify", "/v1.0/Kunden Daten/in"]) {
        assert!(closed.holds(path), "{path}");
    }
}

#[test]
fn what_cannot_lead_there_is_open() {
    let closed = closed();
    for path in [
        "/",
        "/alipay",
        "/alipay/",
        "/alipay/notify-me",
        "/alipay/notify_url",
        "/alipay/notify2",
        "/alipay/notification",
        "/alipay/return",
        "/notify",
        "/x/alipay/notify",
        "/alipay/x/notify",
        "/notify/alipay",
        "/hooks",
        "/hooks/notify2.php",
        "/static/app.js",
        "/a%2Fb/c",
        "/100%25",
        "/100%",
        "/%E4%B8%AD%E6%96%87/%E9%A1%B5%E9%9D%A2.html",
        // 中文 in GBK, and a lead byte that is an overlong one in UTF-8.
        "/%D6%D0%CE%C4/%C0%B4",
        "/alipay/%E4%B8%AD/notify2",
        "/a/../b",
        "/../../etc/passwd",
        "/search;type=alipay/notify",
        "//cdn.example.com/app.js",
        "/v1.1/Kunden%20Daten/in",
    ] {
        assert!(!closed.holds(path), "{path}");
    }
}

#[test]
fn the_root_and_the_page_for_everything_leave_nothing_open() {
    for path in ["/", "", "/?a=b", "/index.php", "/./", "//", "/Default.aspx", "/index", "/x%00"] {
        assert!(Closed::is_everything(path), "{path}");
        assert!(Closed::new([path]).holds("/anything"), "{path}");
    }
    assert!(Closed::is_everything("/a/.."));
    assert!(Closed::new(["/a/../alipay/notify"]).holds("/alipay/notify"));
    assert!(!Closed::is_everything("/alipay/index.php"));
    assert!(Closed::new(["/alipay/index.php"]).holds("/alipay/"));
    assert!(Closed::new(["/index.php/alipay/notify"]).holds("/alipay/notify"));
    assert!(!Closed::new(["/index.php/alipay/notify"]).holds("/alipay"));
}

#[test]
fn what_is_encoded_without_end_is_closed_and_costs_little() {
    assert!(closed().holds(&format!("/%{}41", "25".repeat(8000))));
    assert!(!closed().holds("/%25252541"));
}

/// What real servers are asked for, too, in `tests/way`.
const SPELLINGS: &str = include_str!("../../../tests/fixtures/spellings.txt");

/// A server that reads a path in one of the ways that servers do.
#[expect(clippy::struct_excessive_bools, reason = "each is a habit of its own")]
#[derive(Debug, Clone)]
struct Lenient {
    decodes: usize,
    decodes_before_dots: bool,
    takes_backslashes: bool,
    drops_parameters: bool,
    resolves_dots: bool,
    merges_slashes: bool,
    folds_case: bool,
}

impl Lenient {
    fn reads(&self, path: &str) -> String {
        let mut text = path.to_owned();
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        if self.decodes_before_dots {
            text = (0..self.decodes).fold(text, |text, _| decode(&text));
        }
        if self.takes_backslashes {
            text = text.replace('\\', "/");
        }
        let mut segments: Vec<String> = Vec::new();
        for segment in text.split('/') {
            let segment = if self.drops_parameters { segment.split(';').next().unwrap() } else { segment };
            match segment {
                ".." if self.resolves_dots => drop(segments.pop()),
                "." if self.resolves_dots => {}
                "" if self.merges_slashes => {}
                _ => segments.push(segment.to_owned()),
            }
        }
        text = format!("/{}", segments.join("/").trim_start_matches('/'));
        if !self.decodes_before_dots {
            text = (0..self.decodes).fold(text, |text, _| decode(&text));
        }
        if self.folds_case {
            text = text.to_lowercase();
        }
        text.trim_end_matches('/').to_owned()
    }
}

fn lenient() -> impl Strategy<Value = Lenient> {
    (0_usize..4, any::<[bool; 6]>()).prop_map(|(decodes, [a, b, c, d, e, f])| Lenient {
        decodes,
        decodes_before_dots: a,
        takes_backslashes: b,
        drops_parameters: c,
        resolves_dots: d,
        merges_slashes: e,
        folds_case: f,
    })
}

/// Pieces of which many spellings of `/alipay/notify` can be made, and many other paths.
fn spelling() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/",
        "/",
        "/",
        "\\",
        "%2f",
        "%5C",
        "%252F",
        "alipay",
        "alipay",
        "notify",
        "notify",
        "ALIPAY",
        "Notify",
        "%61lipay",
        "%256eotify",
        "noti%66y",
        "..",
        "..",
        ".",
        "%2e%2e",
        "%252e",
        ";",
        ";a=b",
        "x",
        "y",
        "%00",
        "%20",
        "//",
        "/../",
    ]);
    prop::collection::vec(piece, 1..10).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn whatever_a_lenient_server_reads_as_a_closed_path_is_closed(path in spelling(), server in lenient()) {
        let read = server.reads(&path);
        if read == "/alipay/notify" || read.starts_with("/alipay/notify/") {
            prop_assert!(Closed::new(["/alipay/notify"]).holds(&path), "{} to {:?}", path, server);
        }
    }

    #[test]
    fn a_closed_path_is_closed_however_it_is_encoded(
        levels in prop::collection::vec(any::<[bool; 14]>(), 0..4), upper in any::<[bool; 14]>(),
    ) {
        let cased = "/alipay/notify".chars().zip(upper).map(|(c, up)| if up { c.to_ascii_uppercase() } else { c });
        let mut pieces: Vec<String> = cased.map(String::from).collect();
        for level in levels {
            for (piece, encode) in pieces.iter_mut().zip(level) {
                if encode {
                    *piece = piece.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"));
                }
            }
        }
        prop_assert!(Closed::new(["/alipay/notify"]).holds(&pieces.concat()));
    }

    #[test]
    fn no_path_makes_it_panic(path in any::<String>(), other in any::<String>()) {
        Closed::new([other.as_str()]).holds(&path);
        prop_assert!(Closed::new([path.as_str()]).holds(&path));
    }
}
