//! What real interpreters print of a genuine notification that they have parsed.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::{Desk, notification};

const PHP: &str = "parse_str(stream_get_contents(STDIN), $p);";
const PYTHON: &str =
    "import sys; from urllib.parse import parse_qs, parse_qsl; b = sys.stdin.read(); p = dict(parse_qsl(b));";
const JAVA: &str = r#"
    import java.net.URLDecoder; import java.util.*;
    import static java.nio.charset.StandardCharsets.UTF_8;
    class Print {
        public static void main(String[] args) throws Exception {
            Map<String, String> map = new HashMap<>();
            Map<String, Object> lists = new LinkedHashMap<>(), arrays = new TreeMap<>();
            for (String pair : new String(System.in.readAllBytes(), UTF_8).split("&")) {
                String name = pair.split("=")[0], value = URLDecoder.decode(pair.split("=", 2)[1], UTF_8);
                map.put(name, value);
                lists.put(name, List.of(value));
                arrays.put(name, new String[] {value});
            }
            Object print = args[0].equals("map") ? map : args[0].equals("lists") ? lists : arrays;
            System.out.write(("INFO notify " + print + " done\n").getBytes(UTF_8));
            System.out.flush();
        }
    }
"#;

/// What `command` prints, given `body` on standard input.
fn printed(mut command: Command, body: &str) -> Vec<u8> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn what_php_prints_is_verified() {
    for print in [
        "print_r($p);",
        "echo 'at 12:00 '; print_r($p); echo 'done';",
        "var_dump($p);",
        "var_export($p);",
        "echo serialize($p);",
        "echo json_encode($p);",
    ] {
        let mut php = Command::new("php");
        php.args(["-r", &format!("{PHP} {print}")]);
        Desk::new().explain(printed(php, &notification().body())).verifies();
    }
}

#[test]
fn what_python_prints_is_verified() {
    for print in [
        "p",
        "ascii(p)",
        "list(p.items())",
        "{k.encode(): v.encode() for k, v in p.items()}",
        "f'ImmutableMultiDict({list(p.items())})'",
        "f'<QueryDict: {parse_qs(b)}>'",
    ] {
        let mut python = Command::new("python3");
        python.env("PYTHONIOENCODING", "utf-8").args(["-c", &format!("{PYTHON} print('notify', {print})")]);
        Desk::new().explain(printed(python, &notification().body())).verifies();
    }
    let mut python = Command::new("python3");
    python.env("PYTHONIOENCODING", "utf-8").args(["-c", &format!("{PYTHON} print(parse_qs(b))")]);
    Desk::new().explain(printed(python, &notification().body())).proves(&["list_values"]);
}

#[test]
fn what_node_prints_is_verified() {
    for print in [
        "p",
        "new URLSearchParams(b)",
        "new Map(Object.entries(p))",
        "JSON.stringify(p)",
        "JSON.stringify(JSON.stringify(p))",
        "Buffer.from(b).toString('base64')",
        "'at 12:00', b, 'done'",
    ] {
        let mut node = Command::new("node");
        let read =
            "const b = require('fs').readFileSync(0, 'utf8'); const p = require('querystring').parse(b);";
        node.args(["-e", &format!("{read} console.log('notify', {print})")]);
        Desk::new().explain(printed(node, &notification().body())).verifies();
    }
}

#[test]
fn what_java_prints_is_verified_where_it_prints_values() {
    let desk = Desk::new();
    desk.write("Print.java", JAVA);
    let java = |what: &str| {
        let mut java = Command::new("java");
        java.current_dir(desk.path()).args(["-XX:TieredStopAtLevel=1", "Print.java", what]);
        printed(java, &notification().body())
    };
    desk.explain(java("map")).verifies();
    desk.explain(java("lists")).verifies();
    let (code, _, err) = desk.run(&["--key", "alipay.pem"], &java("arrays"));
    assert_eq!(code, Some(2));
    assert!(err.contains("getParameter(name)"), "{err}");
}
